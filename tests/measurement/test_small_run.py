"""One small run of real servers by the real command, and everything that must hold of it."""

import csv
import json
import math
import shutil
from collections import defaultdict
from itertools import combinations, pairwise
from pathlib import Path
from statistics import fmean

import pytest

from asgi_bench.analysis.percentiles import merge_histograms
from asgi_bench.model import RESPONSE_TIME, Run, Trial
from tests.command_line import SERVERS, Finished, command

CONNECTIONS = 16
ROUNDS = 2
SERVER_NAMES = ["uvicorn", "granian", *(["nginx"] if shutil.which("nginx") else [])]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """The run: real servers with 1 and with 2 workers, two rounds."""
    folder = tmp_path_factory.mktemp("small-run")
    # nginx writes its files beside its runner file.
    runners = shutil.copytree(SERVERS / "nginx", folder / "runners")
    names = [argument for name in SERVER_NAMES for argument in ("-s", name)]
    return command(
        *("run", "--runners", str(runners), *names, "--variant", "default", "-w", "1,2"),
        *("--rounds", str(ROUNDS), "--duration", "300ms", "-c", str(CONNECTIONS)),
        *("--label", "small"),
        folder=folder,
    )


@pytest.fixture(scope="module")
def run(finished: Finished) -> Run:
    """The run as it was stored."""
    return finished.run


@pytest.fixture(scope="module")
def blocks(run: Run) -> dict[tuple[int, int], list[Trial]]:
    """The trials that were up together, by round and block."""
    together = defaultdict(list)
    for trial in run.trials:
        together[trial.round, trial.block].append(trial)
    return dict(together)


def test_it_ends_well_and_prints_its_folder_last(finished: Finished) -> None:
    """Exit code 0, the table, and the folder as the last line of stdout; progress on stderr."""
    assert finished.code == 0, finished.stderr
    assert finished.run_folder.parent == finished.folder / "results"
    assert finished.run_folder.name.endswith("Z-small")
    for name in SERVER_NAMES:
        assert f" {name} " in finished.stdout
    assert "round 2 of 2, block 2" in finished.stderr
    assert "round 2 of 2" not in finished.stdout


def test_every_cell_was_measured_in_every_round(run: Run) -> None:
    """Each cell has a trial a round, without a failure or a wrong answer."""
    assert not run.damage
    assert all(trial.outcome == "ok" for trial in run.trials), run.trials
    assert all(trial.errors.total == trial.errors_total.total == 0 for trial in run.trials)
    cells = {
        f"{name}/default/w{workers}/hello/c{CONNECTIONS}"
        for name in SERVER_NAMES
        for workers in (1, 2)
    }
    for round in range(ROUNDS):
        assert {trial.cell for trial in run.trials if trial.round == round} == cells


def test_the_servers_of_a_block_live_side_by_side(blocks: dict[object, list[Trial]]) -> None:
    """All are up before the first slice of any, and until after the last slice of any."""
    for trials in blocks.values():
        pieces = [piece for trial in trials for piece in trial.slices]
        begun_s = min(piece.start_s for piece in pieces)
        ended_s = max(piece.end_s for piece in pieces)
        for trial in trials:
            assert trial.server_life_s is not None
            started_s, stopped_s = trial.server_life_s
            assert started_s < begun_s < ended_s < stopped_s


def test_one_block_follows_another(blocks: dict[object, list[Trial]]) -> None:
    """No server of a block is up while another block is measured."""
    lives = sorted(
        (
            min(trial.server_life_s[0] for trial in trials if trial.server_life_s),
            max(trial.server_life_s[1] for trial in trials if trial.server_life_s),
        )
        for trials in blocks.values()
    )
    assert len(lives) == ROUNDS * 2
    assert all(ended_s <= started_s for (_, ended_s), (started_s, _) in pairwise(lives))


def test_slices_alternate_between_the_cells(blocks: dict[object, list[Trial]]) -> None:
    """One slice at a time, and of two cells each is visited before the other is done with."""
    pairs = 0
    for trials in blocks.values():
        assert all(trial.interleaved for trial in trials)
        pieces = sorted(
            (piece for trial in trials for piece in trial.slices), key=lambda piece: piece.start_s
        )
        assert all(earlier.end_s <= later.start_s for earlier, later in pairwise(pieces))
        # A cell that is so slow that all its time is one slice can't take turns.
        several = [trial for trial in trials if len(trial.slices) > 1]
        for one, other in combinations(several, 2):
            assert one.slices[0].start_s < other.slices[-1].start_s
            assert other.slices[0].start_s < one.slices[-1].start_s
            pairs += 1
    assert pairs >= len(blocks)


def test_processes_are_fresh_in_each_round(run: Run) -> None:
    """No process that served a cell is there again in its next round."""
    served: dict[tuple[str, int], list[set[str]]] = defaultdict(list)
    for trial in run.trials:
        served[trial.cell, trial.block].append(set(trial.cpu_s_by_process))
    for rounds in served.values():
        assert len(rounds) == ROUNDS
        assert all(rounds)
        assert not set.intersection(*rounds)


def test_each_connection_has_a_process_and_two_workers_share_them(run: Run) -> None:
    """All connections were open and held by the server's own processes, with 2 workers by both."""
    for trial in run.trials:
        assert sum(trial.connections_by_process.values()) == CONNECTIONS
        assert set(trial.connections_by_process) <= set(trial.cpu_s_by_process)
        assert trial.strangers == trial.workers_lost == 0
    for name in SERVER_NAMES:
        shared = [
            trial.connections_by_process
            for trial in run.trials
            if trial.cell.startswith(f"{name}/default/w2/")
        ]
        assert len(shared) == ROUNDS
        # Which worker accepts is chance: of 16 connections one has none in 1 of 32,768 cases.
        assert all(len(held) == 2 for held in shared)


def test_both_sides_ran_on_their_own_cpus(run: Run) -> None:
    """The CPUs read back from the processes are those of the split, and never the same."""
    plan = run.header.plan
    assert plan.server_cpus and plan.load_cpus
    for trial in run.trials:
        assert trial.server_cpus == plan.server_cpus
        assert trial.load_cpus == plan.load_cpus
    if run.header.machine.cpu_count > 1:
        assert not set(plan.server_cpus) & set(plan.load_cpus)


def test_a_trial_is_the_sum_of_its_slices(run: Run) -> None:
    """Requests and CPU time add up, to about the asked time under load."""
    for trial in run.trials:
        assert trial.requests == sum(piece.requests for piece in trial.slices) > 0
        assert trial.requests == sum(piece.sent for piece in trial.slices)
        assert trial.server_cpu_s == pytest.approx(sum(trial.cpu_s_by_process.values()), abs=1e-6)
        assert trial.server_cpu_s > 0
        assert trial.load_cpu_s > 0
        assert trial.duration_s > 0.3 * 0.5
        histogram = merge_histograms([trial.times_hdr.get(RESPONSE_TIME)])
        assert histogram is not None
        # All but each connection's first answer in a slice.
        firsts = CONNECTIONS * len(trial.slices)
        assert trial.requests - firsts <= histogram.total < trial.requests
        assert trial.server_pss_bytes is not None
        assert 2**20 < trial.server_pss_bytes < 2**30
        assert trial.response_bytes is not None
        assert trial.response_bytes > len("Hello, world!")


def test_what_a_server_costs_is_read_in_every_trial(run: Run) -> None:
    """Ticks agree with the exact clock, memory grows under load, and switches are counted."""
    for trial in run.trials:
        user_s, system_s = trial.server_user_s, trial.server_system_s
        assert user_s is not None and system_s is not None
        # Each reading of a process may be cut by a tick of each kind, and some idle in between.
        assert trial.server_cpu_s * 0.7 - 0.1 < user_s + system_s < trial.server_cpu_s * 1.3 + 0.1
        idle, loaded = trial.server_pss_idle_bytes, trial.server_pss_bytes
        peak = trial.server_pss_peak_bytes
        assert idle is not None and loaded is not None and peak is not None
        assert 2**20 < idle <= peak and loaded <= peak
        assert trial.voluntary_switches is not None and trial.voluntary_switches > 0
        assert trial.involuntary_switches is not None and trial.involuntary_switches >= 0
        assert trial.stop_s is not None and 0 < trial.stop_s < 5 and not trial.stop_forced


def test_locusts_own_table_agrees(finished: Finished, run: Run) -> None:
    """What Locust counted is what we did, but for the probes that went before it."""
    counted = _locust_counts(finished.run_folder / "locust_stats.csv")
    assert set(counted) == {trial.cell for trial in run.trials}
    for cell, (requests, failures) in counted.items():
        trials = [trial for trial in run.trials if trial.cell == cell]
        probes = sum(trial.sent_total for trial in trials) - requests
        # A verification is two requests; a server that is slow to come up may see some more.
        assert 2 * len(trials) <= probes <= 20 * len(trials)
        assert failures == 0


def test_every_log_is_there_and_no_request_is_in_it(finished: Finished, run: Run) -> None:
    """Each trial's server has its log, and no access log was on."""
    logs = [finished.run_folder / str(trial.log) for trial in run.trials]
    assert len(set(logs)) == len(logs)
    for log in logs:
        assert log.is_file()
        assert "GET" not in log.read_text()
    assert (finished.run_folder / "logs" / "locust.log").is_file()


def test_the_reference_is_in_every_block(run: Run, blocks: dict[object, list[Trial]]) -> None:
    """Each block holds a trial of the cell that all others are compared with."""
    assert run.header.plan.reference == "uvicorn/default/w1"
    for trials in blocks.values():
        assert sum(trial.cell.startswith("uvicorn/default/w1/") for trial in trials) == 1


def test_the_report_says_what_the_trials_say(finished: Finished, run: Run) -> None:
    """`report --format json` of the folder rests on exactly the stored trials."""
    printed = command(
        "report", str(finished.run_folder), "--format", "json", folder=finished.folder
    )
    assert printed.code == 0
    document = json.loads(printed.stdout)
    assert document["run"]["id"] == finished.run_folder.name
    assert document["run"]["seed"] == run.header.plan.seed
    own_block = {planned.cell.key: planned.blocks[0] for planned in run.header.plan.cells}
    assert {cell["cell"] for cell in document["cells"]} == set(own_block)
    for cell in document["cells"]:
        everywhere = [trial for trial in run.trials if trial.cell == cell["cell"]]
        trials = [trial for trial in everywhere if trial.block == own_block[trial.cell]]
        assert cell["outcome"] == "ok"
        assert cell["rounds"] == len(trials) == ROUNDS
        assert cell["requests"] == sum(trial.requests for trial in trials)
        assert cell["sent_total"] == sum(trial.sent_total for trial in everywhere)
        usable = [trial for trial in trials if trial.validity != "invalid"]
        rates = [trial.throughput_rps for trial in usable if trial.throughput_rps]
        if rates:
            mean_rps = math.exp(fmean(map(math.log, rates)))
            assert cell["throughput_rps"]["value"] == pytest.approx(mean_rps)
        assert cell["throughput_rps"]["lower"] is None


def test_charts_were_drawn_and_named(finished: Finished) -> None:
    """Every printed chart is there, as PNG and SVG, one of them by worker count."""
    printed = [Path(line) for line in finished.stdout.splitlines() if line.endswith(".png")]
    assert {chart.name.split("-")[0] for chart in printed} >= {
        "throughput",
        "latency",
        "cpu",
        "memory",
        "workers",
    }
    for chart in printed:
        drawn = finished.folder / chart
        assert drawn.read_bytes().startswith(b"\x89PNG")
        assert drawn.with_suffix(".svg").is_file()


def test_where_the_time_went_is_stored_and_said(finished: Finished, run: Run) -> None:
    """`phases.json` has the seconds of each phase, and stderr what share of the whole it was."""
    phases_s = json.loads((finished.run_folder / "phases.json").read_text())
    assert set(phases_s) >= {"prepare", "start", "open", "load", "between", "stop", "report"}
    assert all(duration_s >= 0 for duration_s in phases_s.values())
    # Only time within slices is measuring.
    in_slices_s = sum(trial.duration_s for trial in run.trials)
    assert phases_s["load"] == pytest.approx(in_slices_s, abs=0.01)
    assert f"{sum(phases_s.values()):.0f} s: under load" in finished.stderr


def test_the_run_says_how_it_came_about(finished: Finished, run: Run) -> None:
    """The header holds what was typed, by which tool, with which packages."""
    assert run.header.command_line[0] == "run"
    assert "--label" in run.header.command_line
    assert run.header.label == "small"
    assert run.header.packages["uvicorn"]
    versions = {planned.cell.server: planned.server_version for planned in run.header.plan.cells}
    assert all(versions[name] for name in SERVER_NAMES)
    assert run.header.run_id == finished.run_folder.name


def _locust_counts(table: Path) -> dict[str, tuple[int, int]]:
    """Requests and failures by name, of Locust's own CSV."""
    with table.open(newline="") as rows:
        return {
            row["Name"]: (int(row["Request Count"]), int(row["Failure Count"]))
            for row in csv.DictReader(rows)
            if row["Name"] != "Aggregated"
        }
