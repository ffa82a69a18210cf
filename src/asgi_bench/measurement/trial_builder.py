"""A trial while it is being measured: slices and totals are added until it is finished."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import reduce
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from asgi_bench.analysis.sweeps import is_overloaded
from asgi_bench.load.histogram import merge_times
from asgi_bench.load.messages import Closed, Loaded
from asgi_bench.measurement.meters.server_cpu import SliceCpu
from asgi_bench.model import (
    RESPONSE_TIME,
    Cell,
    ErrorCounts,
    OpenStreams,
    RequestFigures,
    Slice,
    Throttling,
    Trial,
    UserFigures,
    WrongAnswer,
)

# Of a trial with more slices than these out of step, too few would remain: it keeps them all.
MOST_LEFT_OUT_SHARE = 0.5


class _Taken(NamedTuple):
    """A slice with what goes into a trial's sums if it counts; one that is aside may not."""

    piece: Slice
    cpu: SliceCpu
    by_request: tuple[RequestFigures, ...]
    is_aside: bool


class TrialBuilder:
    """Collects one cell's slices in one block of one round.

    Times from load processes are on the monotonic clock; `epoch_s` is when the run began on it.
    """

    def __init__(self, cell: Cell, *, round: int, block: int, epoch_s: float, log: Path) -> None:
        self._epoch_s = epoch_s
        self._slices: list[_Taken] = []
        self._step_times: list[dict[str, str]] = []
        self._errors = ErrorCounts()
        self._closed: Closed | None = None
        self._is_under_load = False
        # Which process holds the server's end of a connection, by its client port; None where it
        # was looked for in vain.
        self._pid_by_port: dict[int, int | None] = {}
        self._trial = Trial(
            cell=cell.key,
            round=round,
            block=block,
            started_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            outcome="ok",
            log=str(log),
        )

    @property
    def slices(self) -> Sequence[Slice]:
        """The slices so far."""
        return [taken.piece for taken in self._slices]

    @property
    def has_failed(self) -> bool:
        """Whether the trial can't become a measurement any more."""
        return self._trial.outcome == "failed"

    @property
    def was_refused(self) -> bool:
        """Whether the server refused connections in a slice."""
        return self._errors.connect > 0

    def fail(self, reason: str) -> None:
        """Give the trial up; the first reason is kept."""
        if not self.has_failed:
            self.note(outcome="failed", reason=reason)

    def lose_load(self, reason: str) -> None:
        """The load has ended before its time: what was measured of a trial under load stands."""
        if not self._is_under_load:
            self.fail(reason)
        elif self._closed is None:
            self.note(load_fault=reason)

    def begin_load(self) -> None:
        """All connections are open, and slices begin."""
        self._is_under_load = True

    def note(self, **facts: object) -> None:
        """Set fields of the trial."""
        self._trial = msgspec.structs.replace(self._trial, **facts)

    def note_out_of_step(self, how: Literal["late", "starved"]) -> None:
        """Count a slice in which a load host was late or starved."""
        if how == "late":
            self.note(late_slices=self._trial.late_slices + 1)
        else:
            self.note(starved_slices=self._trial.starved_slices + 1)

    def note_workers(self, serving: int) -> None:
        """Record how many processes took connections; the maximum is kept."""
        self.note(workers_serving=max(self._trial.workers_serving, serving))

    def note_open_streams(self, seen: OpenStreams) -> None:
        """Record what held streams take; the moment with the most is kept, of equals the last."""
        known = self._trial.open_streams
        if known is None or seen.connections >= known.connections:
            self.note(open_streams=seen)

    def note_users(self, **facts: object) -> None:
        """Set fields of what Locust users did, if the load is theirs."""
        users = self._trial.users or UserFigures()
        self.note(users=msgspec.structs.replace(users, **facts))

    def add(
        self,
        loaded: Loaded,
        cpu: SliceCpu,
        meters: Mapping[str, float],
        *,
        offered_rps: float | None = None,
        is_aside: bool = False,
    ) -> None:
        """Add a slice with what the meters show; for a sweep with its rate.

        One that is aside counts only if too few would remain without such.
        """
        self._errors += loaded.errors
        piece = Slice(
            start_s=round(loaded.begin_s - self._epoch_s, 6),
            end_s=round(loaded.end_s - self._epoch_s, 6),
            duration_s=round(loaded.duration_s, 9),
            requests=loaded.requests,
            sent=loaded.sent,
            errors=loaded.errors.total,
            server_cpu_s=round(cpu.total_s, 9),
            load_cpu_s=round(loaded.load_cpu_s, 9),
            open_loop=loaded.open_loop,
            offered_rps=offered_rps,
            # The other times of the steps go into those of the trial.
            times_hdr={k: v for k, v in loaded.times_hdr.items() if k == RESPONSE_TIME},
            accounted_share=loaded.accounted_share,
            steady_requests=None if loaded.steady is None else loaded.steady.requests,
            steady_s=None if loaded.steady is None else round(loaded.steady.duration_s, 9),
            load_wait_s=round(loaded.load_wait_s, 9),
            meters={name: round(told, 9) for name, told in meters.items()},
            reconnects=loaded.reconnects,
            connect_s=None if loaded.connect_s is None else round(loaded.connect_s, 9),
            sent_bytes=loaded.sent_bytes,
            received_bytes=loaded.received_bytes,
            by_host=loaded.by_host,
        )
        self._slices.append(_Taken(piece, cpu, loaded.by_request, is_aside))
        if loaded.users is not None:
            self.note(users=loaded.users)
        if loaded.open_loop is not None and not is_overloaded(loaded.open_loop):
            self._step_times.append(
                {k: v for k, v in loaded.times_hdr.items() if k != RESPONSE_TIME}
            )

    def add_late_cpu(self, cpu_s: float) -> None:
        """Add what processes that were born in the last slice have used after it."""
        last = self._slices[-1]
        piece = msgspec.structs.replace(
            last.piece, server_cpu_s=round(last.piece.server_cpu_s + cpu_s, 9)
        )
        cpu = last.cpu._replace(ended_s=last.cpu.ended_s + cpu_s)
        self._slices[-1] = last._replace(piece=piece, cpu=cpu)

    def know_owners(self, pid_by_port: Mapping[int, int]) -> None:
        """Record which processes have which connections, by client port."""
        self._pid_by_port.update(pid_by_port)

    def without_owner(self, client_ports: Iterable[int]) -> set[int]:
        """Return the ports whose owner wasn't looked up yet; it can be looked up then."""
        unknown = set(client_ports).difference(self._pid_by_port)
        self._pid_by_port.update(dict.fromkeys(unknown))
        return unknown

    def close(self, closed: Closed) -> None:
        """Add the histograms, and add the totals to those of the probes before any load.

        Steps of a sweep bring their own. Rates that the server could handle are merged: the
        generator isn't judged by rates beyond, nor is there a service time of all rates.
        """
        self._closed = closed
        self.note(
            clamped=closed.clamped,
            reconnects=closed.reconnects,
            response_bytes=closed.response_bytes,
            sent_total=closed.sent_total + self._trial.sent_total,
            errors_total=closed.errors_total + self._trial.errors_total,
            wrong_answers=tuple(map(self._of_this_run, closed.wrong_answers)),
            wrong_by_process=self._by_process(closed.wrong_by_port),
            unanswered_connections=closed.unanswered,
            control_frames=closed.control_frames,
        )

    def _of_this_run(self, wrong: WrongAnswer) -> WrongAnswer:
        """A wrong answer with its time in the run and the process that gave it."""
        port = wrong.client_port
        pid = None if port is None else self._pid_by_port.get(port)
        return msgspec.structs.replace(wrong, at_s=round(wrong.at_s - self._epoch_s, 6), pid=pid)

    def _by_process(self, wrong_by_port: Mapping[int, int]) -> dict[str, int]:
        counts: Counter[str] = Counter()
        for port, count in wrong_by_port.items():
            pid = self._pid_by_port.get(port)
            if pid is not None:
                counts[str(pid)] += count
        return dict(counts)

    def finish(self) -> Trial:
        """Return the trial."""
        if self._closed is None:
            # A load process that died took its totals along: at least the slices are known.
            self.note(
                sent_total=self._trial.sent_total + sum(piece.sent for piece in self.slices),
                errors_total=self._trial.errors_total + self._errors,
            )
        counted = [taken for taken in self._slices if not taken.is_aside]
        left_out = len(self._slices) - len(counted)
        keeps_aside = left_out > MOST_LEFT_OUT_SHARE * len(self._slices)
        if keeps_aside:
            counted, left_out = self._slices, 0
        slices = tuple(taken.piece for taken in counted)
        cpu_s = Counter[str]()
        for taken in counted:
            cpu_s.update({str(pid): used_s for pid, used_s in taken.cpu.by_process.items()})
        return msgspec.structs.replace(
            self._trial,
            slices=slices,
            left_out_slices=left_out,
            times_hdr=self._times_hdr(keeps_aside=keeps_aside),
            requests=sum(piece.requests for piece in slices),
            by_request=self._by_request(counted, keeps_aside=keeps_aside),
            errors=self._errors,
            server_cpu_s=sum(piece.server_cpu_s for piece in slices),
            load_cpu_s=sum(piece.load_cpu_s for piece in slices),
            cpu_s_by_process={pid: round(used_s, 9) for pid, used_s in cpu_s.items()},
            late_cpu_s=round(sum(taken.cpu.ended_s for taken in counted), 9),
            has_untold_cpu=any(taken.cpu.has_untold for taken in counted),
            server_user_s=_total(slices, "server_user_s"),
            server_system_s=_total(slices, "server_system_s"),
            voluntary_switches=_count(slices, "voluntary_switches"),
            involuntary_switches=_count(slices, "involuntary_switches"),
            machine_energy_j=_total(slices, "machine_energy_j"),
            throttling=_throttling(slices),
        )

    def _times_hdr(self, *, keeps_aside: bool) -> dict[str, str]:
        """The histograms; those of steps are of rates that the server could take."""
        if self._closed is None:
            return {}
        aside = [self._closed.aside_hdr] if keeps_aside else []
        return reduce(merge_times, (*self._step_times, *aside), self._closed.times_hdr)

    def _by_request(
        self, counted: Iterable[_Taken], *, keeps_aside: bool
    ) -> tuple[RequestFigures, ...]:
        """Counts, histogram and size of each of several requests."""
        found: dict[str, RequestFigures] = {}
        for each in (each for taken in counted for each in taken.by_request):
            known = found.get(each.name, RequestFigures(each.name))
            found[each.name] = msgspec.structs.replace(
                known,
                requests=known.requests + each.requests,
                sent=known.sent + each.sent,
                errors=known.errors + each.errors,
            )
        if self._closed is None:
            return tuple(found.values())
        aside = self._closed.aside_by_request if keeps_aside else ()
        for each in (*self._closed.by_request, *aside):
            known = found.get(each.name, RequestFigures(each.name))
            found[each.name] = msgspec.structs.replace(
                known,
                times_hdr=merge_times(known.times_hdr, each.times_hdr),
                response_bytes=each.response_bytes,
            )
        return tuple(found.values())


def _total(slices: Sequence[Slice], name: str) -> float | None:
    """What a meter told over all slices; None where it didn't in one of them."""
    told = [piece.meters.get(name) for piece in slices]
    known = [each for each in told if each is not None]
    return round(sum(known), 6) if known and len(known) == len(told) else None


def _count(slices: Sequence[Slice], name: str) -> int | None:
    total = _total(slices, name)
    return None if total is None else int(total)


def _throttling(slices: Sequence[Slice]) -> Throttling | None:
    """What a CPU quota did, the tightest of any slice."""
    held = [piece.meters for piece in slices if "quota_cpus" in piece.meters]
    if not held:
        return None
    return Throttling(
        quota_cpus=min(told["quota_cpus"] for told in held),
        periods=int(sum(told["quota_periods"] for told in held)),
        throttled_periods=int(sum(told["throttled_periods"] for told in held)),
        throttled_s=round(sum(told["throttled_s"] for told in held), 9),
    )
