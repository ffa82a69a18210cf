"""Runs that counted, over time and compared: their counts as they are, no ratios.

A count needs no reference, because it doesn't depend on the machine's state. It does depend on
architecture, interpreter and libraries. If these differ, two counts can't be compared.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from asgi_bench.analysis.ab.counts import ROLES, judged_cells
from asgi_bench.analysis.ab.rule import worst
from asgi_bench.analysis.ab.wording import effect_words, telling
from asgi_bench.analysis.counts import counted_cell
from asgi_bench.analysis.history.comparison import (
    ALPHA,
    RunComparison,
    only_in_one,
)
from asgi_bench.analysis.history.environment import (
    LIBRARY,
    Change,
    changes,
    code_of,
    concerning,
    counted_surroundings,
    has_measuring,
    is_of_package,
)
from asgi_bench.errors import UsageError
from asgi_bench.model import (
    Cell,
    CellVerdict,
    Gate,
    PlannedCell,
    RatioPoint,
    Reason,
    Role,
    RunEntry,
    RunHeader,
    Source,
)
from asgi_bench.model.counts import Life
from asgi_bench.model.metrics import COUNTED, LEAST_INSTRUCTIONS_CHANGE

# Of an A/B what was there before: a history is of that, and the candidate's verdict is its own.
BASELINE = "baseline"
UNKNOWN_CODE = (
    "the counted machine code is not recorded for both, since older versions of asgi-bench did "
    "not record it"
)
MOST_NAMED = 4


class Counted(NamedTuple):
    """A stored run that counted."""

    header: RunHeader
    lives: tuple[Life, ...]

    @property
    def cells(self) -> dict[str, PlannedCell]:
        """Its cells, by their keys without a side; for an A/B those of the baseline."""
        return {
            planned.cell.without_setup.key: planned
            for planned in self.header.plan.cells
            if planned.cell.setup in (None, BASELINE) or not self.is_ab
        }

    @property
    def is_ab(self) -> bool:
        """Whether it compared two sides."""
        return self.header.plan.gate is not None

    def lives_of(self, planned: PlannedCell) -> list[Life]:
        """What was counted of one of its cells."""
        return [life for life in self.lives if life.cell == planned.cell.key]

    @property
    def facts(self) -> dict[str, str]:
        """What counts may depend on, by name."""
        return counted_surroundings(_own_plan(self), self.lives)


def _own_plan(run: Counted) -> RunHeader:
    """The header with the cells that are followed, without their sides."""
    if not run.is_ab:
        return run.header
    cells = tuple(
        msgspec.structs.replace(planned, cell=planned.cell.without_setup)
        for planned in run.cells.values()
    )
    plan = msgspec.structs.replace(run.header.plan, cells=cells)
    return msgspec.structs.replace(run.header, plan=plan)


def counted_entry(run: Counted, environment: str) -> RunEntry:
    """A run's entry in a history; `environment` is the key of its facts."""
    header, machine = run.header, run.header.machine
    points = tuple(point for key, cell in run.cells.items() for point in _points(run, key, cell))
    cells = len(run.cells)
    return RunEntry(
        run_id=header.run_id,
        label=header.label,
        started_at=header.started_at,
        tool_version=header.tool_version,
        fingerprint=machine.fingerprint,
        hostname=machine.hostname,
        cpu_model=machine.cpu_model,
        cpu_count=machine.cpu_count,
        environment=environment,
        source=_source(run),
        cells=cells,
        unusable=cells - len({point.cell for point in points}),
        without_ratio=0,
        is_ab=run.is_ab,
        points=points,
        is_counted=True,
    )


def _source(run: Counted) -> Source | None:
    """The commit of what is followed: of an A/B its baseline's, where that has one."""
    commits = [side.commit for side in run.header.plan.setups if side.name == BASELINE]
    known = run.header.source
    if run.is_ab and commits and commits[0] is not None:
        return known if known and known.commit == commits[0] else Source(commits[0])
    return known


def _points(run: Counted, key: str, planned: PlannedCell) -> Iterator[RatioPoint]:
    """The counts of a cell that was counted; one of nothing has no logarithm, and is left out."""
    if planned.skip_reason is not None:
        return
    found = counted_cell(planned.cell.key, run.lives)
    for figures in found.figures if found.outcome == "ok" else ():
        metric, each = COUNTED.get(figures.counter), figures.per_request
        if metric is not None and each.value > 0:
            yield RatioPoint(key, metric.name, "", each.value, each.lower, each.upper)


def compare_counts(
    base: Counted, candidate: Counted, *, min_change: float = LEAST_INSTRUCTIONS_CHANGE
) -> RunComparison:
    """Compare two runs that counted, each cell with itself; for an A/B its baseline.

    A cell gets a verdict if architecture, interpreter, libraries and counter are the same in both.
    Otherwise there are only figures, and the differences by name.

    Raises UsageError for runs without a common cell.
    """
    common = {
        key: (planned, candidate.cells[key])
        for key, planned in base.cells.items()
        if key in candidate.cells
    }
    if not common:
        raise UsageError(
            f"{base.header.run_id} and {candidate.header.run_id} have no cell in common"
        )
    differences = changes(base.facts, candidate.facts)
    cells = tuple(
        _comparable(verdict, common[verdict.cell], (base, candidate), differences)
        for verdict in _verdicts(base, candidate, common, min_change)
    )
    found = RunComparison(
        base=base.header.run_id,
        candidate=candidate.header.run_id,
        reference=None,
        verdict=worst(cell.verdict for cell in cells),
        text="",
        min_change=min_change,
        same_machine=base.header.machine.fingerprint == candidate.header.machine.fingerprint,
        differences=differences,
        cells=cells,
        only=tuple(only_in_one(base.cells, candidate.cells)),
        is_counted=True,
    )
    return found._replace(text=_verdict_line(found))


def _verdicts(
    base: Counted,
    candidate: Counted,
    common: Mapping[str, tuple[PlannedCell, PlannedCell]],
    min_change: float,
) -> tuple[CellVerdict, ...]:
    """The cells judged as the sides of an A/B are."""
    lives = [
        msgspec.structs.replace(life, cell=_of_side(planned.cell, role))
        for pair in common.values()
        for run, role, planned in zip((base, candidate), ROLES, pair, strict=True)
        for life in run.lives_of(planned)
    ]
    cells = [planned.cell.without_setup for planned, _ in common.values()]
    return judged_cells(cells, lives, Gate(min_change=min_change, alpha=ALPHA))


def _of_side(cell: Cell, role: Role) -> str:
    return msgspec.structs.replace(cell, setup=role).key


def _comparable(
    verdict: CellVerdict,
    pair: tuple[PlannedCell, PlannedCell],
    runs: tuple[Counted, Counted],
    differences: Sequence[Change],
) -> CellVerdict:
    """The verdict as it stands where the counts may be compared; what failed has failed."""
    reasons = [] if verdict.verdict == "failed" else list(_grounds(pair, runs, differences))
    if not reasons:
        return verdict
    return msgspec.structs.replace(
        verdict,
        verdict="undecided",
        metrics=tuple(msgspec.structs.replace(one, verdict=None) for one in verdict.metrics),
        reasons=tuple(reasons),
    )


def _grounds(
    pair: tuple[PlannedCell, PlannedCell],
    runs: tuple[Counted, Counted],
    differences: Sequence[Change],
) -> Iterator[Reason]:
    """What is not the same of all that two counts were made in."""
    key = pair[0].cell.without_setup.key
    for change in concerning(differences, key):
        if change.kind != LIBRARY and has_measuring((change,)):
            told = f"{change.before or 'not recorded'} → {change.after or 'not recorded'}"
            yield _reason(f"{change.kind} {change.name} {told}")
    before, after = (code_of(run.lives_of(one)) for run, one in zip(runs, pair, strict=True))
    if not before or not after:
        yield _reason(UNKNOWN_CODE)
        return
    libraries = [
        name
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name) and not is_of_package(name)
    ]
    if libraries:
        yield _reason(f"other files of {_listed(libraries)}")
    rebuilt = list(_rebuilt(before, after, differences))
    if rebuilt:
        yield _reason(f"another build of the same version of {_listed(rebuilt)}")


def _reason(text: str) -> Reason:
    return Reason(
        "other-ground", "invalid", None, None, f"counted under different conditions: {text}"
    )


def _listed(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _rebuilt(
    before: Mapping[str, str], after: Mapping[str, str], differences: Sequence[Change]
) -> Iterator[str]:
    """Extension modules that changed though no package of that name has another version."""
    changed = {change.name.partition(" ")[0] for change in differences if change.kind == "package"}
    for name in sorted(before.keys() & after.keys()):
        if is_of_package(name) and before[name] != after[name]:
            package = name.partition("/")[0].strip("_").replace("_", "-").lower()
            if package not in changed:
                yield name


def _verdict_line(found: RunComparison) -> str:
    """`regression: uvicorn/…: 0.72 % more instructions […]`, the verdict's word first."""
    cells = [cell for cell in found.cells if cell.verdict == found.verdict]
    cell = cells[0]
    more = f" (and {len(cells) - 1} more)" if len(cells) > 1 else ""
    if cell.reasons and cell.verdict != "failed":
        return (
            f"undecided: {cell.cell}: {cell.reasons[0].text}; counts taken under different "
            f"conditions don't compare{more}"
        )
    decided = telling(cell)
    words = cell.reasons[0].text if cell.reasons else "nothing was counted on both sides"
    return f"{found.verdict}: {cell.cell}: {effect_words(decided) if decided else words}{more}"
