"""What a run tells whoever watches it: progress to draw, never data to keep."""

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
    """A part of a server setting's behaviour is watched."""

    setting: str
    part: str


class TrialDone(msgspec.Struct, frozen=True):
    """A trial was stored."""

    trial: Trial


Event: TypeAlias = PhaseBegun | SliceDone | TrialDone | BehaviourBegun
Observer: TypeAlias = Callable[[Event], None]
