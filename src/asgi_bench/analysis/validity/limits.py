"""Which side was the limit: the server, the load generator, or neither?"""

from math import log

import msgspec
import numpy as np

from asgi_bench.analysis.sweeps import overloaded_slices
from asgi_bench.analysis.utilization import (
    is_throttled,
    load_cpu_share,
    more_load,
    sending_processes,
)
from asgi_bench.analysis.validity.answers import is_credited
from asgi_bench.analysis.validity.evidence import Evidence
from asgi_bench.analysis.validity.users import unhurried
from asgi_bench.model import Reason
from asgi_bench.model.calibration import Calibration

# Share of the CPU time a side may use above which it is the limit. The rest goes to clock reads
# and to the edges of slices.
BUSY_SHARE = 0.9
# Above this share of its ceiling a generator shapes what it measures; below it, the server does.
CEILING_SHARE = 0.8


def closed_loop_limit(seen: Evidence) -> Reason | None:
    """Which side of a closed loop was the limit: a valid figure has the server at its limit."""
    # Who was busy says nothing where the server didn't do the work.
    if not seen.cell.load.is_closed or not is_credited(seen.trial):
        return None
    found = _busy(seen)
    # Locust's own clients are others than the one that was calibrated.
    if seen.plan.client != "fast" or (found is not None and found.level == "invalid"):
        return found
    near = near_ceiling(
        seen.trial.throughput_rps or 0.0,
        seen.cell.load.connections,
        seen.calibration,
        load_processes=sending_processes(seen.trial, seen.plan),
        server_is_busy=seen.server_share is not None and seen.server_share >= BUSY_SHARE,
    )
    return near or found


def _busy(seen: Evidence) -> Reason | None:
    """Who was busy: the server, the generator or neither; a quota stops both whatever they do."""
    server_share, load_share = seen.server_share, seen.load_share
    if seen.trial.target is not None:
        return _alone_busy(seen, is_stopped=is_throttled(seen.trial))
    if server_share is None or load_share is None or server_share >= BUSY_SHARE:
        return None
    if is_throttled(seen.trial):
        return None
    if load_share >= BUSY_SHARE:
        return Reason(
            code="generator-bound",
            level="invalid",
            value=server_share,
            limit=BUSY_SHARE,
            text="the load generator was the limit: it was using its CPU, or waiting for it, "
            f"{load_share:.0%} of the time, and the server only {server_share:.0%} of its "
            "share, so the server can do more than shown; measure with fewer workers or "
            "fewer --server-cpus",
        )
    busy = (
        f"neither side was busy (server {server_share:.0%}, load generator {load_share:.0%} of "
        "its CPU share)"
    )
    return unhurried(seen.trial, busy) or Reason(
        code="concurrency-bound",
        level="valid",
        value=server_share,
        limit=BUSY_SHARE,
        text=f"{busy}: {seen.cell.load.connections} connections are too few for this server, or "
        "something else took its CPU; use more --connections on an idle machine",
    )


def _alone_busy(seen: Evidence, *, is_stopped: bool) -> Reason | None:
    """A load generator at its limit, where of the server nothing is known."""
    load_share = seen.load_share
    if load_share is None or load_share < BUSY_SHARE or is_stopped:
        return None
    return Reason(
        code="generator-bound",
        level="invalid",
        value=load_share,
        limit=BUSY_SHARE,
        text="the load generator was probably the limit: it was using its CPU, or waiting for "
        f"it, {load_share:.0%} of the time, and nothing is known about the server; use more "
        f"{more_load(seen.plan)}",
    )


def little_to_spare(seen: Evidence) -> Reason | None:
    """A schedule that was kept by a generator near its own limit, by the CPU it really used."""
    if not seen.cell.load.has_one_rate:
        return None
    share = load_cpu_share(seen.trial, seen.plan)
    if share is None or share <= CEILING_SHARE or seen.is_overloaded:
        return None
    return Reason(
        code="generator-bound",
        level="suspect",
        value=share,
        limit=CEILING_SHARE,
        text=f"the load generator was busy {share:.0%} of the time its CPU was available to it: "
        "requests queued in the generator too, and their response times include that; use "
        f"more {more_load(seen.plan)}, or a lower rate",
    )


def open_limit(seen: Evidence) -> Reason | None:
    """A schedule of more than could be done: whether the generator was the reason."""
    trial = seen.trial
    beyond = overloaded_slices(trial.slices)
    if not beyond or is_throttled(trial):
        return None
    of_beyond = msgspec.structs.replace(
        trial,
        slices=beyond,
        server_cpu_s=sum(piece.server_cpu_s for piece in beyond),
        load_cpu_s=sum(piece.load_cpu_s for piece in beyond),
    )
    of_overload = Evidence(of_beyond, seen.cell, seen.plan)
    server_share, load_share = of_overload.server_share, of_overload.load_share
    if server_share is None or load_share is None:
        return None
    if server_share >= BUSY_SHARE or load_share < BUSY_SHARE:
        return None
    is_sweep = seen.cell.load.is_sweep
    what = "at the highest rates the load" if is_sweep else "the load"
    return Reason(
        code="generator-bound",
        level="suspect" if is_sweep else "invalid",
        value=server_share,
        limit=BUSY_SHARE,
        text=f"{what} generator was the limit: requests piled up while it was using its CPU, or "
        f"waiting for it, {load_share:.0%} of the time, and the server only "
        f"{server_share:.0%} of its share; use more {more_load(seen.plan)}, or give the server "
        "fewer --server-cpus",
    )


def ceiling_rps(
    calibration: Calibration | None, connections: int, load_processes: int = 1
) -> float | None:
    """The most requests per second that this many load processes can send; None uncalibrated.

    `connections` is the total. Between the measured counts it is interpolated over the logarithm of
    connections; beyond them the nearest applies, which is too high rather than too low, because the
    cost per request has its minimum in between.
    """
    if calibration is None or not calibration.ceiling:
        return None
    points = sorted(calibration.ceiling, key=lambda point: point.connections)
    each = max(connections / load_processes, 1.0)
    ceiling = np.interp(
        log(each),
        [log(point.connections) for point in points],
        [point.ceiling_rps for point in points],
    )
    return float(ceiling) * load_processes


def near_ceiling(
    throughput_rps: float,
    connections: int,
    calibration: Calibration | None,
    *,
    load_processes: int = 1,
    server_is_busy: bool,
) -> Reason | None:
    """The finding on a closed-loop cell whose throughput is above 80 % of the ceiling.

    Invalid if the server had time to spare; suspect if it was busy too, because its figure is then
    near its limit all the same.
    """
    ceiling = ceiling_rps(calibration, connections, load_processes)
    if ceiling is None or throughput_rps <= CEILING_SHARE * ceiling:
        return None
    share = throughput_rps / ceiling
    server = "was busy as well, so it can do little more" if server_is_busy else "can do more"
    return Reason(
        code="generator-bound",
        level="suspect" if server_is_busy else "invalid",
        value=share,
        limit=CEILING_SHARE,
        text=f"{throughput_rps:,.0f} requests/s are {share:.0%} of the {ceiling:,.0f} that the "
        f"load generator can send over {connections} connections on this machine; the "
        f"server {server}: use more --load-processes, or give the server fewer --server-cpus",
    )
