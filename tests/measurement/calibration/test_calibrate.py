"""Calibrations by real processes, small: their shape and sense, never their speed."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from asgi_bench import __version__
from asgi_bench.definitions.plan import load_plan
from asgi_bench.definitions.selection import Selection
from asgi_bench.machine.affinity import split_cpus
from asgi_bench.machine.fingerprint import describe_machine
from asgi_bench.measurement.calibration import calibrate as calibrating
from asgi_bench.measurement.calibration import server_noise
from asgi_bench.measurement.calibration.calibrate import (
    QUICK,
    Extent,
    calibrate,
    calibration_for,
)
from asgi_bench.measurement.calibration.calibration_context import CalibrationStep
from asgi_bench.model import Machine, Plan
from asgi_bench.model.calibration import Calibration
from asgi_bench.store.calibrations import calibration_path, stored_calibration, write_calibration
from tests.command_line import FAULTY_SERVERS, SERVERS
from tests.synthetic_calibration import full_calibration, quick_calibration

# Whole calibrations of real servers; `tests/cli/test_calibrate.py` has a quick one.
pytestmark = pytest.mark.slow

SMALL = Extent(
    "full",
    ceiling_connections=(1, 8),
    ceiling_slices=2,
    timer_s=0.1,
    bias_s=0.2,
    noise_slices=5,
    length_segments=3,
    aa_blocks=3,
)
SLICES_BY_LENGTH_S = {0.02: 2, 0.06: 1}
SEGMENT_LOAD_S = 0.2


class Calibrated(NamedTuple):
    """A calibration, what was asked for, and what was told meanwhile."""

    found: Calibration
    plan: Plan
    machine: Machine
    steps: list[CalibrationStep]


def plan_of(*servers: str, runners: Path = SERVERS) -> Plan:
    """A plan of each of these servers' variants with one worker, on this machine's CPUs."""
    split = split_cpus(None, None)
    return load_plan(
        Selection(
            servers=servers,
            runner_folders=(runners,),
            workers=(1,),
            seed=5,
            server_cpus=split.server_cpus,
            load_cpus=split.load_cpus,
        )
    )


@pytest.fixture(autouse=True)
def short_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here rests on much load."""
    shorten(monkeypatch)


def shorten(patch: pytest.MonkeyPatch) -> None:
    """Make blocks and segments as short as they can be."""
    patch.setattr(server_noise, "SLICES_BY_LENGTH_S", SLICES_BY_LENGTH_S)
    patch.setattr(calibrating, "SEGMENT_LOAD_S", SEGMENT_LOAD_S)
    for module in (calibrating, server_noise):
        patch.setattr(module, "AA_DURATION_S", 0.1)


@pytest.fixture(scope="module")
def calibrated() -> Iterator[Calibrated]:
    """A small full calibration, with two variants of a server that is up at once, and another."""
    plan, machine, steps = plan_of("tiny", "single"), describe_machine(), list[CalibrationStep]()
    # The two of one server first: they are compared.
    cells = sorted(plan.cells, key=lambda planned: planned.cell.server, reverse=True)
    plan = msgspec.structs.replace(plan, cells=tuple(cells))
    with pytest.MonkeyPatch.context() as patch:
        shorten(patch)
        yield Calibrated(
            calibrate(plan, machine, SMALL, steps.append, ["quiet"]), plan, machine, steps
        )


def test_it_says_where_when_and_how(calibrated: Calibrated) -> None:
    """Machine, CPUs, seed, version and time are with the figures."""
    found, plan, machine, _ = calibrated
    assert found.kind == "full"
    assert (found.fingerprint, found.cpu_model) == (machine.fingerprint, machine.cpu_model)
    assert (found.server_cpus, found.load_cpus) == (plan.server_cpus, plan.load_cpus)
    assert (found.seed, found.tool_version) == (5, __version__)
    assert found.measured_at.endswith("+00:00")
    assert SMALL.load_s * 0.9 < found.duration_s
    assert found.notes == ("quiet",)


def test_ceiling_is_the_inverse_of_a_cost(calibrated: Calibrated) -> None:
    """Each count of connections has one, above what the null server answered on a CPU it filled."""
    points = calibrated.found.ceiling
    assert [point.connections for point in points] == [1, 8]
    for point in points:
        assert point.slices == 2
        assert point.ceiling_rps * point.load_cpu_s_per_request == pytest.approx(1)
        assert point.coefficient_of_variation >= 0
        # One thread can't have used more CPU time than there was: 10 % for the slices' edges.
        assert 0 < point.throughput_rps < point.ceiling_rps * 1.1


def test_open_loops_have_every_request(calibrated: Calibrated) -> None:
    """As many latencies as requests were due; percentiles only of samples enough, in order."""
    timer, bias = calibrated.found.timer_error, calibrated.found.latency_bias
    assert bias is not None
    assert timer.generator_lag_s.samples == pytest.approx(timer.rate_rps * SMALL.timer_s, abs=1)
    assert bias.response_time_s.samples == bias.generator_lag_s.samples > 0
    for figures in (timer.generator_lag_s, bias.response_time_s, bias.generator_lag_s):
        assert figures.p50 is not None and figures.max is not None
        assert 0 < figures.p50 <= figures.max
        assert figures.p99 is None


def test_noise_is_of_the_first_server(calibrated: Calibrated) -> None:
    """Slices and A/A blocks are those of the plan's first cell, as many as were asked for."""
    noise, floor = calibrated.found.slice_noise, calibrated.found.aa_floor
    assert noise is not None and floor is not None
    assert (noise.server, noise.slices, noise.slice_s) == ("tiny/default", 5, 0.02)
    assert noise.coefficient_of_variation > 0
    assert (floor.server, floor.blocks, floor.duration_s) == ("tiny/default", 3, 0.1)
    assert floor.half_width is not None and floor.half_width > 0
    # Identical servers: whatever the machine does, no factor of two between them.
    assert abs(floor.mean) < 0.7


def test_lengths_compare_the_first_two_servers(calibrated: Calibrated) -> None:
    """Each length has a ratio, below 1 for the slow server; each server has what slices lose."""
    found = calibrated.found.slice_lengths
    assert found is not None
    assert (found.server, found.reference) == ("tiny/slow", "tiny/default")
    assert found.neighbours == ("single/default",)
    assert (found.segments, found.connections) == (3, 64)
    assert [effect.slice_s for effect in found.lengths] == list(SLICES_BY_LENGTH_S)
    for effect in found.lengths:
        assert effect.ratio_lower is not None and effect.ratio_upper is not None
        assert effect.ratio_lower <= effect.ratio <= effect.ratio_upper
        assert effect.ratio < 0.5
    assert [loss.server for loss in found.losses] == [found.server, found.reference]
    assert all(loss.lower_s is not None for loss in found.losses)
    assert found.shortest_slice_s in SLICES_BY_LENGTH_S
    assert calibrated.found.shortest_slice_s == found.shortest_slice_s


def test_it_tells_where_it_stands(calibrated: Calibrated) -> None:
    """Every stage is named, and the load that is done grows to what was planned."""
    steps = calibrated.steps
    stages = " / ".join(dict.fromkeys(step.stage for step in steps))
    for word in ("null server", "ceiling", "timer", "latency", "noise", "ratios", "block 3 of 3"):
        assert word in stages
    loaded_s = [step.loaded_s for step in steps]
    assert loaded_s == sorted(loaded_s)
    assert {step.planned_s for step in steps} == {SMALL.load_s}
    # Slices are fitted to a block, so that its load is the plan's whatever their length.
    assert loaded_s[-1] == pytest.approx(SMALL.load_s)


def test_without_servers_the_null_server_serves() -> None:
    """Where no server can be measured noise is that of the null server, and that is noted."""
    plan = plan_of("tiny")
    lost = tuple(msgspec.structs.replace(cell, skip_reason="gone") for cell in plan.cells)
    extent = msgspec.structs.replace(SMALL, ceiling_connections=(1,), bias_s=0, aa_blocks=1)
    found = calibrate(
        msgspec.structs.replace(plan, cells=lost), describe_machine(), extent, lambda step: None
    )
    assert found.slice_noise is not None and found.aa_floor is not None
    assert found.slice_noise.server == found.aa_floor.server == "null-server/default"
    assert found.slice_lengths is None and found.shortest_slice_s is None
    assert found.latency_bias is None
    assert found.aa_floor.half_width is None
    assert found.notes[0] == "tiny can't be measured here: gone"
    assert "needs two real servers" in found.notes[-1]


def test_a_server_that_fails_costs_its_stages_alone() -> None:
    """What a broken server was to tell is missing, with the reason; the generator's stays."""
    extent = msgspec.structs.replace(SMALL, ceiling_connections=(1,), bias_s=0)
    plan = plan_of("exits", runners=FAULTY_SERVERS)
    found = calibrate(plan, describe_machine(), extent, lambda step: None)
    assert found.ceiling and found.timer_error.generator_lag_s.samples
    assert (found.slice_noise, found.slice_lengths, found.aa_floor) == (None, None, None)
    (note,) = found.notes
    assert note.startswith("the noise of servers was not fully measured: exits/")


class Calls(NamedTuple):
    """What `calibration_for` did: the extents it had measured, and what it announced."""

    extents: list[Extent]
    announced: list[str]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """Measuring is replaced by a calibration that was made before."""
    calls = Calls([], [])

    def pretend(plan: Plan, machine: Machine, extent: Extent, tell: object) -> Calibration:
        assert plan.cells == ()
        calls.extents.append(extent)
        quick = quick_calibration(machine.fingerprint)
        return msgspec.structs.replace(quick, tool_version=__version__)

    monkeypatch.setattr(calibrating, "calibrate", pretend)
    return calls


def for_run(folder: Path, calls: Calls) -> Calibration:
    """What a run of two servers would go by."""
    return calibration_for(folder, plan_of("tiny"), describe_machine(), calls.announced.append)


def test_a_run_without_a_calibration_makes_a_quick_one(tmp_path: Path, calls: Calls) -> None:
    """It is announced, stored, and serves the next run."""
    first = for_run(tmp_path, calls)
    assert first.kind == "quick"
    assert calls.extents == [QUICK]
    assert "asgi-bench calibrate" in calls.announced[0]
    assert stored_calibration(tmp_path, describe_machine().fingerprint) == first
    assert for_run(tmp_path, calls) == first
    assert len(calls.extents) == len(calls.announced) == 1


def test_a_run_goes_by_the_stored_one(tmp_path: Path, calls: Calls) -> None:
    """A full calibration of this machine by this version is used as it is."""
    stored = msgspec.structs.replace(
        full_calibration(describe_machine().fingerprint), tool_version=__version__
    )
    write_calibration(tmp_path, stored)
    assert for_run(tmp_path, calls) == stored
    assert calls == ([], [])


@pytest.mark.parametrize(("fingerprint", "version"), [("another", __version__), (None, "0.0.1")])
def test_what_was_measured_elsewhere_does_not_count(
    tmp_path: Path, calls: Calls, fingerprint: str | None, version: str
) -> None:
    """Another machine's, or another generator's, is not taken for this one's."""
    mine = describe_machine().fingerprint
    other = msgspec.structs.replace(full_calibration(fingerprint or mine), tool_version=version)
    write_calibration(tmp_path, other)
    assert for_run(tmp_path, calls) != other
    assert calls.extents == [QUICK]


def test_what_can_not_be_read_is_left(tmp_path: Path, calls: Calls) -> None:
    """A file of a later version is warned of and kept; the run measures for itself."""
    path = calibration_path(tmp_path, describe_machine().fingerprint)
    path.parent.mkdir()
    content = b'{"schema": "asgi-bench/calibration", "schema_version": 99}'
    path.write_bytes(content)
    assert for_run(tmp_path, calls).kind == "quick"
    assert path.read_bytes() == content
    assert calls.announced[0].startswith(f"warning: {path}: schema_version is 99")
