"""How near a measured throughput may come to what the generator itself can do."""

from math import log

import numpy as np

from asgi_bench.model import Reason
from asgi_bench.model.calibration import Calibration

# Above this share of its ceiling a generator shapes what it measures; below it, the server does.
CEILING_SHARE = 0.8


def ceiling_rps(
    calibration: Calibration | None, connections: int, load_processes: int = 1
) -> float | None:
    """The most requests per second so many load processes could carry, or None uncalibrated.

    `connections` are all of them together. Between the counts that were measured it is
    interpolated over the logarithm of connections; beyond them the nearest stands, which is
    rather too high than too low, for the cost per request has its minimum in between.
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

    Invalid where the server had time to spare; suspect where it was busy too, for then its
    figure is near its limit all the same.
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
        f"load generator can carry over {connections} connections on this machine; the server "
        f"{server}: measure with more --load-processes, or give the server fewer --server-cpus",
    )
