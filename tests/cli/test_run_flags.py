"""Each flag of `run` is seen in what a run did, not only in what it was asked for.

`--client` in test_run_clients; what measures nothing in test_dry_run.
"""

import os
import threading
from pathlib import Path

import pytest

from asgi_bench.machine.lock import measuring_lock
from asgi_bench.model import ClosedLoop
from tests.command_line import FAULTY_SERVERS, SERVERS, Finished, in_process, told

pytestmark = pytest.mark.slow

TWO_CPUS = pytest.mark.skipif(
    len(os.sched_getaffinity(0)) < 2, reason="one CPU can't be split between the sides"
)
RUNNERS = ("--runners", str(SERVERS))


@pytest.fixture(scope="module")
def flagged(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A run in which most flags differ from their defaults."""
    apart = ("--server-cpus", "1", "--load-cpus", "0") if os.cpu_count() == 2 else ()
    return in_process(
        *("run", *RUNNERS, "-s", "tin*", "--variant", "slow", "-w", "2", "--scenario", "hell?"),
        *("-c", "4,6", "--rounds", "2", "--duration", "100ms", "--seed", "7"),
        *("--label", "the word", "-o", "elsewhere/runs", "--server-args", "--extra 'two words'"),
        *("--env", "TINY_COLOUR=red", "--env", "TINY_SIZE=a=b", *apart),
        folder=tmp_path_factory.mktemp("flagged"),
    )


def test_filters_choose_the_cells(flagged: Finished) -> None:
    """-s, --variant, -w, --scenario and -c: their product was measured, and nothing else."""
    assert flagged.code == 0, flagged.stderr
    cells = [planned.cell for planned in flagged.run.header.plan.cells]
    assert [cell.key for cell in cells] == ["tiny/slow/w2/hello/c4", "tiny/slow/w2/hello/c6"]
    assert [cell.load for cell in cells] == [ClosedLoop(4), ClosedLoop(6)]
    assert {trial.cell for trial in flagged.run.trials} == {cell.key for cell in cells}


def test_workers_reach_the_server(flagged: Finished) -> None:
    """With -w 2 the server has a parent and two workers."""
    for trial in flagged.run.trials:
        assert len(trial.cpu_s_by_process) == 3
        assert len(trial.connections_by_process) <= 2


def test_each_count_of_connections_is_opened(flagged: Finished) -> None:
    """-c 4,6: cells of 4 and of 6 connections, both to one and the same server."""
    for trial in flagged.run.trials:
        assert sum(trial.connections_by_process.values()) == int(trial.cell.rpartition("c")[2])
    first, second = flagged.run.trials[:2]
    assert set(first.cpu_s_by_process) == set(second.cpu_s_by_process)


def test_what_cells_of_one_server_sent_adds_up_to_what_it_received(flagged: Finished) -> None:
    """Probes, ramps, warm-ups and slices of both cells: the server's own count, in each round."""
    for round in range(2):
        trials = [trial for trial in flagged.run.trials if trial.round == round]
        sent = sum(trial.sent_total for trial in trials)
        # One server, one log.
        assert len({trial.log for trial in trials}) == 1
        lines = told(flagged.run_folder, trials[0])
        assert sent == sum(line.get("received", 0) for line in lines) > 0
        assert all(trial.errors_total.total == 0 for trial in trials)


def test_rounds_are_as_many_as_asked(flagged: Finished) -> None:
    """--rounds 2: two rounds of fresh processes."""
    assert sorted(trial.round for trial in flagged.run.trials) == [0, 0, 1, 1]


def test_the_load_lasts_as_long_as_asked(flagged: Finished) -> None:
    """--duration 100ms: not the 2 s of the default."""
    durations_s = [trial.duration_s for trial in flagged.run.trials]
    # A machine that stands still lengthens one or the other.
    assert 0.02 < min(durations_s) < 1.0


def test_the_seed_is_the_one_given(flagged: Finished) -> None:
    """--seed 7: stored with the run and told in the report."""
    assert flagged.run.header.plan.seed == 7
    assert "seed 7" in flagged.stdout


def test_the_label_ends_the_name_of_the_run(flagged: Finished) -> None:
    """--label: what a file name can't hold is replaced there, and kept in the header."""
    assert flagged.run_folder.name.endswith("Z-the-word")
    assert flagged.run.header.label == "the word"


def test_the_output_folder_is_the_parent(flagged: Finished) -> None:
    """-o: the run lies in it, made where it wasn't there, and nothing elsewhere."""
    assert flagged.run_folder.parent == flagged.folder / "elsewhere" / "runs"
    assert len(list(flagged.folder.rglob("run.json"))) == 1


def test_server_arguments_and_variables_reach_the_server(flagged: Finished) -> None:
    """--server-args come last in argv, --env in its environment."""
    for trial in flagged.run.trials:
        (line,) = (line for line in told(flagged.run_folder, trial) if "started" in line)
        assert line["started"][-2:] == ["--extra", "two words"]
        assert line["env"]["TINY_COLOUR"] == "red"
        assert line["env"]["TINY_SIZE"] == "a=b"


@TWO_CPUS
def test_the_cpus_are_those_asked_for(flagged: Finished) -> None:
    """--server-cpus 1 --load-cpus 0: the default the other way round, read back."""
    if os.cpu_count() != 2:
        pytest.skip("which CPUs there are is known of two")
    for trial in flagged.run.trials:
        assert (trial.server_cpus, trial.load_cpus) == ((1,), (0,))


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A run of a server that stops answering under load, with a short time-out."""
    return in_process(
        *("run", "--runners", str(FAULTY_SERVERS), "-s", "silent", "-w", "1", "--rounds", "1"),
        *("--duration", "100ms", "-c", "3", "--timeout", "200ms", "--strict"),
        folder=tmp_path_factory.mktemp("strict"),
    )


def test_a_request_waits_no_longer_than_the_timeout(strict: Finished) -> None:
    """--timeout 200ms: requests are given up, and the cell takes a fraction of 3 x 5 s."""
    (trial,) = strict.run.trials
    assert trial.errors.timeout >= 3
    assert trial.requests == 0
    assert trial.server_life_s is not None
    assert trial.server_life_s[1] - trial.server_life_s[0] < 10


def test_strict_exits_with_5_on_an_invalid_cell(strict: Finished) -> None:
    """--strict: a measurement that can't be believed is a failure, and still printed."""
    assert strict.code == 5
    (trial,) = strict.run.trials
    assert (trial.outcome, trial.validity) == ("ok", "invalid")


@pytest.fixture(scope="module")
def fail_fast(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A run of three rounds with a server that never comes up."""
    return in_process(
        *("run", *RUNNERS, "--runners", str(FAULTY_SERVERS), "-s", "hangs", "-s", "single"),
        *("-w", "1", "--rounds", "3", "--duration", "50ms", "-c", "2"),
        *("--startup-timeout", "700ms", "--fail-fast"),
        folder=tmp_path_factory.mktemp("fail-fast"),
    )


def test_a_server_that_is_not_up_in_time_has_failed(fail_fast: Finished) -> None:
    """--startup-timeout 700ms: not the 30 s of the default."""
    (trial,) = fail_fast.trials("hangs")
    assert trial.outcome == "failed"
    assert trial.reason is not None
    assert trial.reason.startswith("not ready within 0.7 s: nothing listens on port ")


def test_the_first_failed_trial_ends_the_run(fail_fast: Finished) -> None:
    """--fail-fast: the block is finished and stored, the other rounds are not begun."""
    assert fail_fast.code == 1
    assert {trial.round for trial in fail_fast.run.trials} == {0}
    (other,) = fail_fast.trials("single")
    assert other.outcome == "ok"


def test_wait_outlasts_another_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --wait a run says that the machine is taken, and begins once it is free."""
    held, was_said = threading.Event(), threading.Event()

    def hold() -> None:
        with measuring_lock(900.0):
            held.set()
            was_said.wait(60.0)

    def say(text: str) -> None:
        if "waiting up to 900 s" in text:
            was_said.set()

    monkeypatch.setattr("asgi_bench.cli.run.say", say)

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(900.0)
    run = in_process(
        *("run", *RUNNERS, "-s", "tiny", "--variant", "default", "-w", "1"),
        *("--rounds", "1", "--duration", "50ms", "--wait", "15m"),
        folder=tmp_path,
    )
    holder.join()
    assert run.code == 0, run.stderr
    assert was_said.is_set()
