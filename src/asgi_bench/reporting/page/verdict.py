"""What a run found, in words: a sentence with its proof for each scenario, load, worker count."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from asgi_bench.analysis.document import CellReport, Report, SweepReport
from asgi_bench.model import ClosedLoop, Load
from asgi_bench.reporting import numbers
from asgi_bench.reporting.groups import AnyGroup, Section, report_groups
from asgi_bench.reporting.wording import (
    cell_name,
    load_words,
    objective_words,
    offered_words,
    plain,
    workers_words,
)

# More names than these are counted, not listed.
NAMED = 4


class Verdict(NamedTuple):
    """One sentence that answers, where it holds, and what it rests on."""

    sentence: str
    where: str
    proof: str


class Trust(NamedTuple):
    """How far the figures can be believed: `level` is that of the worst cell."""

    level: str
    sentence: str


def verdicts(report: Report) -> tuple[Verdict, ...]:
    """One verdict for each scenario, load and worker count, in the order of the tables."""
    return tuple(
        _verdict(group, section) for group in report_groups(report) for section in group.sections
    )


def headline(report: Report) -> Verdict:
    """The verdict a reader came for: the first one on throughput, or else the first."""
    groups = report_groups(report)
    closed = [group for group in groups if isinstance(group.load, ClosedLoop)]
    for group in (*closed, *groups):
        for section in group.sections:
            if section.ranked:
                return _verdict(group, section)
    return Verdict("Nothing was measured that could be ranked", "", "")


def trust(report: Report) -> Trust:
    """How many cells are valid, and what became of the others."""
    cells = report.everything
    counts = {
        "failed": sum(cell.outcome == "failed" for cell in cells),
        "invalid": sum(cell.outcome == "ok" and cell.validity == "invalid" for cell in cells),
        "suspect": sum(cell.outcome == "ok" and cell.validity == "suspect" for cell in cells),
        "skipped": sum(cell.outcome == "skipped" for cell in cells),
    }
    valid = len(cells) - sum(counts.values())
    others = [f"{count} {word}" for word, count in counts.items() if count]
    worst = next((word for word, count in counts.items() if count), "valid")
    if not cells:
        return Trust("failed", "No cell was planned.")
    if not others:
        return Trust("valid", f"All {len(cells)} measurements are valid.")
    return Trust(worst, f"{valid} of {len(cells)} measurements are valid, {_listed(others)}.")


def _verdict(group: AnyGroup, section: Section[CellReport] | Section[SweepReport]) -> Verdict:
    """The verdict of one section."""
    where = f"{plain(group.scenario)}, {load_words(group.load)}, {workers_words([section.workers])}"
    if not section.ranked:
        return Verdict("Nothing can be ranked", where, "No measurement is valid or suspect.")
    best = section.ranked[0]
    if isinstance(best, SweepReport):
        return Verdict(_sweep_sentence(best), where, _sweep_proof(section.ranked))
    if not isinstance(group.load, ClosedLoop):
        return Verdict(_open_sentence(best, group.load), where, _open_proof(section.ranked))
    ranked = [cell for cell in section.ranked if isinstance(cell, CellReport)]
    return Verdict(_closed_sentence(ranked), where, ". ".join(_closed_proof(ranked)) + ".")


def _closed_sentence(ranked: Sequence[CellReport]) -> str:
    """Who is fastest: one, or several that can't be told apart."""
    if len(ranked) == 1:
        return f"{cell_name(ranked[0])} was measured alone"
    if ranked[0].rank is None:
        return f"{cell_name(ranked[0])} came first, but that is not proven"
    leaders = [cell for cell in ranked if cell.rank is not None and cell.rank.best == 1]
    if len(leaders) == 1:
        return f"{cell_name(leaders[0])} is the fastest"
    if len(leaders) > NAMED:
        return f"{len(leaders)} of {len(ranked)} servers share the first place"
    return f"{_listed([cell_name(cell) for cell in leaders])} share the first place"


def _closed_proof(ranked: Sequence[CellReport]) -> Iterator[str]:
    """The figures behind who is fastest, and who follows."""
    first, *others = ranked
    yield f"{cell_name(first)}: {_figure(first)}"
    if first.rank is None and others:
        rounds = f"{first.rounds} round{'' if first.rounds == 1 else 's'}"
        yield f"{rounds} are too few, or the differences too small, to call it faster than others"
    leaders = [cell for cell in ranked if cell.rank is not None and cell.rank.best == 1]
    if len(leaders) > 1:
        yield "What shares a place can't be told apart in this run"
    followers = [cell for cell in others if cell not in leaders]
    if followers:
        yield f"Next is {cell_name(followers[0])}: {_figure(followers[0])}"


def _figure(cell: CellReport) -> str:
    """The ratio with its bounds where there is one, and the throughput."""
    throughput = f"{numbers.rate(cell.throughput_rps.value)} requests/s"
    ratio = cell.throughput_ratio
    if ratio is None or ratio.reference == cell.cell:
        return throughput
    reference = plain("/".join(ratio.reference.split("/")[:3]))
    bounds = (
        f" (95% interval {numbers.times(ratio.lower)} to {numbers.times(ratio.upper)})"
        if ratio.lower is not None and ratio.upper is not None
        else ""
    )
    return f"{numbers.factor(ratio.value)} {reference}{bounds}, {throughput}"


def _open_sentence(best: CellReport, load: Load) -> str:
    """Who answers soonest at an offered rate: said of the figures, not as a proof."""
    return f"{cell_name(best)} had the shortest median response time at {offered_words(load)}"


def _open_proof(ranked: Sequence[CellReport | SweepReport]) -> str:
    """The times of the first ones."""
    times = [
        f"{cell_name(cell)} p50 {numbers.milliseconds(cell.response_time_s.p50)} ms, "
        f"p99 {numbers.milliseconds(cell.response_time_s.p99)} ms"
        for cell in ranked[:NAMED]
        if isinstance(cell, CellReport)
    ]
    return "; ".join(times) + "."


def _sweep_sentence(best: SweepReport) -> str:
    """Who keeps the objective at the highest rate, or answers most when offered too much."""
    if best.objective is not None:
        return f"{cell_name(best)} kept {objective_words(best.objective)} at the highest rate"
    return f"{cell_name(best)} answered most when offered more than it could take"


def _sweep_proof(ranked: Sequence[CellReport | SweepReport]) -> str:
    """The rates of the first ones."""
    rates = []
    for cell in ranked[:NAMED]:
        if isinstance(cell, SweepReport):
            estimate = cell.highest_rate_rps if cell.objective else cell.saturation_rps
            bound = "at least " if cell.objective and cell.highest_rate_is_least else ""
            rates.append(f"{cell_name(cell)} {bound}{numbers.rate(estimate.value)} requests/s")
    return "; ".join(rates) + "."


def _listed(names: Sequence[str]) -> str:
    """Names as in a sentence: `a`, `a, b and c`."""
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
