"""What `run` prints, stores and exits with; its flags: test_run_flags."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asgi_bench.analysis.summary import summarize
from asgi_bench.cli import run as module
from asgi_bench.cli.run import exit_code
from asgi_bench.errors import ExitCode
from tests.command_line import FAULTY_SERVERS, SERVERS, TINY, Finished, command, in_process
from tests.situation import Said, situation
from tests.synthetic_run import synthetic_run, troubled_run


@pytest.mark.parametrize("strict", [False, True])
def test_a_failed_cell_fails_the_run(strict: bool) -> None:
    """Exit code 1, which counts for more than invalid cells do."""
    assert exit_code(summarize(troubled_run()), strict=strict) is ExitCode.FAILED


@pytest.mark.parametrize(("strict", "code"), [(False, ExitCode.OK), (True, ExitCode.INVALID)])
def test_an_invalid_cell_fails_a_strict_run_alone(strict: bool, code: ExitCode) -> None:
    """Exit code 5 with --strict; else every cell was measured, and that is 0."""
    stored = troubled_run()
    report = summarize(stored)
    # The same without its failed cell; skipped ones stay.
    cells = tuple(cell for cell in report.cells if cell.outcome != "failed")
    without = type(report)(run=report.run, cells=cells, comparisons=report.comparisons)
    assert any(cell.validity == "invalid" for cell in cells)
    assert exit_code(without, strict=strict) is code


def test_a_run_without_findings_passes_strictly() -> None:
    """Exit code 0."""
    assert exit_code(summarize(synthetic_run()), strict=True) is ExitCode.OK


@pytest.fixture(scope="module")
def skipped(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A run of which nothing can be measured."""
    return in_process(
        "run", "--runners", str(FAULTY_SERVERS), "-s", "absent", "-w", "1", "--rounds", "2",
        folder=tmp_path_factory.mktemp("skipped"),
    )  # fmt: skip


@situation(
    "alone",
    "None of the chosen servers is installed with all it needs",
    says="nothing can be measured: none of the chosen servers has everything it needs; … -m pip "
    "install 'no-such-package>=1'",
)
def test_where_all_is_skipped_one_line_says_what_helps(said: Said, skipped: Finished) -> None:
    """Exit code 1, and neither a folder nor charts of nothing."""
    said(skipped.stderr)
    assert skipped.code == 1
    assert (skipped.stdout, list(skipped.folder.glob("results/*/run.json"))) == ("", [])
    assert len(skipped.stderr.splitlines()) == 1


@situation(
    "alone",
    "You ask for more workers than any of the chosen servers takes",
    says="nothing can be measured: single/default/w2/hello: takes no worker count",
)
def test_where_nothing_can_do_it_each_reason_is_told(said: Said, tmp_path: Path) -> None:
    """Nothing is installed that would help."""
    finished = in_process(
        *("run", "--runners", str(SERVERS), "-s", "single", "-w", "2"), folder=tmp_path
    )
    said(finished.stderr)
    assert (finished.code, finished.stdout) == (1, "")


def test_a_fault_of_usage_makes_no_folder(tmp_path: Path) -> None:
    """Exit code 2 and one line, before anything is started or stored."""
    finished = in_process("run", *TINY, "--duration", "1", folder=tmp_path)
    assert finished.code == 2
    assert finished.stderr.startswith("asgi-bench: --duration: '1' needs a number and a unit")
    assert finished.stdout == ""
    assert not list(tmp_path.rglob("run.json"))


def test_a_folder_that_cant_be_made_is_one_clear_line(tmp_path: Path) -> None:
    """The run ends before it measures, and names the folder."""
    (tmp_path / "taken").write_text("a file")
    # By another client, for which the generator isn't calibrated first.
    finished = in_process("run", *TINY, "--client", "http", "-o", "taken", folder=tmp_path)
    assert finished.code == 1
    line = finished.stderr.splitlines()[-1]
    assert line.startswith("asgi-bench: taken/")
    assert line.endswith(": the run can't be stored: File exists")
    assert finished.stdout == ""


def _made(folder: Path) -> Callable[..., None]:
    """A `carry_out` that has made that folder and measured nothing."""

    def carry_out(*args: object, folder_made: Callable[[Path], None], **more: object) -> None:
        folder.mkdir(parents=True)
        folder_made(folder)

    return carry_out


def test_a_signal_while_the_charts_are_drawn_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was measured is stored already, and its folder is still named last."""

    def end(folder: Path) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(module, "carry_out", _made(tmp_path / "results" / "run"))
    monkeypatch.setattr(module, "warn_of_load", lambda: None)
    monkeypatch.setattr(module, "show", end)
    finished = in_process("run", *TINY, folder=tmp_path)
    assert finished.code == 143
    assert finished.stderr == "asgi-bench: interrupted by SIGTERM\n"
    assert finished.run_folder == tmp_path / "results" / "run"


def _reads_none(what: str) -> Any:
    return situation(
        "traces",
        f"You have {what}: our own load reads none of them",
        says="hello · closed loop, 4 connections · 1 round",
    )


@pytest.mark.parametrize(
    "variables",
    [
        pytest.param(
            {"LOCUST_RUN_TIME": "1s", "LOCUST_TAGS": "nothing"},
            marks=_reads_none("settings for Locust in ~/.locust.conf, locust.conf or variables"),
        ),
        pytest.param(
            {"GEVENT_LOOP": "nonsense", "PYTHONMALLOC": "debug"},
            marks=[
                _reads_none("variables that set gevent up, or Python's debugging"),
                pytest.mark.slow,
            ],
        ),
    ],
)
def test_settings_for_locust_are_not_for_us(
    variables: dict[str, str], said: Said, tmp_path: Path
) -> None:
    """Nobody's locust.conf, in the folder or at home, and no variable changes a run."""
    settings = "run-time = 1s\nusers = 5\ntags = nothing\n"
    home = tmp_path / "home"
    home.mkdir()
    for path in (tmp_path / "locust.conf", home / ".locust.conf"):
        path.write_text(settings)
    # Else matplotlib looks for fonts anew.
    caches = os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))
    finished = command(
        *("run", *TINY, "--rounds", "1", "--duration", "1500ms", "-c", "4"),
        folder=tmp_path,
        env={"HOME": str(home), "XDG_CACHE_HOME": caches, **variables},
    )
    assert finished.code == 0, finished.stderr
    said(finished.stdout)
    (trial,) = finished.run.trials
    assert trial.outcome == "ok"
    assert trial.duration_s > 1.0


@pytest.mark.slow
def test_http_versions_are_measured_side_by_side(tmp_path: Path) -> None:
    """Cells over HTTP/2, by prior knowledge and by ALPN, are as sound as over HTTP/1.1."""
    finished = command(
        *("run", "-s", "hypercorn", "--variant", "default", "-w", "1", "-c", "2"),
        *("--http", "1,2", "--transport", "tcp,tls", "--streams", "4"),
        *("--rounds", "1", "--duration", "200ms"),
        folder=tmp_path,
    )
    assert finished.code == 0, finished.stderr
    trials = {trial.cell.split("/", 3)[3]: trial for trial in finished.trials("hypercorn")}
    assert set(trials) == {"hello/c2", "hello+tls/c2", "hello+h2/c2x4", "hello+h2+tls/c2x4"}
    for name, trial in trials.items():
        assert (trial.outcome, trial.errors.total, trial.strangers) == ("ok", 0, 0)
        assert trial.requests > 0
        assert sum(trial.connections_by_process.values()) == 2
        assert trial.streams == (4 if "+h2" in name else None)
        assert ("SETTINGS" in trial.control_frames) == ("+h2" in name)


@pytest.mark.slow
def test_transports_are_measured_side_by_side(tmp_path: Path) -> None:
    """Cells over TLS and over a Unix socket are as sound as over TCP, and told by their keys."""
    finished = command(
        *("run", "-s", "uvicorn", "--variant", "default", "-w", "1", "-c", "4"),
        *("--transport", "tcp,tls,unix", "--rounds", "1", "--duration", "200ms"),
        folder=tmp_path,
    )
    assert finished.code == 0, finished.stderr
    trials = {trial.cell.split("/")[3]: trial for trial in finished.trials("uvicorn")}
    assert set(trials) == {"hello", "hello+tls", "hello+unix"}
    for trial in trials.values():
        assert (trial.outcome, trial.errors.total, trial.strangers) == ("ok", 0, 0)
        assert trial.requests > 0
        assert sum(trial.connections_by_process.values()) == 4
