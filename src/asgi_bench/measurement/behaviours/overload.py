"""More requests than a server can handle, and how it is afterwards."""

import random
import time

from asgi_bench.analysis.percentiles import merge_histograms, percentiles_s, quantile_s
from asgi_bench.load.messages import Loaded
from asgi_bench.machine.memory import pss_bytes
from asgi_bench.measurement.behaviours.load_under_fault import WatchedLoad, losses_of
from asgi_bench.measurement.running_servers import RunningServer
from asgi_bench.model import RESPONSE_TIME, SERVICE_TIME, Overload

# What is normal is measured at half of what the server can take, and so is its recovery.
NORMAL_SHARE = 0.5
NORMAL_S = 1.0
CAPACITY_S = 1.0
OVERLOAD_SHARE = 1.75
OVERLOAD_S = 4.0
# Past the usual 64, so that the queue grows in the server and not in the generator alone.
FLOOD_CONNECTIONS = 512
MEMORY_EVERY_S = 0.5
# A median within this many times the normal one is normal again: on a shared machine two medians
# of undisturbed load differ by half.
RECOVERED_TIMES = 2.0
RECOVERY_STEP_S = 0.25
RECOVERY_LIMIT_S = 10.0
# Twice as many as a median needs.
RECOVERY_SAMPLES = 40
LONGEST_STEP_S = 2.0


def watch_overload(
    usual: WatchedLoad,
    flood: WatchedLoad,
    server: RunningServer,
    connections: int,
    chance: random.Random,
) -> Overload | None:
    """Offer a server 1.75 times its own throughput for 4 s, then wait until it is normal again.

    Its own throughput is the higher of those in closed loops over the usual and over the many
    connections. None if it gave no correct response before. Raises LoadFault.
    """
    pids = server.process.pids
    usual_rps = usual.open(connections, CAPACITY_S).throughput_rps
    pss_before = pss_bytes(pids)
    capacity_rps = max(usual_rps, flood.open(FLOOD_CONNECTIONS, CAPACITY_S).throughput_rps)
    if not capacity_rps:
        return None
    normal_rps, offered_rps = capacity_rps * NORMAL_SHARE, capacity_rps * OVERLOAD_SHARE
    step_s = min(max(RECOVERY_STEP_S, RECOVERY_SAMPLES / normal_rps), LONGEST_STEP_S)

    def normal(duration_s: float) -> Loaded:
        return usual.load(duration_s, rate_rps=normal_rps, seed=chance.getrandbits(32))

    normal_p50_s = _p50_s(normal(max(NORMAL_S, step_s)))
    peaks: list[int] = []
    next_s = time.perf_counter()

    def sample() -> None:
        nonlocal next_s
        if time.perf_counter() >= next_s:
            next_s += MEMORY_EVERY_S
            peaks.append(pss_bytes(pids) or 0)

    loaded = flood.load(
        OVERLOAD_S,
        look=sample,
        rate_rps=offered_rps,
        seed=chance.getrandbits(32),
        patience_s=0.0,
    )
    end_s = loaded.begin_s + OVERLOAD_S
    recovery_s = None
    while recovery_s is None and time.perf_counter() - end_s < RECOVERY_LIMIT_S:
        step = normal(step_s)
        p50_s = _p50_s(step)
        if p50_s is not None and p50_s <= (normal_p50_s or 0.0) * RECOVERED_TIMES:
            recovery_s = max(step.begin_s - end_s, 0.0)
    flood.close()
    usual.close()
    throughput_rps = loaded.requests / max(loaded.duration_s, OVERLOAD_S)
    service = percentiles_s(merge_histograms([loaded.times_hdr.get(SERVICE_TIME)]))
    return Overload(
        capacity_rps=capacity_rps,
        offered_rps=offered_rps,
        duration_s=OVERLOAD_S,
        connections=FLOOD_CONNECTIONS,
        throughput_rps=throughput_rps,
        throughput_share=throughput_rps / capacity_rps,
        due=loaded.open_loop.due if loaded.open_loop else loaded.sent,
        sent=loaded.sent,
        answered=loaded.requests,
        unsent=loaded.open_loop.unsent if loaded.open_loop else 0,
        losses=losses_of([loaded]),
        normal_rps=normal_rps,
        recovery_limit_s=RECOVERY_LIMIT_S,
        recovery_s=recovery_s,
        normal_p50_s=normal_p50_s,
        service_p50_s=service.p50,
        service_p99_s=service.p99,
        service_max_s=service.max,
        pss_before_bytes=pss_before,
        pss_peak_bytes=max(peaks, default=None),
        pss_after_bytes=pss_bytes(pids),
        workers_lost=server.pids_gone,
    )


def _p50_s(loaded: Loaded) -> float | None:
    histogram = merge_histograms([loaded.times_hdr.get(RESPONSE_TIME)])
    return None if histogram is None else quantile_s(histogram, 0.5)
