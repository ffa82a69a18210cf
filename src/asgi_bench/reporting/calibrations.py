"""A calibration as a document: what was found on this machine, and what it means for its runs."""

from collections.abc import Iterator

from asgi_bench.analysis.validity.limits import CEILING_SHARE
from asgi_bench.model.calibration import (
    AAFloor,
    Calibration,
    CeilingPoint,
    LatencyBias,
    LatencyFigures,
    LengthEffect,
    SliceLengths,
    SliceLoss,
    SliceNoise,
    TimerError,
)
from asgi_bench.reporting.columns import Column, table_of
from asgi_bench.reporting.document import Block, Document, Entry, Item, Items, Section, Text
from asgi_bench.reporting.numbers import (
    MISSING,
    factor,
    microseconds,
    milliseconds,
    moment,
    percent,
    rate,
)

# Above this one slice tells a good deal of the next.
NOTABLE_AUTOCORRELATION = 0.3
_CEILING: tuple[Column, ...] = (
    Column("connections", "", lambda point: str(point.connections)),
    Column("ceiling", "requests/s", lambda point: rate(point.ceiling_rps)),
    Column("CPU", "µs/request", lambda point: microseconds(point.load_cpu_s_per_request)),
    Column("scatter", "%", lambda point: percent(point.coefficient_of_variation)),
)


def calibration_document(calibration: Calibration) -> Document:
    """Everything that a calibration contains."""
    servers, load = (
        ",".join(map(str, cpus)) or MISSING
        for cpus in (calibration.server_cpus, calibration.load_cpus)
    )
    return Document(
        title=(
            f"Calibration ({calibration.kind}) of {calibration.hostname}, "
            f"{calibration.cpu_model}, {calibration.cpu_count} CPUs"
        ),
        facts=(
            f"{moment(calibration.measured_at)}, {calibration.duration_s:.0f} s; "
            f"servers on CPU {servers}, load on CPU {load}",
        ),
        sections=(Section("calibration", "", tuple(_entries(calibration))),),
    )


def _entries(calibration: Calibration) -> Iterator[Entry]:
    """What each of its stages found."""
    yield _ceiling(calibration.ceiling)
    yield _timer(calibration.timer_error)
    if calibration.latency_bias is not None:
        yield _bias(calibration.latency_bias)
    if calibration.slice_noise is not None:
        yield _noise(calibration.slice_noise)
    if calibration.aa_floor is not None:
        yield _floor(calibration.aa_floor)
    # Before losses were measured the figures were others.
    if calibration.slice_lengths is not None and calibration.slice_lengths.losses:
        yield _lengths(calibration.slice_lengths)
    if calibration.notes:
        yield Entry("Notes", (_listed(calibration.notes),))


def _ceiling(points: tuple[CeilingPoint, ...]) -> Entry:
    return Entry(
        "Ceiling of the load generator: 1 / its CPU time per request, without the server's",
        (
            table_of(_CEILING, points),
            Text(
                f"A closed-loop cell above {CEILING_SHARE:.0%} of this for each load process is "
                "marked generator-bound."
            ),
        ),
    )


def _timer(timer: TimerError) -> Entry:
    return _stage(
        f"Timer: at a constant {rate(timer.rate_rps)}/s, requests leave late by "
        f"{_figures(timer.generator_lag_s)}",
        "Open-loop latencies of this size are as much the generator's as the server's.",
    )


def _bias(bias: LatencyBias) -> Entry:
    return _stage(
        f"Latency of a server that does nothing, at {rate(bias.rate_rps)}/s: "
        f"{_figures(bias.response_time_s)}",
        f"of which generator lag: {_figures(bias.generator_lag_s)}",
        "No server can show less here; it is not subtracted from any figure.",
    )


def _noise(noise: SliceNoise) -> Entry:
    text = (
        f"Noise: {noise.slices} slices of {milliseconds(noise.slice_s)} ms of {noise.server} "
        f"scatter by {percent(noise.coefficient_of_variation)} % (coefficient of variation)"
    )
    correlation = noise.lag1_autocorrelation
    if correlation is None:
        return _stage(text)
    meaning = (
        "neighbouring slices are alike: the machine has slow and fast phases, which "
        "interleaving evens out"
        if correlation > NOTABLE_AUTOCORRELATION
        else "neighbouring slices are nearly independent"
    )
    return _stage(f"{text}, lag-1 autocorrelation {correlation:.2f}", f"{meaning}.")


def _floor(floor: AAFloor) -> Entry:
    lines = []
    difference = f"differ by {_signed_percent(floor.mean)} %"
    if floor.half_width is None:
        lines.append(f"{difference} (too few blocks for a bound)")
    else:
        lines.append(
            f"{difference} ±{percent(floor.half_width)} % (95 %): this many rounds can't show "
            "smaller differences"
        )
        if abs(floor.mean) > floor.half_width:
            lines.append(
                "0 is outside the interval: that happens by chance in 1 of 20 calibrations; if "
                "it happens again, something is unfair here, so look for what else runs on this "
                "machine"
            )
    if floor.starts is not None:
        starts = floor.starts
        lines.append(
            f"two starts of it differ by {percent(starts.between)} % "
            f"({percent(starts.between_lower)} to {percent(starts.between_upper)} %, standard "
            f"deviation), its slices by {percent(starts.within)} %"
        )
    return _stage(
        f"A/A floor: two of the same {floor.server} over {floor.blocks} blocks of fresh "
        f"processes, {floor.duration_s:g} s each",
        *lines,
    )


def _lengths(found: SliceLengths) -> Entry:
    words = {
        "same": f"the same within {percent(found.tolerance)} %",
        "undecided": f"neither shown to be within {percent(found.tolerance)} % nor beyond it",
        "different": f"beyond {percent(found.tolerance)} %",
    }
    return _stage(
        f"Slices: {found.server} relative to {found.reference} over {found.connections} "
        f"connections, {found.segments} segments, {len(found.neighbours)} other servers up and "
        "loaded in turn",
        *(
            f"{milliseconds(effect.slice_s)} ms: {factor(effect.ratio)} "
            f"{_bounds(effect.ratio_lower, effect.ratio_upper)}, of which due to the length "
            f"{_change(effect)}: {words[effect.verdict]}"
            for effect in found.lengths
        ),
        *(f"Every slice loses {_loss(loss)}, whatever its length." for loss in found.losses),
        f"Shortest usable slice: {milliseconds(found.shortest_slice_s)} ms.",
    )


def _stage(title: str, *lines: str) -> Entry:
    blocks: tuple[Block, ...] = (_listed(lines),) if lines else ()
    return Entry(title, blocks)


def _listed(lines: tuple[str, ...]) -> Items:
    return Items(tuple(map(Item, lines)))


def _change(effect: LengthEffect) -> str:
    change = f"{_signed_percent(effect.change - 1)} %"
    if effect.change_lower is None or effect.change_upper is None:
        return change
    bounds = (effect.change_lower - 1, effect.change_upper - 1)
    return f"{change} ({' to '.join(map(_signed_percent, bounds))} %)"


def _loss(loss: SliceLoss) -> str:
    text = f"{milliseconds(loss.loss_s)} ms of {loss.server}"
    if loss.lower_s is None or loss.upper_s is None:
        return text
    return f"{text} ({milliseconds(loss.lower_s)} to {milliseconds(loss.upper_s)} ms)"


def _figures(figures: LatencyFigures) -> str:
    return ", ".join(_named(figures))


def _named(figures: LatencyFigures) -> Iterator[str]:
    for name, value in (("p50", figures.p50), ("p99", figures.p99), ("max", figures.max)):
        if value is not None:
            yield f"{name} {microseconds(value)} µs"


def _bounds(lower: float | None, upper: float | None) -> str:
    return f"({factor(lower)} to {factor(upper)})" if lower and upper else "(no bounds)"


def _signed_percent(share: float) -> str:
    return f"{'-' if share < 0 else ''}{percent(abs(share))}"
