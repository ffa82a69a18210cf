"""What charts say of themselves, on runs of every odd kind."""

from collections.abc import Callable, Sequence
from functools import partial

import msgspec
import pytest

from asgi_bench.analysis.report import Report
from asgi_bench.analysis.summary import summarize
from asgi_bench.model import PlannedCell, RateSweep, Run, Trial
from asgi_bench.reporting.run.captions import captions
from asgi_bench.reporting.run.report import render_report
from tests.synthetic_interpreters import interpreters_run
from tests.synthetic_levels import turning_run
from tests.synthetic_run import (
    OPEN_AND_SWEEP,
    failed,
    planned_cells,
    synthetic_run,
    troubled_run,
    with_errors,
)
from tests.synthetic_ways import ways_run

FOREST = "forest-hello-c64"


def cells_of(*settings: str, workers: tuple[int, ...] = (1,)) -> tuple[PlannedCell, ...]:
    """The cells of these servers and variants, as planned: `granian/default`."""
    return tuple(
        planned
        for planned in planned_cells(worker_counts=workers)
        if f"{planned.cell.server}/{planned.cell.variant}" in settings
    )


def renamed(planned: PlannedCell, server: str) -> PlannedCell:
    """The same cell of another server."""
    cell = msgspec.structs.replace(planned.cell, server=server)
    return msgspec.structs.replace(planned, cell=cell)


def report_of(
    cells: Sequence[PlannedCell],
    edit: Callable[[Trial], Trial] = lambda trial: trial,
    rounds: int = 6,
) -> Report:
    """The report of a run of these cells."""
    return summarize(synthetic_run(tuple(cells), rounds=rounds, edit=edit))


def said(report: Report, name: str = FOREST) -> str:
    """The sentence of a chart; empty if there is no such chart."""
    return captions(report)[name].sentence if name in captions(report) else ""


COMMON = cells_of(
    "uvicorn/default", "granian/default", "gunicorn-uvicorn/default", "gunicorn-asgi/default"
)
ALONE = cells_of("uvicorn/default")
# Two servers that are as fast as the reference, for nobody knows their names.
ALIKE = (*ALONE, *(renamed(ALONE[0], name) for name in ("one", "another")))


def test_the_sentence_is_made_of_the_figures() -> None:
    """It names who is faster, who is slower, by how much, and who may be either."""
    assert said(report_of(COMMON)) == (
        "At 64 connections, granian is 73% faster than uvicorn, while gunicorn-asgi is 37% slower, "
        "and gunicorn-uvicorn can't be told apart from it."
    )


def test_many_are_counted() -> None:
    """Of more than three the ends are named."""
    found = said(report_of(planned_cells(worker_counts=(1,))))
    assert "granian uvloop" in found
    assert "6 settings are slower, by " in found
    assert found.count("slower") == 1


def test_ties_are_no_order() -> None:
    """Where nothing can be told apart, nobody is faster or slower."""
    found = said(report_of(ALIKE))
    assert found == "At 64 connections, one and another can't be told apart from uvicorn."


def test_a_suspect_winner_is_called_suspect() -> None:
    """A cell that is suspect has the word behind its name."""

    def edit(trial: Trial) -> Trial:
        return with_errors(trial, 0.0002) if trial.cell.startswith("granian/") else trial

    assert "granian (suspect) is 73% faster than uvicorn" in said(report_of(COMMON, edit))


def test_an_invalid_cell_is_not_spoken_of() -> None:
    """What can't be believed is neither faster nor slower."""

    def edit(trial: Trial) -> Trial:
        return with_errors(trial, 0.02) if trial.cell.startswith("granian/") else trial

    found = captions(report_of(COMMON, edit))
    assert not [one for one in found.values() if "granian" in one.sentence]
    assert found[FOREST].sentence.startswith("At 64 connections, gunicorn-asgi is ")


def test_without_a_valid_cell_nothing_is_compared() -> None:
    """There is no chart of ratios then, and the others say why they have no figure."""
    report = report_of(COMMON, partial(with_errors, share=0.02))
    assert said(report) == ""
    assert said(report, "throughput-hello-c64") == (
        "At 64 connections, no measured cell has a figure that can be trusted."
    )


def test_without_a_measured_cell_there_is_nothing_to_say() -> None:
    """A run in which all failed says so."""
    report = report_of(COMMON, partial(failed, reason="exited with 1"))
    assert said(report) == ""
    assert said(report, "throughput-hello-c64") == (
        "At 64 connections, nothing was measured: every cell failed or was skipped."
    )


def test_a_single_server_is_not_compared() -> None:
    """It has figures, but no place among others."""
    report = report_of(ALONE)
    assert said(report) == ""
    assert said(report, "throughput-hello-c64").startswith("At 64 connections, throughput is ")
    assert said(report, "throughput-hello-c64").endswith(" requests/s (uvicorn).")


def test_few_rounds_prove_nothing() -> None:
    """Under six rounds there are ratios, and no claim."""
    found = said(report_of(COMMON, rounds=4))
    assert "nothing is proven yet, because that takes 6 rounds" in found
    assert "the throughput ratio to uvicorn ranges from 0.6" in found
    assert "faster" not in found and "slower" not in found


def starved(trial: Trial, block: int) -> Trial:
    """The trial in slices of turns; in two rounds of a block the load generator had no CPU."""
    is_starved = trial.block == block and trial.round in (2, 4)
    wait_share = 0.5 if is_starved else 0.001
    pieces = tuple(
        msgspec.structs.replace(piece, load_wait_s=wait_share * piece.duration_s)
        for piece in trial.slices
    )
    return msgspec.structs.replace(trial, lead_in_s=0.01, slices=pieces)


@pytest.mark.parametrize("workers", [1, 2])
def test_rounds_without_a_ratio_prove_nothing(workers: int) -> None:
    """Those that were left out don't count, with any worker count, however many the cell has."""
    cells = cells_of("uvicorn/default", "granian/default", workers=(1, 2))
    report = report_of(cells, partial(starved, block=workers - 1), rounds=7)
    assert {cell.rounds for cell in report.cells} == {7}
    clauses = said(report).split("; ")
    assert "nothing is proven yet, because that takes 6 rounds" in clauses[workers - 1]
    assert "faster" in clauses[2 - workers]


def test_a_gain_rests_on_rounds_that_both_counts_have() -> None:
    """What more workers gain or lose is claimed by the rounds that both counts have."""
    cells = cells_of("uvicorn/default", "gunicorn-uvicorn/default", workers=(1, 2))

    def edit(trial: Trial) -> Trial:
        is_spoilt = trial.cell.startswith("gunicorn-uvicorn/default/w1") and trial.round < 2
        return with_errors(trial, 0.02) if is_spoilt else trial

    ahead = "At 64 connections: with 2 workers instead of 1, uvicorn "
    name = "workers-hello-c64"
    assert said(report_of(cells, rounds=7), name).startswith(f"{ahead}(")
    found = said(report_of(cells, edit, rounds=7), name)
    assert found.startswith(f"{ahead}is ")
    assert found.endswith("slower, and gunicorn-uvicorn shows no proven change.")


def test_the_ranking_has_the_last_word() -> None:
    """What it can't tell apart no sentence calls faster, wherever the interval lies."""
    report = report_of(COMMON)
    pairs = (msgspec.structs.replace(one, distinguishable=False) for one in report.comparisons)
    found = said(msgspec.structs.replace(report, comparisons=tuple(pairs)))
    assert found == (
        "At 64 connections, granian, gunicorn-uvicorn and gunicorn-asgi can't be told apart from "
        "uvicorn."
    )


def test_each_worker_count_has_its_clause() -> None:
    """Other worker counts are compared with the same reference, which has one worker."""
    cells = cells_of("uvicorn/default", "granian/default", workers=(1, 2))
    found = said(report_of(cells))
    assert found == (
        "At 64 connections: with 1 worker, granian is 76% faster than uvicorn; with 2 workers, "
        "granian is 66% faster than uvicorn with 1 worker, and uvicorn can't be told apart from it."
    )


def test_a_range_that_may_be_chance_says_so() -> None:
    """Ends that can't be told apart are no order."""
    assert "which may be chance." in said(report_of(ALIKE), "throughput-hello-c64")
    assert "chance" not in said(report_of(COMMON), "throughput-hello-c64")


@pytest.fixture(scope="module")
def offered() -> Report:
    """A run of offered rates, one of them too high for the slowest, and of a load curve."""
    names = ("uvicorn", "granian", "hypercorn", "daphne")
    cells = planned_cells(OPEN_AND_SWEEP, worker_counts=(1,))
    return report_of([one for one in cells if one.cell.server in names], rounds=3)


def test_latency_counts_the_overloaded(offered: Report) -> None:
    """At an offered rate medians and tails are given, and who had none is counted."""
    found = said(offered, "latency-hello-r3000")
    assert found.startswith("At 3,000 requests/s, response time p50 ranges from ")
    assert ", p99 from " in found
    assert found.endswith("overloaded and left out.")


def test_a_load_curve_names_the_ends_of_its_rates(offered: Report) -> None:
    """The highest rates that met the objective are a range of estimates."""
    (found,) = [one.sentence for one in captions(offered).values() if one.topic == "curve"]
    assert found.startswith("The highest rate that met p99 ≤ 20 ms ranges from ")


def test_levels_say_who_gains_on_the_reference() -> None:
    """More connections change ratios and throughput: each chart has its own sentence."""
    found = captions(summarize(turning_run()))
    (ratios,) = [one.sentence for one in found.values() if one.topic == "ratios"]
    (rates,) = [one.sentence for one in found.values() if one.topic == "concurrency"]
    assert ratios.startswith("With 256 connections instead of 64, ")
    assert " relative to " in ratios
    assert rates.startswith("With 256 connections instead of 64, ")


@pytest.mark.parametrize(
    ("make_run", "name", "part"),
    [
        (ways_run, "protocols-hello-c64", "with HTTP/1.1 over TLS, "),
        (ways_run, "protocols-cpu-hello-c64", "more CPU time"),
        (interpreters_run, "interpreters-hello-c64", "with 3.12, "),
    ],
)
def test_servers_are_compared_with_themselves(
    make_run: Callable[[int], Run], name: str, part: str
) -> None:
    """Along an axis each place has a clause."""
    found = said(summarize(make_run(6)), name)
    assert found.startswith("At 64 connections, compared with the same server ")
    assert part in found


def test_no_sentence_has_a_gap() -> None:
    """Each begins with a capital, ends with one full stop, and holds no placeholder."""
    runs = (troubled_run(6), turning_run(), ways_run(6), interpreters_run(6))
    for one in (one for run in runs for one in captions(summarize(run)).values()):
        assert one.sentence[0].isupper(), one
        assert one.sentence.endswith(".") and not one.sentence.endswith(".."), one
        assert not {"None", "nan", "  ", "–", "()"} & set(one.sentence.split(" ")), one  # noqa: RUF001 (what stands for nothing)


def test_markdown_has_the_sentences() -> None:
    """Where no chart can be shown its sentence stands in its section, the ratios' first."""
    report = report_of(COMMON)
    markdown = render_report(report, "markdown")
    sentences = dict.fromkeys(one.sentence for one in captions(report).values())
    lines = [line for line in markdown.splitlines() if line in sentences]
    assert set(lines) == set(sentences)
    assert lines[0] == said(report)
    assert all(sentence not in render_report(report, "text") for sentence in sentences)


def test_where_only_one_worker_count_has_ratios_the_other_is_named() -> None:
    """A worker count of which nothing is sound has a clause that says so."""

    def edit(trial: Trial) -> Trial:
        return with_errors(trial, 0.02) if trial.cell.startswith("granian/default/w2") else trial

    cells = cells_of("uvicorn/default", "granian/default", workers=(1, 2))
    cells = tuple(one for one in cells if one.cell.setting != "uvicorn/default/w2")
    found = said(report_of(cells, edit))
    assert "with 1 worker, granian is" in found
    assert "with 2 workers, nothing can be compared" in found


@pytest.mark.parametrize(
    ("scatter", "told"),
    [
        (None, "How much slices of one server vary within a round is unknown here."),
        (0.05, "vary by 5.0% within a round (median): the machine was calm."),
    ],
)
def test_slices_tell_how_calm_the_machine_was(scatter: float | None, told: str) -> None:
    """The chart of slices has the scatter of the run, where it is known."""
    report = report_of(COMMON)
    assert report.run.reached is not None
    reached = msgspec.structs.replace(report.run.reached, slice_scatter=scatter)
    run = msgspec.structs.replace(report.run, reached=reached)
    assert said(msgspec.structs.replace(report, run=run), "strip-hello-c64").endswith(told)


def curves_of(load: RateSweep, edit: Callable[[Trial], Trial] = lambda trial: trial) -> str:
    """What is said of the load curves of three servers."""
    cells = planned_cells((load,), worker_counts=(1,))[:3]
    report = report_of(cells, edit, rounds=3)
    (found,) = [one.sentence for one in captions(report).values() if one.topic == "curve"]
    return found


def test_curves_without_an_objective_tell_of_saturation() -> None:
    """Where nothing had to be met, what was answered at most is told."""
    assert curves_of(RateSweep((0.5, 1.2))).startswith("Throughput at saturation ranges from ")


def test_curves_of_nothing_sound_have_no_figure() -> None:
    """Where every sweep is invalid no rate is told, but that there is none."""
    found = curves_of(OPEN_AND_SWEEP[-1], partial(with_errors, share=0.1))
    assert found.startswith("No sound figure says what ")


def test_tails_that_nobody_has_are_left_out() -> None:
    """Where a trial is too short for its p99 the sentence ends with the medians."""
    report = report_of(COMMON)
    cells = tuple(
        msgspec.structs.replace(
            cell, response_time_s=msgspec.structs.replace(cell.response_time_s, p99=None)
        )
        for cell in report.cells
    )
    name = "latency-hello-c64"
    assert ", p99 from " in said(report, name)
    assert "p99" not in said(msgspec.structs.replace(report, cells=cells), name)
