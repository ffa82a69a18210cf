"""How a load host's clock relates to ours, and its times converted to ours."""

from collections.abc import Iterable
from typing import NamedTuple, TypeVar

import msgspec

from asgi_bench.load.messages import Closed, Loaded, Reply

T = TypeVar("T", Loaded, Closed)


class Trip(NamedTuple):
    """A message and its reply: sent and received on our clock, and `at_s` on theirs."""

    sent_s: float
    at_s: float
    came_s: float

    @property
    def round_trip_s(self) -> float:
        """The time there and back."""
        return self.came_s - self.sent_s


class FarClock(NamedTuple):
    """How far a clock is ahead of ours, plus or minus half of the shortest round trip."""

    offset_s: float = 0.0
    round_trip_s: float = 0.0


def far_clock(trips: Iterable[Trip]) -> FarClock:
    """Return where a clock stands, by the message with the shortest round trip.

    Longer round trips may have lost time in one direction only.
    """
    best = min(trips, key=lambda trip: trip.round_trip_s)
    middle_s = (best.sent_s + best.came_s) / 2
    return FarClock(best.at_s - middle_s, best.round_trip_s)


def on_our_clock(reply: Reply, offset_s: float) -> Reply:
    """A reply of a host whose clock is this far ahead, its times converted to our clock."""
    if isinstance(reply, Loaded):
        losses = (
            msgspec.structs.replace(
                loss, sent_s=loss.sent_s - offset_s, lost_s=loss.lost_s - offset_s
            )
            for loss in reply.losses
        )
        return msgspec.structs.replace(
            _with_answers(reply, offset_s),
            begin_s=reply.begin_s - offset_s,
            end_s=reply.end_s - offset_s,
            losses=tuple(losses),
        )
    return _with_answers(reply, offset_s) if isinstance(reply, Closed) else reply


def _with_answers(reply: T, offset_s: float) -> T:
    wrong = (
        msgspec.structs.replace(each, at_s=each.at_s - offset_s) for each in reply.wrong_answers
    )
    return msgspec.structs.replace(reply, wrong_answers=tuple(wrong))
