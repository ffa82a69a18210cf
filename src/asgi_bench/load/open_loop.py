"""A stretch of open-loop load: requests are due on a schedule, whatever the server does.

Latency counts from the intended time, so a stalled server is charged for every request that was due
meanwhile (coordinated omission: Gil Tene, wrk2).
"""

from collections import deque
from collections.abc import Callable
from time import perf_counter_ns as clock_ns

from asgi_bench.load.answers import READ_BYTES, Taken
from asgi_bench.load.arrivals import Offsets
from asgi_bench.load.closed_loop import BREATHE_NS, POLL_S, SWEEP_NS, Stretch
from asgi_bench.load.pool import Pool
from asgi_bench.load.timer import Timer
from asgi_bench.load.unpatched import EPOLLET, EPOLLIN
from asgi_bench.model import GENERATOR_LAG, RESPONSE_TIME, SERVICE_TIME, OpenFigures

# A timer on a shared virtual CPU wakes late, and the later the longer it slept: the rest is spun.
# Late by 150 us were at 500/s, spinning for 200 us, 500 us, 1 ms and 2 ms, in the median of six
# trials 6.5, 2.2, 1.4 and 1.5 % of the requests, on a host with busy neighbours.
SPIN_NS = 1_000_000
# The schedule begins this long after it was laid out, so that its first request isn't late.
LEAD_NS = 1_000_000
QUARTERS = 4
# What becomes due, and who waits for a connection that has become free, is seen to after so many
# events at most: beyond saturation all connections are answered at once, and to handle 256 answers
# first would take 2 ms.
BATCH_EVENTS = 16


def run_open_loop(
    pool: Pool,
    offsets_ns: Offsets,
    duration_s: float,
    breathe: Callable[[], bool],
    patience_s: float | None = None,
) -> Stretch:
    """Send a request at each offset, await every response, keep every intended time.

    Response time = received - intended, service time = received - sent, of correct responses. Lag =
    sent - max(intended, when its connection became free) of every request: how late the generator
    itself was.

    If no connection is free, a request waits its turn with its intended time. A request that still
    waits a time-out after the schedule's end is given up and counted as a time-out; with
    `patience_s` it is given up that much after the end, and merely not sent.
    """
    timer = Timer()
    pool.epoll.register(timer.fd, EPOLLIN | EPOLLET)
    try:
        return _follow(pool, offsets_ns, duration_s, timer, breathe, patience_s)
    finally:
        timer.close()


def _follow(
    pool: Pool,
    offsets_ns: Offsets,
    duration_s: float,
    timer: Timer,
    breathe: Callable[[], bool],
    patience_s: float | None,
) -> Stretch:
    poll, take, send, rest = (
        pool.poll,
        pool.take,
        pool.send,
        pool.rest,
    )
    idle, busy = pool.idle, pool.busy
    partial, sent_ns = pool.partial, pool.sent_ns
    read, good = pool.read, pool.good
    sent_before, correct_before = pool.sent, pool.correct
    response_ns: list[int] = []
    service_ns: list[int] = []
    lag_ns: list[int] = []
    response_turns: list[int] = []
    turns = pool.turns
    waiting: deque[int] = deque()
    intended_ns: dict[int, int] = {}
    free_since_ns: dict[int, int] = {}
    outstanding: list[int] = []
    fast = in_flight_max = unsent = index = spin_ns = 0
    sent_in_time: int | None = None
    begin = clock_ns() + LEAD_NS
    due: list[int] = (offsets_ns + begin).tolist()
    total = len(due)
    end = begin + int(duration_s * 1e9)
    give_up = end + int((pool.target.timeout_s if patience_s is None else patience_s) * 1e9)
    marks = [begin + (end - begin) * (n + 1) // QUARTERS for n in range(QUARTERS)]
    now = last = then = clock_ns()
    held_ns = held = 0
    next_sweep, next_breath = now + SWEEP_NS, now + BREATHE_NS
    while index < total or waiting or busy or now < end:
        held_ns += held * (now - then)
        then = now
        if now >= next_sweep:
            pool.sweep(now)
            next_sweep = now + SWEEP_NS
            if now >= give_up:
                unsent += len(waiting)
                waiting.clear()
        if now >= next_breath:
            if not breathe():
                # Stopped from outside: what is not due yet never will be.
                total = index
                end = now
            next_breath = clock_ns() + BREATHE_NS
        if marks and now >= marks[0]:
            del marks[0]
            outstanding.append(len(waiting) + len(busy))
            if not marks:
                sent_in_time = pool.sent - sent_before
        while index < total and due[index] <= now:
            waiting.append(due[index])
            # It has been due since before this turn of the loop, uncounted.
            held_ns += now - due[index]
            index += 1
        while waiting and idle:
            slot = idle.popleft()
            now = clock_ns()
            if not send(slot, now):
                continue
            when = waiting.popleft()
            del partial[slot]
            intended_ns[slot] = when
            lag_ns.append(now - max(when, free_since_ns.get(slot, 0)))
        in_flight_max = max(in_flight_max, len(busy))
        held = len(waiting) + len(busy)
        if index < total:
            gap_ns = due[index] - clock_ns()
            if gap_ns > SPIN_NS:
                timer.set_ns(due[index] - SPIN_NS)
                events = poll(POLL_S, BATCH_EVENTS)
            else:
                events = poll(0, BATCH_EVENTS)
                if not events and gap_ns > 0:
                    spin_ns += clock_ns() - now
        else:
            events = poll(POLL_S, BATCH_EVENTS)
        for slot, event in events:
            if slot == timer.fd:
                continue
            if event == EPOLLIN:
                try:
                    data = read(slot, READ_BYTES)
                except BlockingIOError:
                    continue
                except OSError:
                    pool.lose(slot)
                    continue
                now = clock_ns()
                if data == good and slot not in partial:
                    response_ns.append(now - intended_ns[slot])
                    service_ns.append(now - sent_ns[slot])
                    rest(slot)
                    free_since_ns[slot] = last = now
                    fast += 1
                    continue
                began = sent_ns.get(slot, now)
                taken = take(slot, data)
            else:
                began = sent_ns.get(slot, 0)
                taken = pool.receive(slot, event)
                now = clock_ns()
            if slot not in busy:
                # Answered, or newly open: what waits for it was not the generator's doing so far.
                free_since_ns[slot] = now
            if taken is Taken.CORRECT:
                if pool.good is not good:
                    pool.count(0, fast, good)
                    fast, good = 0, pool.good
                response_ns.append(now - intended_ns[slot])
                service_ns.append(now - began)
                if turns is not None:
                    response_turns.append(turns[slot])
            if taken in (Taken.CORRECT, Taken.WRONG):
                last = now
        now = clock_ns()
    pool.count(0, fast, good)
    if patience_s is None:
        pool.errors["timeout"] += unsent
    sent = pool.sent - sent_before
    return Stretch(
        begin_ns=begin,
        end_ns=last,
        requests=pool.correct - correct_before,
        sent=sent,
        times_ns={
            RESPONSE_TIME: response_ns,
            SERVICE_TIME: service_ns,
            GENERATOR_LAG: lag_ns,
            **pool.take_times(),
        },
        accounted_share=held_ns / total_ns if (total_ns := sum(response_ns)) else None,
        turns=response_turns,
        open_loop=OpenFigures(
            due=total,
            sent_in_time=sent if sent_in_time is None else sent_in_time,
            unsent=unsent,
            # A mark the loop ended before found nothing outstanding.
            outstanding=(*outstanding, *(0 for _ in marks)),
            in_flight_max=in_flight_max,
            spin_s=spin_ns / 1e9,
        ),
    )
