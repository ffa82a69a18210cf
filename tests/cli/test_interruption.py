"""Runs that are stopped from outside: nothing of them stays up, and what was measured stays."""

import json
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from asgi_bench.machine.sockets import listening_inodes
from asgi_bench.machine.tcp_sockets import ESTABLISHED, tcp_rows
from asgi_bench.model import Endpoint
from tests.command_line import COMMAND, REFUSED, TINY, Background, background, in_process

pytestmark = pytest.mark.slow

CONNECTIONS = 4
# Longer than any test here waits; forked workers, and a second server beside them.
LONG = (*TINY, "-s", "single", "-w", "2,1", "-c", "4", "--rounds", "100", "--duration", "300ms")


def stored(run: Background) -> list[str]:
    """The trials stored so far."""
    return [
        line
        for file in run.folder.glob("results/*/trials.jsonl")
        for line in file.read_text().splitlines()
    ]


def ports(run: Background) -> set[int]:
    """Every port that a server of the run was started on."""
    return {
        json.loads(line)["port"]
        for file in run.folder.glob("results/*/logs/**/*.log")
        for line in file.read_text().splitlines()
        if line.startswith("{") and '"port"' in line
    }


def is_loaded(run: Background) -> bool:
    """Whether all connections to two servers of the run are open."""
    used = ports(run)
    held = Counter(
        row.local_port for row in tcp_rows((ESTABLISHED,)) if row.local_port in used and row.inode
    )
    return sum(count >= CONNECTIONS for count in held.values()) >= 2


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_in_mid_run_ends_it_in_order(
    number: signal.Signals, code: int, tmp_path: Path
) -> None:
    """No process and no listener is left, stored trials are readable, the folder comes last."""
    with background(*LONG, folder=tmp_path) as run:
        run.until(lambda: stored(run))
        run.until(lambda: is_loaded(run))
        run.process.send_signal(number)
        # Whoever presses Ctrl-C does it twice.
        run.process.send_signal(number)
        finished = run.finish(30)
        assert run.pids == ()
        used = ports(run)
    assert finished.code == code
    assert finished.stderr.splitlines()[-1] == f"asgi-bench: interrupted by {number.name}"
    assert "Traceback" not in finished.stderr
    assert not any(listening_inodes(Endpoint.local(port)) for port in used)
    assert finished.run_folder.parent == tmp_path / "results"
    trials = finished.run.trials
    assert len(trials) == len(stored(run)) > 0
    assert not finished.run.damage
    assert all(trial.outcome == "ok" for trial in trials)
    report = in_process("report", str(finished.run_folder), folder=tmp_path)
    assert report.code == 0
    assert " tiny " in report.stdout


def test_a_signal_before_the_first_load_ends_it_too(tmp_path: Path) -> None:
    """While servers and load process start: both end, and the empty run is named."""
    with background(*LONG, folder=tmp_path) as run:
        run.process.terminate()
        finished = run.finish(30)
        assert run.pids == ()
    assert finished.code == 143
    assert finished.run.trials == ()
    report = in_process("report", str(finished.run_folder), folder=tmp_path)
    assert report.code == 0


@pytest.mark.parametrize("moment", ["starting", "loading"])
def test_a_killed_harness_takes_servers_and_load_along(moment: str, tmp_path: Path) -> None:
    """SIGKILL leaves no time for order: what it had started notices, and ends."""
    with background(*LONG, folder=tmp_path) as run:
        if moment == "loading":
            run.until(lambda: is_loaded(run))
        run.until(lambda: run.load_pids)
        run.process.kill()
        run.until_gone()
        assert not any(listening_inodes(Endpoint.local(port)) for port in ports(run))


@pytest.fixture(scope="module")
def bereft(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Background]:
    """A run whose load process was killed in its second round, and which has ended since.

    Before that, in its first round, a second run was tried: see `refused`.
    """
    folder = tmp_path_factory.mktemp("bereft")
    with background(
        *(*TINY, "-s", "single", "-c", "4", "--rounds", "3", "--duration", "1s"), folder=folder
    ) as run:
        (folder / "refused").write_text(_try_another(run.folder, run.process.pid))
        run.until(lambda: len(stored(run)) >= 2)
        run.until(lambda: is_loaded(run))
        (pid,) = run.load_pids
        os.kill(pid, signal.SIGKILL)
        run.finish()
        yield run


def _try_another(folder: Path, pid: int) -> str:
    """What a second run says while one measures."""
    done = subprocess.run(
        [COMMAND, "run", *TINY, "-o", "second"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    return done.stderr


def test_a_second_run_is_refused_in_one_line(bereft: Background) -> None:
    """It says who measures, since when, and stores nothing."""
    # A machine that is busy, with the first run, is told before.
    *warnings, line = (bereft.folder / "refused").read_text().splitlines()
    assert all(warning.startswith("warning: this machine is busy") for warning in warnings)
    assert line.startswith(f"asgi-bench: {REFUSED} (pid {bereft.process.pid}, since ")
    assert not (bereft.folder / "second").exists()


def test_a_killed_load_process_fails_its_block_and_is_replaced(bereft: Background) -> None:
    """All trials of that block have failed with the reason; later rounds are measured again."""
    finished = bereft.finish()
    assert finished.code == 0, finished.stderr
    trials = finished.run.trials
    failed = [trial for trial in trials if trial.outcome == "failed"]
    assert {trial.cell.partition("/")[0] for trial in failed} == {"tiny", "single"}
    (round,) = {trial.round for trial in failed}
    assert all(
        trial.reason == "the load process died by signal 9: it left no message" for trial in failed
    )
    assert len(trials) == 6
    assert all(trial.requests for trial in trials if trial.round != round)
    assert any(trial.round > round for trial in trials)
    assert (finished.run_folder / "logs" / "locust-1.log").is_file()
    assert (finished.run_folder / "locust-1_stats.csv").is_file()
