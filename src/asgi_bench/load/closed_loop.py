"""A stretch of closed-loop load: each connection sends its next request after the response."""

from collections.abc import Callable
from time import perf_counter_ns as clock_ns

import msgspec

from asgi_bench.load.answers import READ_BYTES, Taken
from asgi_bench.load.pool import Pool
from asgi_bench.load.unpatched import EPOLLIN
from asgi_bench.model import RESPONSE_TIME, OpenFigures

# Housekeeping (time-outs, retries) runs at this grain; a ramp opens a connection at each.
SWEEP_NS = 20_000_000
RAMP_NS = 1_000_000
# gevent's hub gets a turn this often: Locust calls a worker missing after 3 s without one.
BREATHE_NS = 250_000_000
# A burst at the start of a slice makes waves that are gone after three response times: those of
# granian and uvicorn over 64 connections after 6 ms. So a third of a slice, which is three response
# times or 20 ms long, is left out of its steady part.
SETTLING = 3
FOREVER_NS = 2**63
POLL_S = 0.005


class Stretch(msgspec.Struct, frozen=True):
    """The result of a stretch of load, in either loop."""

    begin_ns: int
    end_ns: int
    """From the first send to the last answer, on `perf_counter_ns`."""
    requests: int
    """Every correct answer."""
    sent: int
    """Everything that was sent."""
    times_ns: dict[str, list[int]]
    """Times of correct answers by name, in the order they came; of a lag, those of all sent.

    A closed loop leaves out each connection's first answer, which waited for the burst that
    starts the stretch, unless answers are streams that are held: beside these no burst counts.
    """
    accounted_share: float | None = None
    """How much of the time in which requests were out the response times explain; 1 is all.

    In a closed loop it is over the sum of the connections' times from first send to last answer:
    what falls short of 1, a connection waited for the generator. One that took a closed one's
    place counts from its own first send, and what got no answer counts on neither side. In an open
    loop it holds Little's law against the figures: outstanding requests summed over time, as the
    loop saw them. There it has to be 1 where every request due got its right answer: others are
    outstanding too and have no response time.
    """
    slots: int = 0
    """Of a closed loop: how many connections, or streams, it was on."""
    steady_requests: int = 0
    """Of a closed loop: right answers but the first of each slot; of a full one those of its
    steady part."""
    steady_slot_ns: int = 0
    """Their response times and the waits between them: from one of a slot's answers to a later one,
    added up over slots. It is whole cycles of each, so that a server which answers in bursts is
    measured over whole bursts, and neither ramp nor drain is in it."""
    progress: list[tuple[int, int]] = []
    """Where it was asked for: moments on `perf_counter_ns`, each with the answers until then."""
    turns: list[int] = []
    """Where several requests are sent, of which each response time is."""
    open_loop: OpenFigures | None = None
    """What an open loop tells beside that."""

    @property
    def duration_s(self) -> float:
        """Time under load."""
        return (self.end_ns - self.begin_ns) / 1e9


class _UpTo:
    """The answers up to a moment, and of each slot the one that it then waited for.

    `answers` and `slot_ns`, their times and the waits between them, are true once none is out.
    """

    def __init__(self, waiting: dict[int, int], answers: int, slot_ns: int) -> None:
        self._waiting = waiting
        self.answers = answers
        self.slot_ns = slot_ns

    def are_out(self, pool: Pool) -> bool:
        """Take in those that came: their slots have sent again. Whether any is left."""
        for slot, since_ns in list(self._waiting.items()):
            again_ns = pool.sent_ns.get(slot, since_ns)
            if again_ns != since_ns:
                self.answers += 1
                self.slot_ns += again_ns - since_ns
                del self._waiting[slot]
            elif slot not in pool.busy and slot not in pool.partial:
                # It was lost: such a stretch has no steady part.
                del self._waiting[slot]
        return bool(self._waiting)


class _SteadyPart:
    """The steady part of a full stretch: whole cycles of each slot between two moments.

    They go from its first answer after the one to its first after the other. Whole cycles have no
    bias, however they scatter: who leaves out those that a moment cuts leaves out the longest.
    """

    def __init__(self, begin_ns: int, end_ns: int) -> None:
        self._moments_ns = (begin_ns, end_ns)
        self._marks: list[_UpTo] = []
        self.look_at_ns = begin_ns
        """When the loop has to look again: while answers are out at each turn, in which no slot is
        answered twice."""
        self.send_until_ns = end_ns + SWEEP_NS
        """Until when the loop goes on sending."""

    def is_due(self, now_ns: int) -> bool:
        """Whether the next moment has come."""
        return len(self._marks) < 2 and now_ns >= self._moments_ns[len(self._marks)]

    def mark(self, so_far: _UpTo) -> None:
        """Take what there is at a moment."""
        self._marks.append(so_far)

    def look(self, pool: Pool, now_ns: int) -> None:
        """Take in what came, and settle when to look again."""
        is_any_out = bool([mark for mark in self._marks if mark.are_out(pool)])
        if is_any_out:
            self.look_at_ns = now_ns
        elif len(self._marks) < 2:
            self.look_at_ns = self._moments_ns[1]
        else:
            self.look_at_ns = FOREVER_NS
        if len(self._marks) == 2:
            self.send_until_ns = now_ns + SWEEP_NS if is_any_out else now_ns

    @property
    def found(self) -> tuple[int, int]:
        """The answers of the part, and their times and waits; none where the stretch was cut."""
        if len(self._marks) < 2:
            return 0, 0
        begin, end = self._marks
        return end.answers - begin.answers, end.slot_ns - begin.slot_ns


def run_closed_loop(
    pool: Pool,
    seconds: float,
    breathe: Callable[[], bool],
    *,
    ramp: int = 0,
    at_once: int = 1,
    alone: int = 0,
    poll_s: float = POLL_S,
    latencies_ns: list[int] | None = None,
    tells_progress: bool = False,
    stays_full: bool = False,
) -> Stretch:
    """Load every connection for `seconds`, then await the responses that are outstanding.

    With `stays_full`, connections that have their last response go on sending until all have
    theirs, and the steady part begins after a third of the time: it excludes the drain, in which a
    server gets fewer and fewer requests, and the waves that a burst at the start makes.

    With `ramp`, that many connections are opened, `at_once` of them each millisecond, while the
    earlier ones carry load: an idle shared listener would give a burst of them to one worker. The
    first `alone` of them wait for the first response to each before: connections that arrive while
    all workers are held up by a first request are a burst too.
    `breathe` gives other greenlets a turn and says whether to go on; with `poll_s` 0 it also
    waits for the next event. Whenever it is called, the counts of the connections are correct,
    and `latencies_ns`, if given, has what arrived so far. With `tells_progress` the stretch
    records how many responses there were whenever the loop looked for more.
    """
    poll, read, write = pool.poll, pool.read, pool.write
    send, take = pool.send, pool.take
    partial, sent_ns = pool.partial, pool.sent_ns
    idle, busy = pool.idle, pool.busy
    request, good = pool.request, pool.good
    max_events = max(16, min(pool.target.connections, 512))
    latencies: list[int] = [] if latencies_ns is None else latencies_ns
    latency_turns: list[int] = []
    add, turns = latencies.append, pool.turns
    sent_before, correct_before = pool.sent, pool.correct
    leaves_out_first = not pool.target.is_held
    started: set[int] = set()
    first: set[int] = set()
    # Since when each answered connection is free; none that was parted with, for to connect anew is
    # no waiting for the generator.
    free_since_ns: dict[int, int] = {}
    others_ns = waited_ns = 0
    progress: list[tuple[int, int]] = []
    fast = resent = 0
    now = begin = last = clock_ns()
    end = begin + int(seconds * 1e9)
    steady = None
    if stays_full:
        steady = _SteadyPart(begin + (end - begin) // SETTLING, end)
        end = steady.send_until_ns
    next_sweep, next_breath = now, now + BREATHE_NS
    wanted, alone_until = ramp, now + int(pool.target.timeout_s * 1e9)
    while now < end or busy or ramp:
        if now >= next_sweep:
            pool.sweep(now)
            next_sweep = now + SWEEP_NS
            if ramp:
                if now >= alone_until or wanted - ramp >= alone or not pool.is_awaited:
                    for _ in range(min(at_once, ramp)):
                        pool.connect()
                    ramp = max(0, ramp - at_once)
                next_sweep = now + RAMP_NS
                # A machine that was busy elsewhere, even past the end, gets the time to open them.
                end = max(end, now + RAMP_NS * (ramp // at_once + 2))
        if now >= next_breath:
            pool.count(resent, fast, good)
            fast = resent = 0
            if not breathe():
                end, ramp, steady = now, 0, None
            now = clock_ns()
            next_breath = now + BREATHE_NS
        if steady is not None and now >= steady.look_at_ns:
            if steady.is_due(now):
                waiting = {slot: sent_ns[slot] for slot in busy if slot not in first}
                steady.mark(_UpTo(waiting, len(latencies), sum(latencies) + waited_ns))
            steady.look(pool, now)
            end = steady.send_until_ns
        if idle and now < end:
            now = clock_ns()
            for _ in range(len(idle)):
                slot = idle.popleft()
                free_ns = free_since_ns.pop(slot, now)
                if send(slot, now):
                    waited_ns += now - free_ns
                    if slot in started:
                        del partial[slot]
                    else:
                        started.add(slot)
                        if leaves_out_first:
                            first.add(slot)
        if tells_progress:
            progress.append((clock_ns(), pool.correct - correct_before + fast))
        events = poll(poll_s, max_events)
        if not events and not poll_s:
            next_breath = now
        for slot, event in events:
            if event == EPOLLIN:
                try:
                    data = read(slot, READ_BYTES)
                except BlockingIOError:
                    continue
                except OSError:
                    pool.lose(slot)
                    started.discard(slot)
                    first.discard(slot)
                    free_since_ns.pop(slot, None)
                    continue
                now = clock_ns()
                # The hot path: an answer that equals, byte for byte, one that was parsed and
                # verified. One clock reading ends a request and begins the next.
                if data == good and slot not in partial:
                    add(now - sent_ns[slot])
                    last = now
                    fast += 1
                    if now < end:
                        sent_ns[slot] = now
                        try:
                            write(slot, request)
                        except OSError:
                            pool.reopen(slot)
                            started.discard(slot)
                        else:
                            resent += 1
                    else:
                        free_since_ns[slot] = now
                        pool.rest(slot)
                    continue
                began = sent_ns.get(slot, now)
                taken = take(slot, data)
            else:
                began = sent_ns.get(slot, 0)
                taken = pool.receive(slot, event)
                now = clock_ns()
            if taken is Taken.WAITING:
                continue
            if taken is Taken.LOST:
                started.discard(slot)
                free_since_ns.pop(slot, None)
            else:
                last = now
                if taken is Taken.CORRECT and slot not in first:
                    add(now - began)
                    if turns is not None:
                        latency_turns.append(turns[slot])
                else:
                    others_ns += now - began
                if pool.good is not good:
                    pool.count(resent, fast, good)
                    fast = resent = 0
                    good = pool.good
            first.discard(slot)
            if now < end and idle and idle[-1] == slot:
                # At once: answers that differ each time come this way, and would wait for the rest
                # of the batch (2.5 % of the connections' time at 64 of them).
                idle.pop()
                free_ns, now = now, clock_ns()
                if send(slot, now):
                    waited_ns += now - free_ns
                    del partial[slot]
                else:
                    started.discard(slot)
            elif slot in partial:
                free_since_ns[slot] = now
        now = clock_ns()
    pool.count(resent, fast, good)
    requests, sent = pool.correct - correct_before, pool.sent - sent_before
    responses_ns = sum(latencies)
    answered_ns = responses_ns + others_ns
    accounted_share = answered_ns / (answered_ns + waited_ns) if answered_ns else None
    times_ns = {RESPONSE_TIME: latencies, **pool.take_times()}
    steady_requests, steady_slot_ns = len(latencies), responses_ns + waited_ns
    if steady is not None:
        steady_requests, steady_slot_ns = steady.found
    return Stretch(
        begin_ns=begin,
        end_ns=last,
        requests=requests,
        sent=sent,
        times_ns=times_ns,
        accounted_share=accounted_share,
        slots=len(started),
        steady_requests=steady_requests,
        steady_slot_ns=steady_slot_ns,
        progress=progress,
        turns=latency_turns,
    )
