"""Findings that real runs come to: servers, neighbours and a machine that are as the rules say."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from asgi_bench.machine.affinity import split_cpus
from asgi_bench.model import Reason
from tests.command_line import SERVERS, TINY, Finished, in_process

pytestmark = pytest.mark.slow

PECULIAR = SERVERS / "peculiar"
ATTEMPTS = 3


def findings(finished: Finished, cell: str) -> dict[str, Reason]:
    """The findings on a cell's trials, by code."""
    assert finished.code == 0, finished.stderr
    return {
        reason.code: reason
        for trial in finished.run.trials
        if trial.cell.startswith(f"{cell}/")
        for reason in trial.validity_reasons
    }


@pytest.fixture(scope="module")
def peculiar(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A run of three servers of one peculiarity each, and one without, with 1 and 2 workers."""
    names = [part for name in ("nagle", "restless", "greedy", "tiny") for part in ("-s", name)]
    return in_process(
        *("run", "--runners", str(SERVERS), "--runners", str(PECULIAR), *names),
        *("--variant", "default", "-w", "1,2", "--rounds", "1", "--duration", "600ms", "-c", "8"),
        folder=tmp_path_factory.mktemp("peculiar"),
    )


def test_nagle_is_named(peculiar: Finished) -> None:
    """Two segments without TCP_NODELAY: a plateau of 40 ms, named for what it is."""
    assert findings(peculiar, "nagle/default/w1")["nagle"].level == "valid"
    assert "Nagle's algorithm" in " ".join(peculiar.stdout.split())
    assert "nagle" not in findings(peculiar, "tiny/default/w1")


def test_a_neighbour_that_does_not_idle_is_found(peculiar: Finished) -> None:
    """What one server burns while it should idle makes the others beside it suspect, not itself."""
    found = findings(peculiar, "tiny/default/w1")["busy-neighbour"]
    assert found.level == "suspect"
    assert found.value is not None and found.value > 0.05
    assert "busy-neighbour" not in findings(peculiar, "restless/default/w1")


def test_the_one_that_does_not_idle_is_named(peculiar: Finished) -> None:
    """The report tells which of a block's servers it is, by what each one's neighbours use."""
    told = " ".join(peculiar.stdout.split())
    assert "without a request of its own, while others were loaded" in told


def test_connections_that_fell_to_one_worker_are_found(peculiar: Finished) -> None:
    """A worker that is always the first to accept holds nearly all, and the report says so."""
    found = findings(peculiar, "greedy/default/w2")["uneven-connections"]
    assert found.value is not None and found.value > 1.5
    assert "one worker held" in " ".join(peculiar.stdout.split())


@contextmanager
def busy(cpus: tuple[int, ...]) -> Iterator[None]:
    """Two processes that never rest, on these CPUs."""
    burners = [
        subprocess.Popen([sys.executable, "-I", "-S", "-c", "while True: pass"]) for _ in range(2)
    ]
    try:
        for burner in burners:
            os.sched_setaffinity(burner.pid, cpus)
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="both sides would share one CPU")
def test_a_generator_that_others_disturb_is_found(tmp_path: Path) -> None:
    """Two busy processes on its CPU: it waits for it, and sends late what is due."""
    wanted, found = {"cpu-contention", "generator-lag"}, set[str]()
    for attempt in range(ATTEMPTS):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        with busy(split_cpus(None, None).load_cpus):
            finished = in_process(
                *("run", *TINY, "-r", "2000", "--closed", "-c", "8", "--rounds", "1"),
                *("--duration", "1s"),
                folder=folder,
            )
        found |= set(findings(finished, "tiny/default/w1"))
        if wanted <= found:
            break
    assert wanted <= found
