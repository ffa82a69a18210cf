"""`asgi-bench calibrate` as its users have it."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from asgi_bench.cli import calibrate
from asgi_bench.cli.calibrate import CalibrationProgress
from asgi_bench.machine.affinity import allowed_cpus
from asgi_bench.measurement.calibration.calibrate import Extent
from asgi_bench.measurement.calibration.calibration_context import CalibrationStep
from asgi_bench.store.calibrations import read_calibration
from tests.command_line import command, in_process

pytestmark = pytest.mark.slow


def test_quick_measures_stores_and_says_where(tmp_path: Path) -> None:
    """A few seconds give ceiling and timer, in words, with the file as the last line of stdout."""
    done = in_process("calibrate", "--quick", "-o", "kept", "--seed", "7", folder=tmp_path)
    assert done.code == 0, done.stderr
    path = tmp_path / done.stdout.splitlines()[-1]
    assert path.parent == tmp_path / "kept" / "calibration"
    stored = read_calibration(path)
    assert (stored.kind, stored.seed) == ("quick", 7)
    assert [point.connections for point in stored.ceiling] == [1, 64]
    assert stored.timer_error.generator_lag_s.p99 is not None
    assert (stored.aa_floor, stored.slice_noise, stored.slice_lengths) == (None, None, None)
    assert "Ceiling of the load generator" in done.stdout
    assert "calibrating, 0% done: starting the null server" in done.stderr
    assert "the generator's timer" in done.stderr


def test_json_is_what_was_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--json` gives the file's content alone on stdout, on the CPUs asked for."""
    small = Extent("quick", ceiling_connections=(2,), ceiling_slices=2, timer_s=0.1)
    monkeypatch.setattr(calibrate, "QUICK", small)
    cpu = str(allowed_cpus()[-1])
    cpus = ("--server-cpus", cpu) if len(allowed_cpus()) > 1 else ()
    done = in_process("calibrate", "--quick", "--json", *cpus, folder=tmp_path)
    assert done.code == 0, done.stderr
    (path,) = (tmp_path / "results/calibration").iterdir()
    assert json.loads(done.stdout) == json.loads(path.read_bytes())
    assert done.stderr.splitlines()[-1] == f"results/calibration/{path.name}"
    if cpus:
        assert json.loads(done.stdout)["server_cpus"] == [int(cpu)]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--budget", "20s"), "--budget: a full calibration takes at least 58s"),
        (("--budget", "20"), "--budget: '20' needs a number and a unit"),
        (("--quick", "--budget", "2m"), "--quick, --budget: use only one"),
        (("--server-cpus", "4096"), "--server-cpus '4096': this process may use CPU"),
        (("--server-cpus", "x"), "--server-cpus"),
        (("--load-cpus", "x"), "--load-cpus"),
        (("--rounds", "3"), "No such option"),
    ],
)
def test_a_wrong_use_exits_with_2(tmp_path: Path, args: tuple[str, ...], words: str) -> None:
    """A mistake is told before anything is measured or stored."""
    done = in_process("calibrate", *args, folder=tmp_path)
    assert done.code == 2
    assert words in done.stderr
    assert (done.stdout, list(tmp_path.iterdir())) == ("", [])


@pytest.mark.slow
def test_full_calibration_of_real_servers(tmp_path: Path) -> None:
    """Within the least time it takes everything is measured, on uvicorn and granian."""
    done = command("calibrate", "--budget", "58s", folder=tmp_path)
    assert done.code == 0, done.stderr
    stored = read_calibration(tmp_path / done.stdout.splitlines()[-1])
    assert [point.connections for point in stored.ceiling] == [1, 8, 64, 256, 1024]
    assert stored.slice_noise is not None and stored.latency_bias is not None
    assert stored.aa_floor is not None and stored.aa_floor.half_width is not None
    assert stored.slice_lengths is not None
    assert stored.slice_lengths.server == "granian/default"
    assert set(stored.slice_lengths.neighbours) == {
        f"{name}/default" for name in ("daphne", "gunicorn-asgi", "gunicorn-uvicorn", "hypercorn")
    }
    assert stored.aa_floor.server == stored.slice_lengths.reference == "uvicorn/default"


def shown(*steps: CalibrationStep, is_terminal: bool) -> str:
    """What the progress draws of these steps."""
    file = io.StringIO()
    console = Console(file=file, force_terminal=is_terminal, width=100, no_color=True)
    with CalibrationProgress(console) as progress:
        for step in steps:
            progress.observe(step)
    return file.getvalue()


STEPS = (
    CalibrationStep("one", 0, 4),
    CalibrationStep("one", 1, 4),
    CalibrationStep("two", 2, 4),
    CalibrationStep("two", 9, 4),
)


def test_progress_is_a_line_a_stage_and_a_tenth_without_a_terminal() -> None:
    """A log gets each stage as it begins, and within a long one each tenth of the whole."""
    steps = (*STEPS[:2], CalibrationStep("one", 1.01, 4), *STEPS[2:])
    assert shown(*steps, is_terminal=False).splitlines() == [
        "calibrating, 0% done: one",
        "calibrating, 25% done: one",
        "calibrating, 50% done: two",
        "calibrating, 100% done: two",
    ]


def test_progress_is_redrawn_on_a_terminal() -> None:
    """A terminal gets a line that is drawn over, and that is gone at the end."""
    drawn = shown(*STEPS, is_terminal=True)
    assert "0 % one" in drawn and "50 % two" in drawn
    assert drawn.rstrip().endswith("\x1b[2K")
