"""The kernel's TCP sockets, asked for or read."""

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from asgi_bench.machine import tcp_sockets
from asgi_bench.machine.tcp_sockets import (
    CLOSE_WAIT,
    ESTABLISHED,
    LISTEN,
    TcpRow,
    address_text,
    read_tables,
    tcp_rows,
)

TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 0200007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 4711 1
"""


@pytest.fixture(params=[socket.AF_INET, socket.AF_INET6], ids=["ipv4", "ipv6"])
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    """That of a listener with three connections: accepted, half closed, and still in its queue."""
    host = "127.0.0.1" if request.param == socket.AF_INET else "::1"
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket(request.param))
        try:
            listener.bind((host, 0))
        except OSError:
            pytest.skip("this kernel has no IPv6")
        listener.listen()
        address = listener.getsockname()[:2]
        for _ in range(2):
            client = stack.enter_context(socket.create_connection(address))
            accepted = stack.enter_context(listener.accept()[0])
        client.close()
        assert accepted.recv(1) == b""
        stack.enter_context(socket.create_connection(address))
        yield address[1]


def test_the_kernel_tells_of_a_port_what_its_table_lists(port: int) -> None:
    """Asked or read, it is the same: ports, states, inodes, addresses; 0 for who waits."""
    asked = tcp_rows(local_port=port)
    assert sorted(asked) == sorted(row for row in read_tables() if row.local_port == port)
    assert sorted(row.state for row in asked) == [ESTABLISHED, ESTABLISHED, CLOSE_WAIT, LISTEN]
    assert sum(not row.inode for row in asked) == 1


def test_only_the_wanted_states_are_told(port: int) -> None:
    """Of one port, and of all."""
    (listening,) = tcp_rows((LISTEN,), port)
    assert listening.state == LISTEN
    assert listening in tcp_rows((LISTEN,))
    assert {row.state for row in tcp_rows((LISTEN, ESTABLISHED))} == {LISTEN, ESTABLISHED}


@pytest.mark.parametrize("number", [errno.ENOENT, errno.EPROTONOSUPPORT, errno.EPERM])
def test_where_the_kernel_cannot_be_asked_its_table_is_read(
    port: int, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kernel without sock_diag, and a sandbox that forbids it."""
    asked = tcp_rows((LISTEN,), port)

    def refuse(*_: object) -> Iterator[TcpRow]:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(tcp_sockets, "_asked", refuse)
    assert tcp_rows((LISTEN,), port) == asked


def test_another_fault_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many open files is no want of the kernel's."""

    def refuse(*_: object) -> Iterator[TcpRow]:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(tcp_sockets, "_asked", refuse)
    with pytest.raises(OSError, match="Too many open files"):
        tcp_rows()


def test_a_refused_question_is_an_error() -> None:
    """What the kernel answers with a number becomes an OSError of that number."""
    with pytest.raises(OSError, match=r".") as caught:
        list(tcp_sockets._asked(socket.AF_PACKET, (LISTEN,), None))
    assert caught.value.errno == errno.EINVAL


def test_a_table_is_read_and_one_that_is_lacking_is_not(tmp_path: Path) -> None:
    """A kernel without IPv6 has no tcp6."""
    (tmp_path / "net").mkdir()
    (tmp_path / "net/tcp").write_text(TABLE)
    assert list(read_tables(tmp_path)) == [
        TcpRow(8080, 50000, ESTABLISHED, 4711, bytes((127, 0, 0, 2)))
    ]


@pytest.mark.parametrize(
    ("packed", "address"),
    [
        (b"\x7f\0\0\1", "127.0.0.1"),
        (bytes(15) + b"\1", "::1"),
        (bytes(10) + b"\xff\xff\x7f\0\0\1", "127.0.0.1"),
    ],
)
def test_an_address_is_as_people_write_it(packed: bytes, address: str) -> None:
    """IPv4 within IPv6 is IPv4."""
    assert address_text(packed) == address
