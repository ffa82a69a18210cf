"""What the generator can do and where it errs, against a server that does nothing."""

import random
from statistics import median

from asgi_bench.analysis.percentiles import merge_histograms, percentiles_s
from asgi_bench.analysis.slice_noise import coefficient_of_variation
from asgi_bench.load.messages import Load, Loaded
from asgi_bench.measurement.calibration.calibration_context import (
    CONNECTIONS,
    CalibrationContext,
)
from asgi_bench.measurement.running_servers import RunningServer
from asgi_bench.measurement.schedule import Visits, schedule
from asgi_bench.model import GENERATOR_LAG, RESPONSE_TIME
from asgi_bench.model.calibration import CeilingPoint, LatencyBias, LatencyFigures, TimerError

CEILING_SLICE_S = 0.25
# An even rate, each send with a timer of its own and far from any limit: what is late is the timer.
TIMER_RATE_RPS = 1000.0
# Light enough that requests rarely meet (64 connections, 0.1 ms a request).
BIAS_RATE_RPS = 500.0


def measure_ceiling(
    context: CalibrationContext, server: RunningServer, connections: tuple[int, ...], slices: int
) -> tuple[CeilingPoint, ...]:
    """The generator's CPU time per request at each number of connections, interleaved."""
    context.enter("the generator's ceiling")
    names = {f"ceiling-c{count}": count for count in connections}
    for name, count in names.items():
        context.open(name, server, count)
    pieces: dict[str, list[Loaded]] = {name: [] for name in names}
    chance = random.Random(f"{context.plan.seed}/calibration/ceiling")
    visits = Visits(slices, CEILING_SLICE_S)
    for piece in schedule(dict.fromkeys(names, visits), chance):
        pieces[piece.cell].append(context.load(Load(piece.cell, piece.duration_s)))
    for name in names:
        context.close(name)
    return tuple(_ceiling_point(count, pieces[name]) for name, count in names.items())


def measure_timer(
    context: CalibrationContext, server: RunningServer, duration_s: float
) -> TimerError:
    """How late requests are sent that are due every millisecond."""
    context.enter("the generator's timer")
    command = Load("timer", duration_s, TIMER_RATE_RPS, "constant", context.plan.seed)
    _, lag = _open_loop(context, server, command)
    return TimerError(TIMER_RATE_RPS, lag)


def measure_bias(
    context: CalibrationContext, server: RunningServer, duration_s: float
) -> LatencyBias:
    """Open-loop latency of a server that does nothing."""
    context.enter("the generator's own share of a latency")
    command = Load("bias", duration_s, BIAS_RATE_RPS, "poisson", context.plan.seed)
    response, lag = _open_loop(context, server, command)
    return LatencyBias(BIAS_RATE_RPS, CONNECTIONS, response, lag)


def _ceiling_point(connections: int, pieces: list[Loaded]) -> CeilingPoint:
    costs_s = [piece.load_cpu_s / piece.sent for piece in pieces]
    return CeilingPoint(
        connections=connections,
        ceiling_rps=1 / median(costs_s),
        load_cpu_s_per_request=median(costs_s),
        coefficient_of_variation=coefficient_of_variation(costs_s),
        throughput_rps=median(piece.throughput_rps for piece in pieces),
        slices=len(pieces),
    )


def _open_loop(
    context: CalibrationContext, server: RunningServer, command: Load
) -> tuple[LatencyFigures, LatencyFigures]:
    """Response time and generator lag of one stretch of open-loop load."""
    context.open(command.name, server)
    context.load(command)
    times_hdr = context.close(command.name).times_hdr
    return _figures(times_hdr.get(RESPONSE_TIME)), _figures(times_hdr.get(GENERATOR_LAG))


def _figures(blob: str | None) -> LatencyFigures:
    histogram = merge_histograms([blob])
    found = percentiles_s(histogram)
    samples = 0 if histogram is None else histogram.total
    return LatencyFigures(samples, p50=found.p50, p90=found.p90, p99=found.p99, max=found.max)
