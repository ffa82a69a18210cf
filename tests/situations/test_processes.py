"""Servers whose requests are answered by processes of every kind, at a known cost."""

import math
from pathlib import Path
from typing import NamedTuple

import pytest

from asgi_bench.analysis.report import CellReport
from asgi_bench.analysis.summary import summarize
from asgi_bench.model import Trial
from tests.command_line import SERVERS, Finished, in_process, told
from tests.situation import Said, situation

pytestmark = pytest.mark.slow

COSTLY = ("run", "--runners", str(SERVERS / "costly"), "-s", "costly", "-w", "1", "--rounds", "1")
# From this request on all processes have begun that will serve all along.
SETTLED = 12
# What a child used is told once it has ended, user and system time each cut to 10 ms: the
# difference of two readings has a standard error of 10 ms / sqrt(6) in each. So a trial of 12
# slices and 0.8 s of CPU time is known to 2.5 %.
CUT_S = 0.01 / math.sqrt(3)
# By how many standard errors a figure may be off.
ERRORS = 4.0


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """One run of all kinds."""
    return in_process(
        *COSTLY, "--duration", "800ms", "-c", "4", folder=tmp_path_factory.mktemp("c")
    )


class Measured(NamedTuple):
    """A cell with its trial, what a request really cost, and all that was said."""

    cell: CellReport
    trial: Trial
    truth_s: float
    text: str

    def finding(self, code: str) -> str:
        """What a finding of that code says; the printed report has it for several cells at once."""
        (text,) = [one.text for one in self.trial.validity_reasons if one.code == code]
        return text

    def hold_to_truth(self) -> None:
        """CPU time per request is right to 5 %, beside what is cut off each reading."""
        value = self.cell.server_cpu_s_per_request.value
        assert value is not None
        # One more reading is the server's own.
        readings = len(self.trial.slices) + 1 if self.is_told_late else 0
        cut_s = ERRORS * CUT_S * math.sqrt(readings)
        off_s, allowed_s = abs(value - self.truth_s), 0.05 * self.truth_s
        allowed_s += cut_s / self.trial.requests
        told = f"{value * 1e3:.3f} ms a request measured, {self.truth_s * 1e3:.3f} ms true"
        assert off_s < allowed_s, f"{told}, {allowed_s * 1e3:.3f} ms allowed"

    @property
    def is_told_late(self) -> bool:
        """Whether what is used is told by who waited for a process that has ended."""
        return self.cell.variant not in ("default", "pool", "daemon")


def measured(finished: Finished, variant: str) -> Measured:
    """What came of one kind."""
    assert finished.code == 0, finished.stderr
    (cell,) = [one for one in summarize(finished.run).cells if one.variant == variant]
    (trial,) = finished.trials(f"costly/{variant}")
    return Measured(cell, trial, cost_s(finished.run_folder, trial), finished.stdout)


def cost_s(folder: Path, trial: Trial) -> float:
    """CPU time per request by the server's own accounts, once it has settled."""
    accounts: dict[int, float] = {}
    answered, settled_s = 0, 0.0
    for line in told(folder, trial):
        accounts[line["pid"]] = line["cpu_s"]
        answered += line["answered"]
        if answered == SETTLED and line["answered"]:
            settled_s = sum(accounts.values())
    return (sum(accounts.values()) - settled_s) / (answered - SETTLED)


@pytest.mark.parametrize("variant", ["default", "child"])
def test_the_cost_of_a_request_is_true(finished: Finished, variant: str) -> None:
    """Whether the server spends it or a child that it forks for the request."""
    found = measured(finished, variant)
    found.hold_to_truth()
    assert found.truth_s > 0.005


@situation(
    "processes",
    "Each request starts a program and waits for it (`asyncio.create_subprocess_exec`)",
    says="including processes that came or went",
)
def test_a_program_per_request_counts(finished: Finished, said: Said) -> None:
    """What came and went between two readings is in the CPU time, and the server is no idler."""
    found = measured(finished, "script")
    found.hold_to_truth()
    assert "nagle" not in {reason.code for reason in found.trial.validity_reasons}
    assert found.trial.late_cpu_s > 0.8 * found.trial.server_cpu_s
    idle, peak = found.trial.server_pss_idle_bytes, found.trial.server_pss_peak_bytes
    assert idle is not None and peak is not None and peak > idle + 2**20
    said(found.text)


@situation(
    "processes",
    "A pool of processes starts under load (`ProcessPoolExecutor`)",
    says="including processes that came or went",
)
def test_a_pool_born_under_load_counts(finished: Finished, said: Said) -> None:
    """Nobody knew of the pool when it was ready."""
    found = measured(finished, "pool")
    found.hold_to_truth()
    assert len(found.trial.cpu_s_by_process) == 3
    said(found.text)


@situation(
    "processes",
    "The app starts a daemon under load, which leaves the server's group and session",
    says="including processes that came or went",
)
def test_a_daemon_that_left_the_tree_counts(finished: Finished, said: Said) -> None:
    """It has no parent of the server's, but its mark."""
    found = measured(finished, "daemon")
    found.hold_to_truth()
    assert len(found.trial.cpu_s_by_process) == 2
    said(found.text)


@situation(
    "processes",
    "The only worker is recycled after so many requests (`--max-requests`)",
    says="1 worker was replaced under load, perhaps after a maximum number of requests: the "
    "figures include starting the new ones",
)
def test_a_recycled_worker_is_no_dead_one(finished: Finished, said: Said) -> None:
    """What old and new ones used adds up, and nothing is found lost."""
    found = measured(finished, "recycled")
    found.hold_to_truth()
    assert (found.trial.workers_lost, found.trial.workers_replaced) == (0, 1)
    assert found.cell.validity != "invalid"
    said(found.finding("workers-replaced"))


@situation(
    "processes",
    "Several workers are recycled while others serve",
    says="2 workers were replaced under load",
)
def test_recycled_workers_are_counted(finished: Finished, said: Said) -> None:
    """A server of two says how many of them others took the place of."""
    found = measured(finished, "twice")
    found.hold_to_truth()
    assert (found.trial.workers_lost, found.trial.workers_replaced) == (0, 2)
    said(found.finding("workers-replaced"))


@situation(
    "processes",
    "The app starts processes and ignores SIGCHLD, so that nobody waits for them",
    says="the server's CPU time is not known: processes it started have ended, and none of its own "
    "waited for them (it ignores SIGCHLD, or they were detached)",
)
def test_cpu_time_that_nobody_inherits_is_not_made_up(finished: Finished, said: Said) -> None:
    """The kernel forgets it: no figure is better than a tenth of it."""
    found = measured(finished, "unwaited")
    assert found.trial.has_untold_cpu
    assert found.cell.server_cpu_s_per_request.value is None
    assert found.cell.validity == "suspect"
    said(found.text)
