"""pyperf's JSON, for `pyperf compare_to`, `hist` and `stats` over our rounds.

A round has fresh processes, like a run of pyperf, so each is a run with one value. pyperf takes
unequal counts of values for a significant difference: compare runs of as many rounds. An A/B has
only the rounds that all sides have, because its sides are compared.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

import msgspec

from asgi_bench.analysis.metrics import figure_of
from asgi_bench.analysis.samples import Sample
from asgi_bench.analysis.summary import Survey
from asgi_bench.errors import BenchError
from asgi_bench.model import Cell, Trial
from asgi_bench.model.metrics import METRICS, THROUGHPUT
from asgi_bench.reporting.exports.figures import ExportFile, usable_trials
from asgi_bench.reporting.wording import plain

FORMAT_VERSION = "1.0"

# One value a trial, in seconds.
Values: TypeAlias = Sequence[tuple[Trial, float]]


def pyperf(surveyed: Survey) -> tuple[ExportFile, ...]:
    """`pyperf.json`: seconds per request of each usable cell; less is better.

    Server CPU per request, and the wall time per response of a closed loop (1 / throughput) or the
    median response time of an open one. Raises BenchError if no cell has any: pyperf refuses an
    empty suite.
    """
    benchmarks = [
        {"metadata": {"name": f"{plain(cell.key)}: {title}", "unit": "second"}, "runs": runs}
        for (cell, title), values in _in_common_rounds(_values(surveyed)).items()
        if (runs := [_run(trial, value) for trial, value in values])
    ]
    if not benchmarks:
        raise BenchError(
            f"{surveyed.report.run.id}: no cell has usable figures, and pyperf accepts no empty "
            "suite"
        )
    suite = {"version": FORMAT_VERSION, "metadata": _metadata(surveyed), "benchmarks": benchmarks}
    text = msgspec.json.format(msgspec.json.encode(suite), indent=2).decode()
    return (ExportFile("pyperf.json", text + "\n"),)


def _measures(sample: Sample) -> Mapping[str, Callable[[Trial], float | None]]:
    """What is measured of one trial, by its name: all in seconds, and of one request."""
    found: dict[str, Callable[[Trial], float | None]] = {}
    loop = sample.planned.cell.load.loop
    compared = [metric for metric in METRICS if loop in metric.compared]
    for metric in compared:
        if metric.unit.si == "s":
            found[metric.title.removesuffix(" per request")] = partial(figure_of, metric)
    if THROUGHPUT in compared:
        found["time per response"] = _s_per_answer
    return found


def _values(surveyed: Survey) -> dict[tuple[Cell, str], Values]:
    """Each measure of each usable cell: trials that have the figure; none of them can be 0."""
    return {
        (sample.planned.cell, title): [
            (trial, value) for trial in trials if (value := seconds(trial))
        ]
        for sample, trials in usable_trials(surveyed)
        for title, seconds in _measures(sample).items()
    }


def _in_common_rounds(found: Mapping[tuple[Cell, str], Values]) -> dict[tuple[Cell, str], Values]:
    """The values of rounds that every side of the same cell has; without sides all of them."""
    common: dict[tuple[Cell, str], set[int]] = {}
    for (cell, title), values in found.items():
        rounds = {trial.round for trial, _ in values}
        key = (cell.without_setup, title)
        common[key] = common.get(key, rounds) & rounds
    return {
        (cell, title): [one for one in values if one[0].round in common[cell.without_setup, title]]
        for (cell, title), values in found.items()
    }


def _run(trial: Trial, value: float) -> dict[str, Any]:
    about = {"date": trial.started_at.removesuffix("Z"), "duration": trial.duration_s}
    return {"metadata": about, "values": [value]}


def _s_per_answer(trial: Trial) -> float | None:
    rps = trial.throughput_rps
    return 1 / rps if rps else None


def _metadata(surveyed: Survey) -> dict[str, Any]:
    """What is common to all; pyperf takes neither empty texts nor line breaks."""
    run = surveyed.report.run
    texts = {
        "hostname": run.machine.hostname,
        "cpu_model_name": run.machine.cpu_model,
        "platform": run.machine.os,
        "asgi_bench_run": run.id,
        "asgi_bench_version": run.tool_version,
    }
    found = {name: text for name, value in texts.items() if (text := plain(value))}
    return {**found, "cpu_count": run.machine.cpu_count, "loops": 1}
