"""A trial while it is being measured: slices and totals are added until it is finished."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import reduce
from pathlib import Path

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


class TrialBuilder:
    """Collects one cell's slices in one block of one round.

    Times from load processes are on the monotonic clock; `epoch_s` is when the run began on it.
    """

    def __init__(self, cell: Cell, *, round: int, block: int, epoch_s: float, log: Path) -> None:
        self._epoch_s = epoch_s
        self._slices: list[Slice] = []
        self._taken: list[dict[str, str]] = []
        self._errors = ErrorCounts()
        self._cpu_s: Counter[str] = Counter()
        self._late_cpu_s = 0.0
        self._has_untold = False
        self._is_closed = False
        # Which process holds the server's end of a connection, by its client port; None where it
        # was looked for in vain.
        self._pid_by_port: dict[int, int | None] = {}
        self._by_request: dict[str, RequestFigures] = {}
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
        return self._slices

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

    def note(self, **facts: object) -> None:
        """Set fields of the trial."""
        self._trial = msgspec.structs.replace(self._trial, **facts)

    def note_late_slice(self) -> None:
        """Count a slice that a load host began late."""
        self.note(late_slices=self._trial.late_slices + 1)

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
    ) -> None:
        """Add a slice with what the meters show; for a sweep with its rate."""
        self._errors += loaded.errors
        self._cpu_s.update({str(pid): cpu_s for pid, cpu_s in cpu.by_process.items()})
        self._late_cpu_s += cpu.ended_s
        self._has_untold = self._has_untold or cpu.has_untold
        for each in loaded.by_request:
            known = self._by_request.get(each.name, RequestFigures(each.name))
            self._by_request[each.name] = msgspec.structs.replace(
                known,
                requests=known.requests + each.requests,
                sent=known.sent + each.sent,
                errors=known.errors + each.errors,
            )
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
        )
        self._slices.append(piece)
        if loaded.users is not None:
            self.note(users=loaded.users)
        if loaded.open_loop is not None and not is_overloaded(loaded.open_loop):
            self._taken.append({k: v for k, v in loaded.times_hdr.items() if k != RESPONSE_TIME})

    def add_late_cpu(self, cpu_s: float) -> None:
        """Add what processes that were born in the last slice have used after it."""
        last = self._slices[-1]
        self._slices[-1] = msgspec.structs.replace(
            last, server_cpu_s=round(last.server_cpu_s + cpu_s, 9)
        )
        self._late_cpu_s += cpu_s

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
        generator
        isn't judged by rates beyond, nor is there a service time of all rates.
        """
        self._is_closed = True
        for each in closed.by_request:
            self._by_request[each.name] = msgspec.structs.replace(
                self._by_request.get(each.name, each),
                times_hdr=each.times_hdr,
                response_bytes=each.response_bytes,
            )
        self.note(
            times_hdr=reduce(merge_times, self._taken, closed.times_hdr),
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
        slices = self._slices
        if not self._is_closed:
            # A load process that died took its totals along: at least the slices are known.
            self.note(
                sent_total=self._trial.sent_total + sum(piece.sent for piece in slices),
                errors_total=self._trial.errors_total + self._errors,
            )
        return msgspec.structs.replace(
            self._trial,
            slices=tuple(slices),
            requests=sum(piece.requests for piece in slices),
            by_request=tuple(self._by_request.values()),
            errors=self._errors,
            server_cpu_s=sum(piece.server_cpu_s for piece in slices),
            load_cpu_s=sum(piece.load_cpu_s for piece in slices),
            cpu_s_by_process={pid: round(cpu_s, 9) for pid, cpu_s in self._cpu_s.items()},
            late_cpu_s=round(self._late_cpu_s, 9),
            has_untold_cpu=self._has_untold,
            server_user_s=self._total("server_user_s"),
            server_system_s=self._total("server_system_s"),
            voluntary_switches=self._count("voluntary_switches"),
            involuntary_switches=self._count("involuntary_switches"),
            machine_energy_j=self._total("machine_energy_j"),
            throttling=self._throttling(),
        )

    def _total(self, name: str) -> float | None:
        """What a meter told over all slices; None where it didn't in one of them."""
        told = [piece.meters.get(name) for piece in self._slices]
        known = [each for each in told if each is not None]
        return round(sum(known), 6) if known and len(known) == len(told) else None

    def _count(self, name: str) -> int | None:
        total = self._total(name)
        return None if total is None else int(total)

    def _throttling(self) -> Throttling | None:
        """What a CPU quota did, the tightest of any slice."""
        held = [piece.meters for piece in self._slices if "quota_cpus" in piece.meters]
        if not held:
            return None
        return Throttling(
            quota_cpus=min(told["quota_cpus"] for told in held),
            periods=int(sum(told["quota_periods"] for told in held)),
            throttled_periods=int(sum(told["throttled_periods"] for told in held)),
            throttled_s=round(sum(told["throttled_s"] for told in held), 9),
        )
