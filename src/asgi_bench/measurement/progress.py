"""The progress of a run: its clock, how much load is done, how long each phase took."""

import time
from collections.abc import Callable
from typing import Literal, TypeAlias

import msgspec

from asgi_bench.model import Trial

Phase: TypeAlias = Literal["prove", "start", "open", "load", "stop"]


class PhaseBegun(msgspec.Struct, frozen=True):
    """A block of a round enters a phase; rounds and blocks count from 0."""

    round: int
    block: int
    phase: Phase


class SliceDone(msgspec.Struct, frozen=True):
    """A slice was measured: `loaded_s` of load done of `planned_s` in the whole run."""

    cell: str
    throughput_rps: float
    loaded_s: float
    planned_s: float


class BehaviourBegun(msgspec.Struct, frozen=True):
    """The observation of a part of a server setting's behaviour begins."""

    setting: str
    part: str


class TrialDone(msgspec.Struct, frozen=True):
    """A trial was stored."""

    trial: Trial


Event: TypeAlias = PhaseBegun | SliceDone | TrialDone | BehaviourBegun
Observer: TypeAlias = Callable[[Event], None]


class Progress:
    """Calls the observer and keeps the time; seconds on the monotonic clock.

    Only the time within slices counts as `load`, that within lead-ins as `lead-in`, and what is
    between them as `between`. A continued run begins `elapsed_s` after its epoch.
    """

    def __init__(self, observer: Observer, planned_s: float, elapsed_s: float = 0.0) -> None:
        began_s = time.perf_counter()
        self.epoch_s = began_s - elapsed_s
        self.phases_s: dict[str, float] = {}
        self._observer = observer
        self._planned_s = planned_s
        self._loaded_s = 0.0
        self._in_slices_s = 0.0
        self._in_lead_ins_s = 0.0
        self._phase: str = "prepare"
        self._phase_since_s = began_s

    def enter(self, round: int, block: int, phase: Phase) -> None:
        """A block of a round enters a phase."""
        self.leave(phase)
        self._observer(PhaseBegun(round, block, phase))

    def enter_behaviour(self, setting: str, part: str) -> None:
        """The observation of a part of a server setting's behaviour begins."""
        self.leave("behave")
        self.tell(BehaviourBegun(setting, part))

    def leave(self, next_phase: str = "finish") -> None:
        """End the phase, so that its time is counted."""
        now_s = time.perf_counter()
        took_s = now_s - self._phase_since_s
        if self._phase == "load":
            in_slices_s = min(self._in_slices_s, took_s)
            self._add("load", in_slices_s)
            in_lead_ins_s = min(self._in_lead_ins_s, took_s - in_slices_s)
            if in_lead_ins_s:
                self._add("lead-in", in_lead_ins_s)
            self._add("between", took_s - in_slices_s - in_lead_ins_s)
        else:
            self._add(self._phase, took_s)
        self._in_slices_s = self._in_lead_ins_s = 0.0
        self._phase, self._phase_since_s = next_phase, now_s

    def led_in(self, took_s: float) -> None:
        """A server was warmed up for a slice, for this long."""
        self._in_lead_ins_s += took_s

    def loaded(
        self, cell: str, duration_s: float, throughput_rps: float, measured_s: float
    ) -> None:
        """A slice of this much planned load was measured, from first send to last response."""
        self._loaded_s += duration_s
        self._in_slices_s += measured_s
        self.tell(SliceDone(cell, throughput_rps, self._loaded_s, self._planned_s))

    def tell(self, event: Event) -> None:
        """Pass an event on."""
        self._observer(event)

    def _add(self, phase: str, duration_s: float) -> None:
        self.phases_s[phase] = self.phases_s.get(phase, 0.0) + duration_s
