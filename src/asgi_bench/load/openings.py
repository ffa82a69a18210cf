"""Connections being opened: begun without waiting, refused, tried again."""

from collections import deque
from collections.abc import Iterator
from errno import EADDRNOTAVAIL
from time import perf_counter_ns as clock_ns
from typing import Any, NamedTuple

from asgi_bench.load.target import Target
from asgi_bench.load.unpatched import SYSTEM
from asgi_bench.load.wrong_answers import Evidence, WrongAnswers
from asgi_bench.wire.channel import WRITABLE, Channel, dial
from asgi_bench.wire.conversation import Conversation, opening
from asgi_bench.wire.http1 import WireError

# A refused connection is tried again after this long: a dead server must not be hammered.
RETRY_NS = 10_000_000


class _Opening(NamedTuple):
    channel: Channel
    steps: Iterator[int]
    since_ns: int
    # Closed in order, to be opened anew.
    is_ending: bool = False


class Openings:
    """The connections of a target that aren't ready yet; refusals count in `errors`."""

    def __init__(
        self,
        target: Target,
        conversation: Conversation,
        epoll: Any,
        errors: dict[str, int],
        wrong: WrongAnswers,
    ) -> None:
        self._target = target
        self._conversation = conversation
        self._epoll = epoll
        self._errors = errors
        self._wrong = wrong
        # How long those took that came about.
        self.connect_ns = 0
        # And each of them, since these were last taken.
        self.opened_ns: list[int] = []
        self._by_fd: dict[int, _Opening] = {}
        self._retry_at_ns: deque[int] = deque()

    def __contains__(self, fd: int) -> bool:
        return fd in self._by_fd

    def __len__(self) -> int:
        return len(self._by_fd) + len(self._retry_at_ns)

    def begin(self) -> None:
        """Begin to open one connection; the epoll signals when it gets further."""
        try:
            channel = self._conversation.over(dial(self._target.endpoint, SYSTEM))
        except OSError as fault:
            self._note_refusal(f"no connection: {_why(fault)}")
            return
        steps = opening(channel, self._conversation, self._target.greeting)
        self._by_fd[channel.fd] = _Opening(channel, steps, clock_ns())
        self._epoll.register(channel.fd, next(steps))

    def renew(self, channel: Channel, steps: Iterator[int]) -> None:
        """Close an idle connection in order, then begin to open another."""
        self._by_fd[channel.fd] = _Opening(channel, steps, clock_ns(), is_ending=True)
        self._epoll.modify(channel.fd, WRITABLE)

    def advance(self, fd: int) -> Channel | None:
        """Advance one by an event; return it once it is ready, otherwise None."""
        each = self._by_fd[fd]
        try:
            awaited = next(each.steps, 0)
        except (OSError, WireError) as fault:
            what = "no close in order" if each.is_ending else "no connection"
            self._refuse(fd, f"{what}: {getattr(fault, 'strerror', None) or fault}")
            return None
        if awaited:
            self._epoll.modify(fd, awaited)
            return None
        del self._by_fd[fd]
        if each.is_ending:
            each.channel.close()
            self.begin()
            return None
        took_ns = clock_ns() - each.since_ns
        self.connect_ns += took_ns
        self.opened_ns.append(took_ns)
        return each.channel

    def sweep(self, now_ns: int) -> None:
        """Give up what took longer than the target's time-out; try refused ones again."""
        limit_ns = now_ns - int(self._target.timeout_s * 1e9)
        late = [(fd, each) for fd, each in self._by_fd.items() if each.since_ns < limit_ns]
        for fd, each in late:
            what = "no close in order" if each.is_ending else "no connection"
            self._refuse(fd, f"{what} within {self._target.timeout_s:g} s")
        while self._retry_at_ns and self._retry_at_ns[0] <= now_ns:
            self._retry_at_ns.popleft()
            self.begin()

    def close(self) -> None:
        """Abandon them all."""
        for each in self._by_fd.values():
            each.channel.close()
        self._by_fd.clear()
        self._retry_at_ns.clear()

    def _refuse(self, fd: int, text: str) -> None:
        self._by_fd.pop(fd).channel.close()
        self._note_refusal(text)

    def _note_refusal(self, text: str) -> None:
        self._errors["connect"] += 1
        self._wrong.note("connect", None, Evidence(text))
        self._retry_at_ns.append(clock_ns() + RETRY_NS)


def _why(fault: OSError) -> str:
    """Why a connection could not be begun, and whose limit that is."""
    if fault.errno == EADDRNOTAVAIL:
        return (
            "this machine has no free client port left, which is not the server's fault "
            "(net.ipv4.ip_local_port_range; each closed connection keeps its port for a minute)"
        )
    return str(fault.strerror)
