"""Makes a calibration, and finds the one for a run."""

import math
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from asgi_bench import __version__
from asgi_bench.errors import BenchError, UsageError
from asgi_bench.machine.limits import raise_descriptor_limit
from asgi_bench.measurement.calibration.calibration_context import (
    CONNECTIONS,
    NULL_SCENARIO,
    NULL_SERVER,
    CalibrationContext,
    CalibrationFault,
    CalibrationStep,
)
from asgi_bench.measurement.calibration.generator_limits import (
    CEILING_SLICE_S,
    measure_bias,
    measure_ceiling,
    measure_timer,
)
from asgi_bench.measurement.calibration.server_noise import (
    AA_DURATION_S,
    SEGMENT_LOAD_S,
    SHORT_SLICE_S,
    measure_aa,
    measure_lengths,
    measure_noise,
)
from asgi_bench.measurement.load_processes import LoadProcesses
from asgi_bench.model import Machine, Plan, PlannedCell
from asgi_bench.model.calibration import (
    AAFloor,
    Calibration,
    CalibrationKind,
    CeilingPoint,
    LatencyBias,
    SliceLengths,
    SliceNoise,
    TimerError,
)
from asgi_bench.store.calibrations import stored_calibration, write_calibration

# What a full calibration takes beside its repetitions, and for one block and its segments
# (measured on a machine of 2 CPUs).
FIXED_S = 28.0
REPETITION_S = 10.0
SEGMENTS_PER_BLOCK = 3
# Under three there are no intervals.
FEWEST_REPETITIONS = 3


class Extent(msgspec.Struct, frozen=True):
    """How much is measured; 0 leaves a stage out."""

    kind: CalibrationKind
    ceiling_connections: tuple[int, ...]
    ceiling_slices: int
    timer_s: float
    bias_s: float = 0.0
    noise_slices: int = 0
    length_segments: int = 0
    aa_blocks: int = 0

    @property
    def load_s(self) -> float:
        """The load of all stages together."""
        return (
            len(self.ceiling_connections) * self.ceiling_slices * CEILING_SLICE_S
            + self.timer_s
            + self.bias_s
            + self.noise_slices * SHORT_SLICE_S
            + self.length_segments * SEGMENT_LOAD_S
            + self.aa_blocks * 2 * AA_DURATION_S
        )


# A p99 needs 1,000 samples: of the timer at 1,000/s, and of the bias at 500/s.
# What one connection can carry is a quarter of what 64 can, so that even a quick one has both.
QUICK = Extent("quick", ceiling_connections=(1, CONNECTIONS), ceiling_slices=4, timer_s=1.2)
FULL = Extent(
    "full",
    ceiling_connections=(1, 8, 64, 256, 1024),
    ceiling_slices=6,
    timer_s=3.0,
    bias_s=4.0,
    noise_slices=200,
    length_segments=8 * SEGMENTS_PER_BLOCK,
    aa_blocks=8,
)


def extent_within(budget_s: float, flag: str = "--budget") -> Extent:
    """The full extent with about as many blocks and segments as fit into that time.

    Raises:
        UsageError: there isn't time for three of each.
    """
    repetitions = int((budget_s - FIXED_S) / REPETITION_S)
    if repetitions < FEWEST_REPETITIONS:
        least_s = math.ceil(FIXED_S + FEWEST_REPETITIONS * REPETITION_S)
        raise UsageError(
            f"{flag}: a full calibration takes at least {least_s}s, but {budget_s:g}s were "
            "given; --quick measures only the generator, in a few seconds"
        )
    return msgspec.structs.replace(
        FULL, aa_blocks=repetitions, length_segments=repetitions * SEGMENTS_PER_BLOCK
    )


class _Noise(msgspec.Struct):
    """What the servers' stages found; None where one was left out or failed."""

    slice_noise: SliceNoise | None = None
    slice_lengths: SliceLengths | None = None
    aa_floor: AAFloor | None = None


def calibrate(
    plan: Plan,
    machine: Machine,
    extent: Extent,
    tell: Callable[[CalibrationStep], None],
    notes: Sequence[str] = (),
) -> Calibration:
    """Measure this machine and the generator; the caller holds the measuring lock.

    The plan's first measurable cell is the server for measuring noise, and the second is compared
    with it, while the others are up as in a run; without any cell the null server serves.
    `notes` are kept, with what could not be measured.

    Raises BenchError if the null server or the load process can't be measured.
    """
    started, began_s = datetime.now(UTC), time.monotonic()
    # The ceiling is one process's, whatever the run will use.
    plan = msgspec.structs.replace(
        plan,
        scenarios=(*plan.scenarios, NULL_SCENARIO),
        client="fast",
        load_processes=1,
        web_ui=False,
    )
    found_notes = list(notes)
    raise_descriptor_limit(
        max(sum(extent.ceiling_connections), len(plan.cells) * CONNECTIONS) + CONNECTIONS
    )
    with tempfile.TemporaryDirectory(prefix="asgi-bench-calibrate-") as name:
        folder = Path(name)
        with LoadProcesses(folder, plan) as processes:
            processes.prepare()
            context = CalibrationContext(plan, folder, processes, extent.load_s, tell)
            ceiling, timer, bias = _generator(context, extent)
            noise = _noise(context, extent, found_notes)
    return Calibration(
        fingerprint=machine.fingerprint,
        kind=extent.kind,
        measured_at=started.isoformat(timespec="seconds"),
        duration_s=round(time.monotonic() - began_s, 3),
        tool_version=__version__,
        hostname=machine.hostname,
        cpu_model=machine.cpu_model,
        cpu_count=machine.cpu_count,
        kernel=machine.kernel,
        python=machine.python,
        seed=plan.seed,
        server_cpus=plan.server_cpus,
        load_cpus=plan.load_cpus,
        ceiling=ceiling,
        timer_error=timer,
        latency_bias=bias,
        slice_noise=noise.slice_noise,
        aa_floor=noise.aa_floor,
        slice_lengths=noise.slice_lengths,
        notes=tuple(found_notes),
    )


def calibration_for(
    parent: Path, plan: Plan, machine: Machine, announce: Callable[[str], None]
) -> Calibration:
    """The calibration for a run of this plan: the stored one, or a quick one made now.

    It is read from, and stored in, the folder of runs. A calibration by another version of the tool
    is for another generator, and is replaced. The caller holds the measuring lock; raises as
    `calibrate`.
    """
    try:
        stored = stored_calibration(parent, machine.fingerprint)
    except BenchError as fault:
        # Perhaps a later version's, of use to someone: it is left where it is.
        announce(f"warning: {fault}")
        return _quick(plan, machine)
    if stored is not None and stored.tool_version == __version__:
        return stored
    announce(
        "measuring the load generator for a few seconds; `asgi-bench calibrate` measures this "
        "machine fully"
    )
    calibration = _quick(plan, machine)
    write_calibration(parent, calibration)
    return calibration


def _quick(plan: Plan, machine: Machine) -> Calibration:
    return calibrate(msgspec.structs.replace(plan, cells=()), machine, QUICK, lambda step: None)


def _generator(
    context: CalibrationContext, extent: Extent
) -> tuple[tuple[CeilingPoint, ...], TimerError, LatencyBias | None]:
    """Everything that is measured against the null server."""
    context.enter("starting the null server")
    with context.servers([NULL_SERVER]) as running:
        (server,) = running.values()
        ceiling = measure_ceiling(
            context, server, extent.ceiling_connections, extent.ceiling_slices
        )
        timer = measure_timer(context, server, extent.timer_s)
        bias = measure_bias(context, server, extent.bias_s) if extent.bias_s else None
    return ceiling, timer, bias


def _noise(context: CalibrationContext, extent: Extent, notes: list[str]) -> _Noise:
    """Everything that is measured on real servers; a server that can't be measured is noted."""
    found = _Noise()
    cells = [planned for planned in context.plan.cells if planned.skip_reason is None]
    notes += [
        f"{planned.cell.server} can't be measured here: {planned.skip_reason}"
        for planned in context.plan.cells
        if planned.skip_reason is not None
    ]
    first = cells[0] if cells else NULL_SERVER
    try:
        if extent.noise_slices or extent.length_segments:
            _measure_pair(context, cells or [first], extent, found)
        if extent.length_segments and len(cells) < 2:
            notes.append("whether short slices change ratios: this needs two real servers")
        if extent.aa_blocks:
            found.aa_floor = measure_aa(context, first, extent.aa_blocks)
    except CalibrationFault as fault:
        notes.append(f"the noise of servers was not fully measured: {fault}")
    return found


def _measure_pair(
    context: CalibrationContext, cells: Sequence[PlannedCell], extent: Extent, found: _Noise
) -> None:
    """The noise of the first server, and its ratio to the second in slices of several lengths."""
    context.enter("starting servers")
    with context.servers(cells) as running:
        reference, *others = (running[planned.cell.process_key] for planned in cells)
        if extent.noise_slices:
            found.slice_noise = measure_noise(context, reference, extent.noise_slices)
        if others and extent.length_segments:
            server, *neighbours = others
            found.slice_lengths = measure_lengths(
                context, server, reference, neighbours, extent.length_segments
            )
