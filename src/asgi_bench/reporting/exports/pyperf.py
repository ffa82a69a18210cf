"""pyperf's JSON, for `pyperf compare_to`, `hist` and `stats` over our rounds.

A round has fresh processes, as a run of pyperf has, so each is a run with one value. pyperf takes
unequal counts of values for a significant difference: compare runs of as many rounds.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from asgi_bench.analysis.metrics import response_time_p50_s, server_cpu_s_per_request
from asgi_bench.analysis.samples import Sample
from asgi_bench.errors import BenchError
from asgi_bench.model import ClosedLoop, OpenLoop, Trial
from asgi_bench.reporting.exports.subject import Document, Subject, usable_trials
from asgi_bench.reporting.wording import plain

FORMAT_VERSION = "1.0"


def pyperf(subject: Subject) -> tuple[Document, ...]:
    """`pyperf.json`: seconds per request of each usable cell, less being better.

    Server CPU per request, and the wall time per answer of a closed loop (1 / throughput) or the
    median response time of an open one. Raises BenchError where no cell has any: pyperf takes no
    empty suite.
    """
    benchmarks = [
        {"metadata": {"name": f"{plain(sample.planned.cell.key)}: {title}", "unit": "second"}}
        | {"runs": runs}
        for sample, trials in usable_trials(subject)
        for title, seconds in _measures(sample).items()
        if (runs := list(_runs(trials, seconds)))
    ]
    if not benchmarks:
        raise BenchError(
            f"{subject.report.run.id}: no cell has figures that can be believed, and pyperf takes "
            f"no empty suite"
        )
    suite = {"version": FORMAT_VERSION, "metadata": _metadata(subject), "benchmarks": benchmarks}
    text = msgspec.json.format(msgspec.json.encode(suite), indent=2).decode()
    return (Document("pyperf.json", text + "\n"),)


def _measures(sample: Sample) -> Mapping[str, Callable[[Trial], float | None]]:
    """What is measured of one trial, by its name: all in seconds."""
    match sample.planned.cell.load:
        case ClosedLoop():
            return {"server CPU": server_cpu_s_per_request, "time per answer": _s_per_answer}
        case OpenLoop():
            return {
                "server CPU": server_cpu_s_per_request,
                "response time p50": response_time_p50_s,
            }
    return {}


def _runs(
    trials: tuple[Trial, ...], seconds: Callable[[Trial], float | None]
) -> Iterator[dict[str, Any]]:
    """A run for each trial that has the figure; none of them can be 0."""
    for trial in trials:
        value = seconds(trial)
        if value:
            about = {"date": trial.started_at.removesuffix("Z"), "duration": trial.duration_s}
            yield {"metadata": about, "values": [value]}


def _s_per_answer(trial: Trial) -> float | None:
    rps = trial.throughput_rps
    return 1 / rps if rps else None


def _metadata(subject: Subject) -> dict[str, Any]:
    """What is common to all; pyperf takes neither empty texts nor line breaks."""
    run = subject.report.run
    texts = {
        "hostname": run.machine.hostname,
        "cpu_model_name": run.machine.cpu_model,
        "platform": run.machine.os,
        "asgi_bench_run": run.id,
        "asgi_bench_version": run.tool_version,
    }
    found = {name: text for name, value in texts.items() if (text := plain(value))}
    return {**found, "cpu_count": run.machine.cpu_count, "loops": 1}
