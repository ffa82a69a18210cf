"""One open target in a load process: its connections, its recordings, one slice at a time."""

import gc
import time
from collections.abc import Callable
from functools import partial

import gevent
import msgspec
from locust.stats import RequestStats

from asgi_bench.load.arrivals import arrival_offsets_ns
from asgi_bench.load.closed_loop import Stretch, run_closed_loop
from asgi_bench.load.histogram import Recordings, encoded
from asgi_bench.load.locust_table import feed
from asgi_bench.load.messages import Closed, Load, Loaded, Loss, Opened, Steady
from asgi_bench.load.open_loop import run_open_loop
from asgi_bench.load.pool import Pool
from asgi_bench.load.pools import pool_of
from asgi_bench.load.target import Target
from asgi_bench.load.unpatched import sleep
from asgi_bench.machine.clocks import OwnClocks
from asgi_bench.model import NEARBY_TIME, RESPONSE_TIME, ErrorCounts, RequestFigures

# A ramp opens a connection every millisecond; this is its length, with some to spare.
RAMP_S_PER_CONNECTION = 0.00125
# Locust's statistics are fed in blocks of at least this much load: the cost is per block.
FEED_S = 0.25


class Times:
    """Recorded times of slices, and those of each of several requests."""

    def __init__(self, requests: int) -> None:
        self.recordings = Recordings()
        self.by_request = [Recordings() for _ in range(requests)]

    def add(self, stretch: Stretch) -> None:
        """Take the times of a stretch of load."""
        self.recordings.add(stretch.times_ns)
        response_ns = stretch.times_ns[RESPONSE_TIME]
        for turn, recordings in enumerate(self.by_request):
            timed = zip(response_ns, stretch.turns, strict=True)
            recordings.add({RESPONSE_TIME: [ns for ns, each in timed if each == turn]})

    def take(self, other: "Times") -> None:
        """Take all that others have."""
        self.recordings.take(other.recordings)
        for mine, theirs in zip(self.by_request, other.by_request, strict=True):
            mine.take(theirs)


class Session:
    """The connections to one target from its ramp to its close, and what was measured on them."""

    def __init__(self, target: Target, statistics: RequestStats) -> None:
        self._statistics = statistics
        self._pool = pool_of(target)
        self._sends_bodies = any(exchange.has_body for exchange in target.exchanges)
        requests = len(self._counts())
        self._kept, self._aside, self._held_back = Times(requests), Times(requests), Times(requests)
        self._fed_errors = ErrorCounts()
        self._fed_correct = 0
        self._unfed_ns: list[int] = []
        self._fed_at = time.perf_counter()
        self._is_sliced = False

    def open(self, warmup_s: float, at_once: int = 1, alone: int = 0) -> Opened:
        """Open the connections, a few at once, under load; then load them all for `warmup_s`."""
        wanted = self._pool.target.connections
        ramp_s = wanted * RAMP_S_PER_CONNECTION / at_once
        ramp = run_closed_loop(
            self._pool, ramp_s, _breathe, ramp=wanted, at_once=at_once, alone=alone
        )
        self._pool.refresh()
        warmup = run_closed_loop(self._pool, warmup_s, _breathe)
        self._unfed_ns += ramp.times_ns[RESPONSE_TIME] + warmup.times_ns[RESPONSE_TIME]
        # One that was closed in the warm-up is just being opened anew.
        self._pool.refresh()
        return Opened(
            throughput_rps=warmup.requests / max(warmup.duration_s, 1e-9),
            client_ports=tuple(self._pool.client_ports),
            streams=self._pool.streams,
        )

    def load(self, command: Load) -> Loaded:
        """Put one slice of load on the target and account for it."""
        pool = self._pool
        self._settle_last(is_aside=command.is_last_aside)
        pool.refresh()
        errors_before = pool.error_counts
        pool.losses.clear()
        if not self._is_sliced:
            # Wrong answers are counted in the slices; what the warm-up saw first stays the first.
            pool.wrong.forget_counts()
            self._is_sliced = True
        pool.draw(command.seed)
        counts_before = self._counts()
        sent_bytes_before, received_bytes_before = pool.sent_bytes, pool.received_bytes
        reconnects_before, connect_s_before = pool.reconnects, pool.connect_s
        run = self._closed_slice(command) if command.rate_rps is None else self._open_slice(command)
        if command.begin_at_s is not None:
            sleep(max(0.0, command.begin_at_s - time.perf_counter()))
        clocks = OwnClocks()
        stretch = run()
        load_cpu_s, load_wait_s = clocks.read_s()
        errors = pool.error_counts - errors_before
        reconnects = pool.reconnects - reconnects_before
        is_whole = not errors.total and not reconnects
        return Loaded(
            begin_s=stretch.begin_ns / 1e9,
            end_s=stretch.end_ns / 1e9,
            requests=stretch.requests,
            sent=stretch.sent,
            errors=errors,
            load_cpu_s=load_cpu_s,
            open_loop=stretch.open_loop,
            times_hdr=self._record(stretch, command),
            accounted_share=stretch.accounted_share,
            steady=_steady(stretch) if is_whole else None,
            progress=_by_millisecond(stretch) if command.is_lead_in else (),
            load_wait_s=load_wait_s,
            losses=_losses(pool) if command.tells_losses else (),
            by_request=tuple(map(_since, self._counts(), counts_before)),
            reconnects=reconnects,
            connect_s=pool.connect_s - connect_s_before,
            sent_bytes=pool.sent_bytes - sent_bytes_before if self._sends_bodies else None,
            received_bytes=pool.received_bytes - received_bytes_before,
            wrong_ports=tuple(pool.wrong.by_port),
            wrong_answers=pool.wrong.kept if command.tells_losses else (),
        )

    def close(self, *, is_last_aside: bool = False, round_trip_s: float | None = None) -> Closed:
        """Close the connections and hand over the histograms and the totals (`messages.Close`)."""
        pool = self._pool
        self._settle_last(is_aside=is_last_aside)
        unanswered = pool.unanswered
        pool.close()
        self.feed()
        closed = Closed(
            times_hdr=_encoded(self._kept, round_trip_s),
            clamped=self._kept.recordings.clamped(RESPONSE_TIME),
            reconnects=pool.reconnects,
            sent_total=pool.sent,
            errors_total=pool.error_counts,
            response_bytes=pool.mean_response_bytes or None,
            by_request=self._request_figures(self._kept),
            wrong_answers=pool.wrong.kept,
            wrong_by_port=pool.wrong.by_port,
            unanswered=unanswered,
            control_frames=pool.control_frames,
            aside_hdr=_encoded(self._aside, round_trip_s),
            aside_by_request=self._request_figures(self._aside),
        )
        # Slices make no reference cycles: collecting between trials is enough.
        gc.collect()
        return closed

    def feed_when_due(self) -> None:
        """Feed Locust's statistics, unless they were fed a moment ago."""
        if time.perf_counter() - self._fed_at >= FEED_S:
            self.feed()

    def feed(self) -> None:
        """Feed Locust's statistics with what happened since the last time."""
        pool = self._pool
        errors = pool.error_counts
        feed(
            self._statistics,
            name=pool.target.name,
            method=pool.target.exchanges[0].method,
            requests=pool.correct - self._fed_correct,
            errors=msgspec.structs.asdict(errors - self._fed_errors),
            latencies_ns=self._unfed_ns,
            response_bytes=pool.mean_response_bytes,
        )
        self._fed_errors, self._fed_correct = errors, pool.correct
        self._unfed_ns = []
        self._fed_at = time.perf_counter()

    def _closed_slice(self, command: Load) -> Callable[[], Stretch]:
        return partial(
            run_closed_loop,
            self._pool,
            command.duration_s,
            _breathe,
            tells_progress=command.is_lead_in,
            stays_full=command.stays_full,
        )

    def _open_slice(self, command: Load) -> Callable[[], Stretch]:
        # Drawn before the slice begins, at whatever moment it has to.
        offsets_ns = arrival_offsets_ns(
            command.rate_rps or 0.0, command.duration_s, command.seed, command.arrivals
        )
        return partial(
            run_open_loop,
            self._pool,
            offsets_ns,
            command.duration_s,
            _breathe,
            command.patience_s,
        )

    def _record(self, stretch: Stretch, command: Load) -> dict[str, str]:
        """Bring a stretch's times into the trial's histograms; those of a step are returned."""
        response_ns = stretch.times_ns[RESPONSE_TIME]
        self._unfed_ns += response_ns
        if command.is_lead_in:
            return {}
        if command.is_step:
            return encoded(stretch.times_ns)
        (self._held_back if command.is_held_back else self._kept).add(stretch)
        return {}

    def _settle_last(self, *, is_aside: bool) -> None:
        """Count the slice that was held back, or put it aside."""
        (self._aside if is_aside else self._kept).take(self._held_back)
        self._held_back = Times(len(self._held_back.by_request))

    def _request_figures(self, times: Times) -> tuple[RequestFigures, ...]:
        """Histogram and size of each of several requests."""
        return tuple(
            RequestFigures(
                name=counts.name,
                times_hdr=recordings.encode(),
                response_bytes=counts.response_bytes,
            )
            for counts, recordings in zip(self._counts(), times.by_request, strict=True)
        )

    def _counts(self) -> list[RequestFigures]:
        """What became of each of several requests since the start."""
        return [
            RequestFigures(
                name=tally.exchange.name,
                requests=tally.correct,
                sent=tally.sent,
                errors=tally.error_counts,
                response_bytes=tally.response_bytes or None,
            )
            for tally in (self._pool.tallies if self._pool.is_mixed else ())
        ]


def _encoded(times: Times, round_trip_s: float | None) -> dict[str, str]:
    """The histograms of slices; with a round trip, also of the response times less that."""
    found = times.recordings.encode()
    if round_trip_s is not None:
        nearby = times.recordings.encode_one(RESPONSE_TIME, round(round_trip_s * 1e9))
        if nearby is not None:
            found[NEARBY_TIME] = nearby
    return found


def _steady(stretch: Stretch) -> Steady | None:
    """The steady part of a stretch in which nothing broke; None where it has none."""
    if not stretch.steady_requests:
        return None
    return Steady(stretch.steady_requests, stretch.slots, stretch.steady_slot_ns / 1e9)


def _by_millisecond(stretch: Stretch) -> tuple[int, ...]:
    """How many right answers there were at the end of each millisecond of a stretch."""
    counts: list[int] = []
    for at_ns, answers in stretch.progress:
        passed = (at_ns - stretch.begin_ns) // 1_000_000
        # A look at the loop that comes late says what there is then, for all it comes too late for.
        counts += [answers] * (passed - len(counts))
    return tuple(counts)


def _since(now: RequestFigures, before: RequestFigures) -> RequestFigures:
    return RequestFigures(
        name=now.name,
        requests=now.requests - before.requests,
        sent=now.sent - before.sent,
        errors=now.errors - before.errors,
    )


def _losses(pool: Pool) -> tuple[Loss, ...]:
    return tuple(
        Loss(sent_ns / 1e9, lost_ns / 1e9, kind, has_begun)
        for sent_ns, lost_ns, kind, has_begun in pool.losses
    )


def _breathe() -> bool:
    gevent.sleep(0)
    return True
