"""Lead-ins: the load before each slice that warms its server up, as long as that server needs.

A slice begins with other servers' data in the caches, on a CPU that slept. The lead-in absorbs
that;
then the server comes to rest, its clocks are read, and it is measured warm.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from asgi_bench.load.messages import Loaded
from asgi_bench.measurement.schedule import SERVERS

Floats = npt.NDArray[np.float64]

# Until it is known how long a server needs. On shared hosts all those measured were steady after 1
# to 8 ms (METHODOLOGY.md); each connection is served once at least, whatever it takes.
FIRST_S = 0.01
LONGEST_S = 0.08
SHORTEST_S = 0.001
# After so many slices it is looked at: where neighbouring ones differ by 10 %, what 10 ms lose is
# known to 0.14 ms then.
ENOUGH_VISITS = 50
# What the shortest slice may lose: 1 % of it.
TOLERATED_LOSS_S = 0.01 * SERVERS.shortest_s
# A server that isn't steady yet loses more than that, surely: by so many standard errors.
SURE_ERRORS = 2.0
MILLISECOND_S = 0.001


class Steadiness(NamedTuple):
    """What lead-ins of one length show: how long they have to be, or that they are too short."""

    after_s: float | None
    """From when on nothing to speak of is lost; None where that isn't seen."""
    is_too_short: bool = False
    """Whether the last third of the lead-ins surely lost too much."""


class LeadIns:
    """How long the lead-in of each cell is; derived from the throughput in earlier ones."""

    def __init__(self) -> None:
        self._lengths_s: dict[str, float] = {}
        self._losses_s: dict[str, list[Floats]] = {}
        self._found: set[str] = set()

    def duration_s(self, cell: str) -> float:
        """How long the next lead-in of a cell should be."""
        return self._lengths_s.setdefault(cell, FIRST_S)

    def note(self, cell: str, lead_in: Loaded, measured: Loaded) -> None:
        """Record a lead-in and the slice after it."""
        if cell in self._found or measured.steady is None or not lead_in.progress:
            return
        length_s = self.duration_s(cell)
        losses_s = self._losses_s.setdefault(cell, [])
        losses_s.append(lost_after_s(lead_in.progress, length_s, measured.throughput_rps))
        if len(losses_s) % ENOUGH_VISITS:
            return
        response_time_s = measured.steady.slots / measured.throughput_rps
        after_s, is_too_short = steadiness(np.array(losses_s), response_time_s)
        if after_s is not None:
            self._found.add(cell)
            self._lengths_s[cell] = max(SHORTEST_S, after_s)
        elif is_too_short and length_s < LONGEST_S:
            self._lengths_s[cell] = 2 * length_s
            losses_s.clear()


def lost_after_s(progress: tuple[int, ...], length_s: float, rate_rps: float) -> Floats:
    """The time that a lead-in lost from each of its milliseconds on, relative to a steady rate.

    `progress` has the responses until the end of each millisecond. 10 ms in which 80 came at a
    rate of 10,000/s have lost 2 ms.

    >>> lost_after_s((0, 10, 20, 30), 0.004, 10_000).round(4).tolist()
    [0.001, 0.0, 0.0, 0.0]
    """
    count = round(length_s / MILLISECOND_S)
    # Shorter than the lead-in where the loop came late to its end.
    told = [0, *progress[:count], *progress[-1:] * (count - len(progress))]
    answers: Floats = np.asarray(told, dtype=float)
    left_s = MILLISECOND_S * np.arange(count, 0, -1)
    losses_s: Floats = left_s - (answers[-1] - answers[:-1]) / rate_rps
    return losses_s


def steadiness(losses_s: Floats, response_time_s: float) -> Steadiness:
    """When a server is steady, from what many lead-ins lost: a row each, as of `lost_after_s`.

    A server that responds in bursts is looked at once per response time; if that is half of the
    lead-in or more, each connection's first response has to suffice.
    """
    visits, milliseconds = losses_s.shape
    step = max(1, round(response_time_s / MILLISECOND_S))
    if step >= milliseconds / 2:
        return Steadiness(0.0)
    means = losses_s.mean(axis=0)
    errors = losses_s.std(axis=0, ddof=1) / visits**0.5
    places = np.arange(milliseconds - step, -1, -step)
    is_steady = means[places] <= TOLERATED_LOSS_S
    steady_places = places[: len(places) if is_steady.all() else int(is_steady.argmin())]
    if len(steady_places) and steady_places[-1] <= milliseconds * 2 / 3:
        return Steadiness(float(steady_places[-1] * MILLISECOND_S))
    late = places[places >= milliseconds * 2 / 3]
    last = late[-1] if len(late) else places[0]
    is_sure = means[last] - SURE_ERRORS * errors[last] > TOLERATED_LOSS_S
    return Steadiness(None, is_too_short=bool(is_sure))
