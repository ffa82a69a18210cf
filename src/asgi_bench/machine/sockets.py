"""Whose sockets are whose: the kernel's lists joined with /proc/PID/fd and /proc/PID/fdinfo."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping

import msgspec

from asgi_bench.machine.processes import PROC, process_table
from asgi_bench.machine.tcp_sockets import CLOSE_WAIT, ESTABLISHED, LISTEN, TcpRow, tcp_rows
from asgi_bench.machine.unix_sockets import unix_rows
from asgi_bench.model import Endpoint

_READINGS = 3
_SOCKET_LINK = re.compile(r"socket:\[(\d+)\]")
_EVENTPOLL_LINK = "anon_inode:[eventpoll]"
# A line of an epoll's fdinfo, proc(5): `tfd: 7 events: 19 data: 7  pos:0 ino:2d3f sdev:8`.
_WATCHED = re.compile(r"^tfd:\s*(\d+) .*?(?:\sino:([0-9a-f]+))?(?:\s+sdev:|$)", re.MULTILINE)


class ConnectionOwners(msgspec.Struct, frozen=True):
    """Who has the server's end of some connections.

    `by_pid` counts those of the given processes, `strangers` those of any other, `unaccepted`
    those still in the accept queue, and `unknown` those that might belong to a process whose
    files we may not read (another user's). `pid_by_port` has each known owner by the client's
    port, and is empty over a Unix socket, where the client's end has no name.
    """

    by_pid: dict[int, int]
    strangers: int = 0
    unaccepted: int = 0
    unknown: int = 0
    pid_by_port: dict[int, int] = {}


def outgoing(pids: Iterable[int]) -> list[TcpRow]:
    """The connections that these processes have opened: not those that they have accepted."""
    held = {inode for pid in pids for inode in socket_inodes(pid)}
    ours = [row for row in tcp_rows((ESTABLISHED, LISTEN)) if row.inode in held]
    listening = {row.local_port for row in ours if row.state == LISTEN}
    return [row for row in ours if row.state == ESTABLISHED and row.local_port not in listening]


def listening_inodes(endpoint: Endpoint, rows: Iterable[TcpRow] | None = None) -> set[int]:
    """The inodes of all sockets that listen on an endpoint's port at any address, or its path."""
    if endpoint.path is not None:
        return {row.inode for row in unix_rows(endpoint.path) if row.is_listening}
    return {
        row.inode
        for row in (tcp_rows((LISTEN,), endpoint.port) if rows is None else rows)
        if row.state == LISTEN and row.local_port == endpoint.port
    }


def socket_inodes(pid: int) -> dict[int, int]:
    """A process's sockets: inode to file descriptor; empty if the process is gone.

    Raises PermissionError for another user's process.
    """
    found: dict[int, int] = {}
    for fd, link in _links(pid):
        match = _SOCKET_LINK.fullmatch(link)
        if match is not None:
            found.setdefault(int(match[1]), fd)
    return found


def descriptors(pids: Iterable[int]) -> Counter[tuple[int, str]] | None:
    """How many descriptors these processes have open, by process and by what they lead to.

    Each socket has its own number there; other things may look alike. None if one of the
    processes is another user's.
    """
    try:
        return Counter((pid, link) for pid in pids for _, link in _links(pid))
    except PermissionError:
        return None


def held_connections(endpoint: Endpoint, pids: Iterable[int]) -> int | None:
    """How many connections to an endpoint these processes have, whoever the clients are.

    None if one of the processes is another user's.
    """
    if endpoint.path is not None:
        ends = {row.inode for row in unix_rows(endpoint.path) if not row.is_listening}
    else:
        ends = {row.inode for row in tcp_rows(local_port=endpoint.port) if row.state != LISTEN}
    try:
        held = {inode for pid in pids for inode in socket_inodes(pid)}
    except PermissionError:
        return None
    return len(ends & held)


def _links(pid: int) -> Iterator[tuple[int, str]]:
    try:
        with os.scandir(PROC / str(pid) / "fd") as entries:
            paths = [(int(entry.name), entry.path) for entry in entries]
    except (FileNotFoundError, ProcessLookupError):
        return
    for fd, path in paths:
        try:
            yield fd, os.readlink(path)  # noqa: PTH115  (a Path for each takes twice as long)
        except (FileNotFoundError, ProcessLookupError):
            continue


def owners(inodes: Collection[int], pids: Iterable[int]) -> dict[int, tuple[int, ...]]:
    """Which of these processes have which of these sockets; a socket that none has gets ().

    Processes whose files may not be read are passed over, see `unreadable`.
    """
    held: dict[int, list[int]] = {inode: [] for inode in inodes}
    for pid in pids:
        try:
            sockets = socket_inodes(pid)
        except PermissionError:
            continue
        for inode in inodes:
            if inode in sockets:
                held[inode].append(pid)
    return {inode: tuple(sorted(found)) for inode, found in held.items()}


def unreadable(pids: Iterable[int]) -> tuple[int, ...]:
    """The processes whose files we may not see."""
    hidden = []
    for pid in pids:
        try:
            socket_inodes(pid)
        except PermissionError:
            hidden.append(pid)
    return tuple(hidden)


def holder(inode: int) -> int | None:
    """A process that has the socket, searched on the whole machine; None if none is seen."""
    for pid in process_table():
        if owners({inode}, (pid,))[inode]:
            return pid
    return None


def watchers(
    endpoint: Endpoint, pids: Iterable[int], rows: Iterable[TcpRow] | None = None
) -> set[int]:
    """The processes that wait for connections: one of their epolls watches a listener.

    A process with only a listener may be a master that never accepts.
    """
    listeners = listening_inodes(endpoint, rows)
    found: set[int] = set()
    for pid in pids if listeners else ():
        try:
            links = list(_links(pid))
        except PermissionError:
            continue
        inodes = {
            fd: int(match[1]) for fd, link in links if (match := _SOCKET_LINK.fullmatch(link))
        }
        epolls = [fd for fd, link in links if link == _EVENTPOLL_LINK]
        if any(_watched_inodes(pid, epoll, inodes) & listeners for epoll in epolls):
            found.add(pid)
    return found


def _watched_inodes(pid: int, epoll_fd: int, inodes: Mapping[int, int]) -> set[int]:
    """What an epoll watches; by inode, or by descriptor where an old kernel tells no inode."""
    try:
        text = (PROC / str(pid) / "fdinfo" / str(epoll_fd)).read_text()
    except (FileNotFoundError, ProcessLookupError):
        return set()
    return parse_watched(text, inodes)


def parse_watched(fdinfo: str, inodes: Mapping[int, int]) -> set[int]:
    """The inodes in an epoll's fdinfo; `inodes` has those of the process's descriptors."""
    return {
        int(match[2], 16) if match[2] else inodes.get(int(match[1]), 0)
        for match in _WATCHED.finditer(fdinfo)
    }


def _server_ends(endpoint: Endpoint, client_ports: Collection[int]) -> dict[int, int]:
    """The inodes of the server's ends of these connections, by client port; 0: not accepted.

    The kernel hands its table out in pieces. While other sockets come and go a row may come
    twice (of 16 connections 17 were seen) or not at all, so what is missing is looked for again.
    """
    ends: dict[int, int] = {}
    for _ in range(_READINGS):
        ends.update(
            (row.remote_port, row.inode)
            for row in tcp_rows((ESTABLISHED, CLOSE_WAIT), endpoint.port)
            if row.remote_port in client_ports
        )
        if len(ends) == len(client_ports):
            break
    return ends


def connection_owners(
    endpoint: Endpoint, client_ports: Collection[int], pids: Iterable[int]
) -> ConnectionOwners:
    """Which processes have the server's end of the connections from these client ports.

    Over a Unix socket it covers all connections: its path is one server's alone. If several of the
    processes have a socket, the first of them by number counts: a child that inherited it came
    later.
    """
    if endpoint.path is not None:
        ends = _accepted(endpoint.path)
    else:
        ends = _server_ends(endpoint, set(client_ports))
    trees = tuple(sorted(pids))
    held = owners({inode for inode in ends.values() if inode}, trees)
    if not all(held.get(inode, True) for inode in ends.values()):
        # What nobody holds any more was closed while we looked: it is no stranger's.
        rows = (
            tcp_rows(local_port=endpoint.port)
            if endpoint.path is None
            else unix_rows(endpoint.path)
        )
        there = {row.inode for row in rows}
        ends = {
            port: inode
            for port, inode in ends.items()
            if not inode or held[inode] or inode in there
        }
    pid_by_port = {port: held[inode][0] for port, inode in ends.items() if inode and held[inode]}
    unaccepted = list(ends.values()).count(0)
    foreign = len(ends) - unaccepted - len(pid_by_port)
    hidden = bool(foreign) and bool(unreadable(trees))
    return ConnectionOwners(
        dict(Counter(pid_by_port.values())),
        strangers=0 if hidden else foreign,
        unaccepted=unaccepted,
        unknown=foreign if hidden else 0,
        pid_by_port=pid_by_port if endpoint.path is None else {},
    )


def _accepted(path: str) -> dict[int, int]:
    """The inodes of the server's ends of a Unix socket's connections, numbered; 0: not accepted."""
    ends = (row.inode for row in unix_rows(path) if not row.is_listening)
    return dict(enumerate(ends))
