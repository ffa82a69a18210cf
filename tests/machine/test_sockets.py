"""Whose sockets are whose."""

import os
import select
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import pytest

from asgi_bench.machine import sockets
from asgi_bench.machine.tcp_sockets import ESTABLISHED, address_text, tcp_rows
from asgi_bench.model import Endpoint

# Listens beside us on the port by SO_REUSEPORT, or accepts from an inherited socket.
STRANGER = """
import socket, sys, time
if sys.argv[1] == "reuse":
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    s.bind(("127.0.0.1", int(sys.argv[2])))
    s.listen()
else:
    s = socket.socket(fileno=int(sys.argv[2]))
    kept = s.accept()
print(flush=True)
time.sleep(60)
"""


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A socket that listens on some port of 127.0.0.1."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        yield sock


def port_of(sock: socket.socket) -> int:
    """The local port."""
    return int(sock.getsockname()[1])


def inode_of(sock: socket.socket) -> int:
    """The socket's inode."""
    return os.fstat(sock.fileno()).st_ino


def eventually(condition: Callable[[], bool]) -> None:
    """Wait for a condition, to a deadline."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def owners_of(
    local_port: int, client_ports: Sequence[int], pids: Sequence[int]
) -> sockets.ConnectionOwners:
    """The counts of owners, which must be those that are told port by port."""
    found = sockets.connection_owners(Endpoint.local(local_port), client_ports, pids)
    assert Counter(found.pid_by_port.values()) == found.by_pid
    assert set(found.pid_by_port) <= set(client_ports)
    return msgspec.structs.replace(found, pid_by_port={})


def test_listeners_are_found_by_port(listener: socket.socket) -> None:
    """A listener must be found, a socket that is only bound or connected must not."""
    port = port_of(listener)
    with socket.create_connection(("127.0.0.1", port)):
        assert sockets.listening_inodes(Endpoint.local(port)) == {inode_of(listener)}
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        assert sockets.listening_inodes(Endpoint.local(port_of(bound))) == set()


def test_listeners_on_ipv6_are_found() -> None:
    """A server on `::` answers on 127.0.0.1 too, so it counts."""
    if not socket.has_ipv6:
        pytest.skip("this Python has no IPv6")
    with socket.socket(socket.AF_INET6) as sock:
        try:
            sock.bind(("::", 0))
        except OSError:
            pytest.skip("this kernel has no IPv6")
        sock.listen()
        port = port_of(sock)
        assert sockets.listening_inodes(Endpoint.local(port)) == {inode_of(sock)}
        with socket.create_connection(("127.0.0.1", port)) as client:
            accepted, _ = sock.accept()
            with accepted:
                found = owners_of(port, [port_of(client)], [os.getpid()])
    assert found == sockets.ConnectionOwners({os.getpid(): 1})


def test_sockets_of_a_process_lead_to_its_descriptors(
    listener: socket.socket, gone_pid: int
) -> None:
    """The inode must be joined with the process that holds it, and with no other."""
    inode = inode_of(listener)
    assert sockets.socket_inodes(os.getpid())[inode] == listener.fileno()
    assert sockets.socket_inodes(gone_pid) == {}
    assert sockets.owners({inode, 1}, [os.getpid(), gone_pid, 1]) == {
        inode: (os.getpid(),),
        1: (),
    }
    assert sockets.holder(inode) == os.getpid()
    assert sockets.unreadable([os.getpid()]) == ()


def test_only_who_watches_the_listener_is_a_watcher(listener: socket.socket) -> None:
    """Holding a listener is not enough: an epoll must watch it, and that very one."""
    port, pids = port_of(listener), [os.getpid()]
    assert sockets.watchers(Endpoint.local(port), pids) == set()
    with select.epoll() as epoll, socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        epoll.register(other.fileno(), select.EPOLLIN)
        assert sockets.watchers(Endpoint.local(port), pids) == set()
        assert sockets.watchers(Endpoint.local(port_of(other)), pids) == {os.getpid()}
        epoll.register(listener.fileno(), select.EPOLLIN)
        assert sockets.watchers(Endpoint.local(port), pids) == {os.getpid()}
    assert sockets.watchers(Endpoint.local(port), pids) == set()


def test_watched_inodes_are_read_with_and_without_their_number() -> None:
    """Kernels before 4.14 tell only the descriptor in fdinfo."""
    new = "pos:\t0\ntfd:        7 events:       19 data:                7  pos:0 ino:2d3f sdev:8\n"
    old = "pos:\t0\ntfd:        7 events:       19 data: ffffffffffffffff\n"
    assert sockets.parse_watched(new + new.replace("2d3f", "1"), {7: 5}) == {0x2D3F, 1}
    assert sockets.parse_watched(old, {7: 5}) == {5}


def test_a_connection_in_the_queue_is_unaccepted(listener: socket.socket) -> None:
    """The kernel completes a connection before any process accepts it: nobody holds it yet."""
    port, pids = port_of(listener), [os.getpid()]
    with socket.create_connection(("127.0.0.1", port)) as client:
        ports = [port_of(client)]
        assert owners_of(port, ports, pids) == sockets.ConnectionOwners({}, unaccepted=1)
        accepted, _ = listener.accept()
        with accepted:
            assert owners_of(port, ports, pids) == sockets.ConnectionOwners({os.getpid(): 1})
            assert owners_of(port, [1], pids) == sockets.ConnectionOwners({})


def test_a_connection_the_server_has_closed_is_nobodys(listener: socket.socket) -> None:
    """It lingers in the kernel without an owner, but it is not waiting to be accepted."""
    with socket.create_connection(("127.0.0.1", port_of(listener))) as client:
        accepted, _ = listener.accept()
        accepted.close()
        assert client.recv(1) == b""
        found = owners_of(port_of(listener), [port_of(client)], [os.getpid()])
    assert found == sockets.ConnectionOwners({})


def test_a_strangers_connection_is_told(listener: socket.socket) -> None:
    """A connection that another process accepted must count as a stranger's."""
    listener.set_inheritable(True)
    fd = listener.fileno()
    argv = [sys.executable, "-I", "-S", "-c", STRANGER, "inherit", str(fd)]
    port = port_of(listener)
    with subprocess.Popen(argv, stdout=subprocess.PIPE, pass_fds=[fd]) as child:
        try:
            with socket.create_connection(("127.0.0.1", port)) as client:
                assert child.stdout is not None
                child.stdout.readline()
                ports = [port_of(client)]
                assert owners_of(port, ports, [os.getpid()]) == sockets.ConnectionOwners(
                    {}, strangers=1
                )
                assert owners_of(port, ports, [os.getpid(), child.pid]) == sockets.ConnectionOwners(
                    {child.pid: 1}
                )
        finally:
            child.kill()


def test_a_torn_reading_of_the_table_counts_each_connection_once(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that come twice, or not at all at first, change nothing."""
    port = port_of(listener)
    with (
        socket.create_connection(("127.0.0.1", port)) as one,
        socket.create_connection(("127.0.0.1", port)) as other,
        listener.accept()[0],
        listener.accept()[0],
    ):
        ports = [port_of(one), port_of(other)]
        rows = tcp_rows((ESTABLISHED,), port)
        without = [row for row in rows if row.remote_port != port_of(other)]
        for readings in ([rows + rows], [without, rows], [without, without, rows]):
            left = iter(readings)
            monkeypatch.setattr(sockets, "tcp_rows", lambda *_, left=left: next(left))
            found = owners_of(port, ports, [os.getpid()])
            assert found == sockets.ConnectionOwners({os.getpid(): 2})


def test_a_strangers_listener_beside_ours_has_no_owner(listener: socket.socket) -> None:
    """By SO_REUSEPORT a stranger may listen on our very port: its socket is none of ours."""
    port = port_of(listener)
    argv = [sys.executable, "-I", "-S", "-c", STRANGER, "reuse", str(port)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as child:
        try:
            assert child.stdout is not None
            child.stdout.readline()
            inodes = sockets.listening_inodes(Endpoint.local(port))
            held = sockets.owners(inodes, [os.getpid()])
            assert len(inodes) == 2
            (foreign,) = [inode for inode, pids in held.items() if not pids]
            assert sockets.holder(foreign) == child.pid
        finally:
            child.kill()
    eventually(lambda: len(sockets.listening_inodes(Endpoint.local(port))) == 1)


def test_a_connection_that_was_closed_while_we_looked_is_no_strangers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A server that closes after its answers may do so between two readings of the kernel."""
    gone = 2**62
    monkeypatch.setattr(sockets, "_server_ends", lambda *_: {2: gone})
    found = sockets.connection_owners(Endpoint.local(1), [2], [os.getpid()])
    assert found == sockets.ConnectionOwners({})


def test_connections_that_a_process_opened_are_its_outgoing_ones(listener: socket.socket) -> None:
    """What it has accepted came from others; each tells where it leads."""
    with socket.create_connection(listener.getsockname()) as client:
        accepted, _ = listener.accept()
        with accepted:
            found = sockets.outgoing([os.getpid()])
            mine = [row for row in found if row.remote_port == port_of(listener)]
            assert [row.local_port for row in mine] == [port_of(client)]
            assert address_text(mine[0].remote_address) == "127.0.0.1"
            assert port_of(accepted) not in [row.local_port for row in found]


def test_a_connection_is_held_until_the_server_closes_it(listener: socket.socket) -> None:
    """Whoever the client is, and after it has gone; a listener is no connection."""
    endpoint, ours = Endpoint.local(port_of(listener)), (os.getpid(),)
    before = sockets.descriptors(ours)
    assert sockets.held_connections(endpoint, ours) == 0
    client = socket.create_connection(listener.getsockname())
    accepted, _ = listener.accept()
    with accepted:
        client.close()
        assert sockets.held_connections(endpoint, ours) == 1
        assert sockets.held_connections(endpoint, ()) == 0
        now = sockets.descriptors(ours)
        assert now is not None and before is not None
        assert now - before == {(os.getpid(), f"socket:[{inode_of(accepted)}]"): 1}
    assert sockets.held_connections(endpoint, ours) == 0


def test_a_unix_socket_is_found_by_its_path(tmp_path: Path) -> None:
    """Its listener, who watches it, and who holds the connections; one in the queue is nobody's."""
    path = str(tmp_path / "a socket")
    endpoint, ours = Endpoint(path, "unix"), (os.getpid(),)
    with socket.socket(socket.AF_UNIX) as listener, select.epoll() as epoll:
        listener.bind(path)
        assert sockets.listening_inodes(endpoint) == set()
        listener.listen()
        assert sockets.listening_inodes(endpoint) == {inode_of(listener)}
        assert sockets.watchers(endpoint, ours) == set()
        epoll.register(listener, select.EPOLLIN)
        assert sockets.watchers(endpoint, ours) == {os.getpid()}
        with socket.socket(socket.AF_UNIX) as first, socket.socket(socket.AF_UNIX) as second:
            first.connect(path)
            accepted, _ = listener.accept()
            second.connect(path)
            with accepted:
                found = sockets.connection_owners(endpoint, (), ours)
                assert (found.by_pid, found.unaccepted) == ({os.getpid(): 1}, 1)
                assert (found.strangers, found.pid_by_port) == (0, {})
                assert sockets.held_connections(endpoint, ours) == 1
                nobody = sockets.connection_owners(endpoint, (), ())
                assert (nobody.by_pid, nobody.strangers) == ({}, 1)
    assert sockets.listening_inodes(endpoint) == set()
    assert sockets.listening_inodes(Endpoint(str(tmp_path / "other"), "unix")) == set()
