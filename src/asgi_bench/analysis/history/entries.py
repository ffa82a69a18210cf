"""A run as one entry of a history: the ratios of its sound cells to its own reference."""

from collections.abc import Iterator, Mapping
from functools import partial

from asgi_bench.analysis.intervals import paired_ratio
from asgi_bench.analysis.metrics import figure_of
from asgi_bench.analysis.samples import Sample, reference_key, reference_pairs, sample_cells
from asgi_bench.analysis.stopping import is_looked
from asgi_bench.model import (
    Plan,
    RatioPoint,
    Run,
    RunEntry,
)
from asgi_bench.model.metrics import used_under


def run_entry(run: Run, environment: str) -> RunEntry:
    """A run's entry; `environment` is the key that its facts go by.

    Raises BenchError for a stored histogram that can't be read, where one is needed.
    """
    header, plan = run.header, run.header.plan
    samples = sample_cells(run)
    sound = {key: sample for key, sample in samples.items() if _is_sound(sample)}
    points = () if plan.gate is not None else tuple(_points(sound, samples, plan))
    return RunEntry(
        run_id=header.run_id,
        label=header.label,
        started_at=header.started_at,
        tool_version=header.tool_version,
        fingerprint=header.machine.fingerprint,
        hostname=header.machine.hostname,
        cpu_model=header.machine.cpu_model,
        cpu_count=header.machine.cpu_count,
        environment=environment,
        source=header.source,
        cells=len(samples),
        unusable=len(samples) - len(sound),
        without_ratio=len(sound) - len({point.cell for point in points}),
        is_ab=plan.gate is not None,
        points=points,
    )


def _is_sound(sample: Sample) -> bool:
    return sample.verdict.outcome == "ok" and sample.verdict.validity != "invalid"


def _points(
    sound: Mapping[str, Sample], samples: Mapping[str, Sample], plan: Plan
) -> Iterator[RatioPoint]:
    """The points of all cells but the references, whose ratio to themselves is 1."""
    for key, sample in sound.items():
        cell = sample.planned.cell
        if reference_key(cell, plan.reference) == key or cell.load.is_sweep:
            continue
        for metric in used_under(cell.load, lambda one: one.tracked):
            found = reference_pairs(sample, samples, plan, partial(figure_of, metric))
            if found is None:
                continue
            reference, pairs = found
            ratio = paired_ratio(pairs.values(), looked=is_looked(plan))
            if ratio.value is not None:
                yield RatioPoint(key, metric.name, reference, ratio.value, ratio.lower, ratio.upper)
