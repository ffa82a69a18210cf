"""A history as a document: what changed first, then where each series is now."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from asgi_bench.analysis.history.change_points import (
    FALSE_ALARMS,
    LONGEST_SERIES,
    MIN_SEGMENT,
    MIN_SERIES,
)
from asgi_bench.analysis.history.environment import Break, Change
from asgi_bench.analysis.history.series import History, Series, Shift
from asgi_bench.model import RunEntry
from asgi_bench.reporting import numbers
from asgi_bench.reporting.ab import COMMIT_LETTERS
from asgi_bench.reporting.columns import Column, table_of
from asgi_bench.reporting.document import (
    Block,
    Document,
    Item,
    Items,
    Mark,
    Notes,
    Section,
    Span,
    Text,
    Words,
)
from asgi_bench.reporting.run.source import Charts
from asgi_bench.reporting.wording import plain, shortened
from asgi_bench.store.index import Listing

DOUBTFUL_TITLE = "Doubtful changes: perhaps only the measurement changed"
DOUBTFUL_NOTE = (
    "A change is doubtful if machine, tool, load or reference changed with it: then perhaps "
    "only the measurement changed. To find out, run asgi-bench ab on the commits before and "
    "after, both with today's environment."
)
COUNTED_DOUBTFUL_NOTE = (
    "A change is doubtful if architecture, kernel, instruction sets, libraries, interpreter or "
    "tool changed with it: then counts differ whatever the code does."
)
SUBJECT_LETTERS = 60
TOLD_CHANGES = 8
VALUE_LETTERS = 120
# Of what two long values share so many letters are shown before the first that differs.
SHARED_LETTERS = 30
NO_CHARTS = Charts()
FOOTER = (
    "Made by asgi-bench from stored runs. It follows ratios of servers that were measured in "
    "the same minutes, so changes that affect both are not visible here."
)


class Room(NamedTuple):
    """How many entries of each list are shown, and what is said about the others."""

    changes: int | None = None
    surroundings: int | None = None
    findings: int | None = None
    others: str = "more"


TERMINAL = Room(20, 10, 20, "more on the page")
# A system that is upgraded with every run would fill the page with them.
PAGE = Room(surroundings=200, others="older ones")


class Histories(NamedTuple):
    """Everything about a folder: the runs of one machine that timed, and all runs that counted."""

    timed: History
    counted: History


def history_document(
    histories: Histories, listing: Listing, room: Room, charts: Charts = NO_CHARTS
) -> Document:
    """What is known about the runs of a folder; charts are for a page."""
    history, counted = histories
    told = [one for one in (history, counted) if one.runs]
    figures = tuple(figure for _, figure in charts.figures)
    missing = Notes(tuple(_missing(charts)))
    return Document(
        title="; counts: ".join(
            headline(one) if number == 0 else _within_title(headline(one))
            for number, one in enumerate(told or [history])
        ),
        facts=tuple(span_words(one) for one in told),
        sections=(
            Section("changes", "Changes", tuple(_changes(history, room))),
            Section("charts", "Over time", (*figures, missing), least="page"),
            Section("series", "Current levels", (table_of(COLUMNS, history.series),)),
            Section(
                "surroundings",
                "Changes in the environment",
                (_listed(map(break_words, reversed(history.breaks)), room.surroundings, room),),
            ),
            Section(
                "findings",
                "Notes",
                (_listed(findings(histories, listing), room.findings, room),),
            ),
            *(_counted_sections(counted, room) if counted.runs else ()),
        ),
        kind="history",
        footer=FOOTER,
    )


def _within_title(text: str) -> str:
    """A headline behind another one."""
    return f"{text[:1].lower()}{text[1:]}"


def _counted_sections(history: History, room: Room) -> Iterator[Section]:
    """The same of runs that counted, in words of their own."""
    yield Section("counted-changes", "Changes of counts", tuple(_changes(history, room)))
    yield Section(
        "counted-series",
        "Current counts",
        (table_of(COUNTED_COLUMNS, history.series),),
    )
    places = (found for found in reversed(history.breaks))
    yield Section(
        "counted-surroundings",
        "Where the counting environment changed",
        (_listed(map(break_words, places), room.surroundings, room),),
    )


def _changes(history: History, room: Room) -> Iterator[Block]:
    """The changes for good, then those that may be the measuring's, and how to read them."""
    if history.shifts:
        yield _shifts("", history.shifts, room)
    elif history.series:
        meanwhile = " while the measurement stayed the same" if history.doubtful_shifts else ""
        yield Text(f"No series changed its level permanently by enough to matter{meanwhile}.")
    yield _shifts(DOUBTFUL_TITLE, history.doubtful_shifts, room)
    if history.series:
        yield Notes(notes(history))


def _shifts(title: str, shifts: Sequence[tuple[Series, Shift]], room: Room) -> Items:
    """A list of changes."""
    items = (
        Item(
            (f"{series_name(series)}: ", _mark(shift)),
            details=tuple(_details(shift)),
        )
        for series, shift in shifts
    )
    return _within(room.changes, room, items, title)


def _mark(shift: Shift) -> Mark:
    """The size of a change, with what it means."""
    if shift.may_be_measuring:
        return Mark(effect_words(shift), "warn")
    return Mark(effect_words(shift), "bad" if shift.effect.d > 0 else "good")


def _details(shift: Shift) -> Iterator[Words]:
    """With which run a change came, the commits in question, and what else changed."""
    yield place_words(shift)
    commits = commit_words(shift)
    if commits:
        yield ("commits ", Span(commits, "code"))
    yield (Span(f"what else changed: {blame_words(shift)}", "faint"),)


def _missing(charts: Charts) -> Iterator[str]:
    """What became of the charts that aren't there."""
    yield from charts.undrawn
    if charts.left_out:
        yield f"Left out to keep this page small: {'; '.join(charts.left_out)}."


def _listed(texts: Iterable[str], most: int | None, room: Room) -> Items:
    return _within(most, room, map(Item, texts))


def _within(most: int | None, room: Room, items: Iterable[Item], title: str = "") -> Items:
    """A list of as many entries as there is room for."""
    found = tuple(items)
    told = found[:most]
    more = len(found) - len(told)
    last = (Item(f"… and {numbers.count(more)} {room.others}"),) if more else ()
    return Items((*told, *last), title)


def headline(history: History) -> str:
    """The most important thing, in a sentence."""
    if not history.runs:
        return "There are no runs here"
    if not history.series:
        if is_counted(history):
            return "Nothing to compare over time: nothing was counted"
        return "Nothing to compare over time: no run has a usable ratio to its reference"
    shifts, doubtful = history.shifts, len(history.doubtful_shifts)
    apart = f"; {doubtful} doubtful" if doubtful else ""
    if not shifts:
        return f"No lasting change in {count_words(len(history.runs), 'run')}{apart}"
    slower = sum(shift.effect.d > 0 for _, shift in shifts)
    worse, better = ("more", "less") if is_counted(history) else ("slower", "faster")
    parts = [f"{slower} {worse}", f"{len(shifts) - slower} {better}"]
    return f"{count_words(len(shifts), 'lasting change')}: {', '.join(parts)}{apart}"


def place_sentence(members: Sequence[Series]) -> str:
    """What a chart of series shows: the largest lasting change, or that there is none."""
    whole = "this series" if len(members) == 1 else f"these {len(members)} series"
    shifts = [(series, shift) for series in members for shift in series.shifts]
    sound = [each for each in shifts if not each[1].may_be_measuring]
    if not shifts:
        return f"No lasting change in {whole}."
    series, shift = max(sound or shifts, key=lambda each: abs(each[1].effect.d))
    doubtful = "" if sound else "doubtful "
    count = count_words(len(sound or shifts), f"{doubtful}lasting change")
    largest = "" if len(sound or shifts) == 1 else ", the largest"
    return (
        f"{count} in {whole}{largest}: {series_name(series)}, {effect_words(shift)}, "
        f"{place_words(shift)}."
    )


def is_counted(history: History) -> bool:
    """Whether it is a history of runs that counted."""
    return bool(history.runs) and history.runs[-1].is_counted


def count_words(count: int, what: str) -> str:
    """A count with its noun: `1 run`, `1,200 runs`."""
    return f"{numbers.count(count)} {what}{'' if count == 1 else 's'}"


def span_words(history: History) -> str:
    """Which runs the history covers."""
    first, last = history.runs[0], history.runs[-1]
    if is_counted(history):
        machines = len({run.fingerprint for run in history.runs})
        return (
            f"{count_words(len(history.runs), 'run')} that counted, from {_moment(first)} to "
            f"{_moment(last)}, on {count_words(machines, 'machine')}"
        )
    return (
        f"{count_words(len(history.runs), 'run')} from {_moment(first)} to {_moment(last)} on "
        f"{plain(last.cpu_model)}, {count_words(last.cpu_count, 'CPU')} "
        f"(machine {plain(last.fingerprint)})"
    )


def series_name(series: Series) -> str:
    """A series in a few words: cell and metric."""
    return f"{plain(series.cell)}, {series.metric.label}"


def effect_words(shift: Shift) -> str:
    """By how much: `5.1% slower [+4.2%, +6.0%]`."""
    effect = shift.effect
    worse, better = comparatives(shift)
    word = worse if effect.d > 0 else better
    size = numbers.percent(abs(effect.d))
    return f"{size}% {word} {numbers.signed_range(effect.lo, effect.hi)}"


def comparatives(shift: Shift) -> tuple[str, str]:
    """The words for a change for the worse, and for the better."""
    return ("slower", "faster") if shift.reference else ("more", "less")


def place_words(shift: Shift) -> str:
    """Which run and commit it came with, as far as that is known."""
    if shift.step.kind == "drift":
        return f"gradually from {run_words(shift.before)} to {run_words(shift.at)}"
    if shift.earliest is shift.latest:
        return f"with {run_words(shift.at)}"
    return (
        f"most likely with {run_words(shift.at)}; it may be any run from "
        f"{plain(shift.earliest.run_id)} to {plain(shift.latest.run_id)}"
    )


def run_words(run: RunEntry) -> str:
    """A run with its commit: `run 20261122T190000Z (commit 0123456789ab, "Add a cache")`."""
    source = run.source
    if source is None:
        return f"run {plain(run.run_id)}"
    dirty = " with changes" if source.dirty else ""
    subject = shortened(plain(source.subject), SUBJECT_LETTERS)
    return (
        f"run {plain(run.run_id)} (commit {plain(source.commit)[:COMMIT_LETTERS]}{dirty}"
        f"{f', “{subject}”' if subject else ''})"
    )


def resumed_parts(times: int) -> str:
    """How many parts a run has, and what is between them."""
    return f"rounds in {times + 1} parts, with pauses between them: it was resumed"


def commit_words(shift: Shift) -> str:
    """The commits to look into; empty if none is known or the commit stayed the same."""
    before, at = shift.before.source, shift.at.source
    if before is None or at is None or before.commit == at.commit:
        return ""
    return f"{plain(before.commit)[:COMMIT_LETTERS]}..{plain(at.commit)[:COMMIT_LETTERS]}"


def change_words(change: Change) -> str:
    """One thing that differs: `package uvicorn 0.50.0 → 0.51.0`."""
    values = ["none" if value is None else plain(value) for value in (change.before, change.after)]
    old, new = _where_they_differ(*values)
    return f"{change.kind} {plain(change.name)} {old} → {new}"


def _where_they_differ(old: str, new: str) -> tuple[str, str]:
    """Both texts; of long ones, as command lines are, the part in which they differ."""
    start = 0
    if max(len(old), len(new)) > VALUE_LETTERS:
        letters = enumerate(zip(old, new, strict=False))
        first = next((place for place, (a, b) in letters if a != b), min(len(old), len(new)))
        start = max(first - SHARED_LETTERS, 0)
    lead = "…" if start else ""
    return (
        f"{lead}{shortened(old[start:], VALUE_LETTERS)}",
        f"{lead}{shortened(new[start:], VALUE_LETTERS)}",
    )


def changes_words(changes: Sequence[Change]) -> str:
    """What differs, as far as there is room."""
    told = [change_words(change) for change in changes[:TOLD_CHANGES]]
    more = len(changes) - TOLD_CHANGES
    if more > 0:
        told.append(f"and {numbers.count(more)} more")
    return ", ".join(told)


def blame_words(shift: Shift) -> str:
    """What changed at the same time, and may be the cause."""
    if not shift.changes and not shift.nearby:
        return (
            "nothing else is known to have changed: it is the code, or something that isn't "
            "recorded"
        )
    told = [changes_words(shift.changes)] if shift.changes else []
    if shift.nearby:
        told.append(f"{_nearby_words(shift)}: {changes_words(shift.nearby)}")
    if shift.reference and shift.reference_changed:
        told.append("the reference itself changed, and every ratio to it changes with it")
    elif shift.may_be_measuring:
        told.append("machine, tool or load changed too, so it may not be the code")
    return "; ".join(told)


def _nearby_words(shift: Shift) -> str:
    """Where the changes are that are not at its likeliest place."""
    if shift.step.kind == "drift":
        return "and in between" if shift.changes else "in between"
    return "and among the possible runs" if shift.changes else "among the possible runs"


def break_words(found: Break) -> str:
    """A break in the surroundings, in a line."""
    return f"{_moment(found.run)}, {run_words(found.run)}: {changes_words(found.changes)}"


def level_words(series: Series) -> str:
    """Where a series is now: its newest ratio with its interval."""
    point = series.points[-1]
    shown = numbers.times if series.reference else _count_text
    if point.lower is None or point.upper is None:
        return shown(point.ratio)
    return f"{shown(point.ratio)} [{shown(point.lower)}, {shown(point.upper)}]"


def _count_text(value: float) -> str:
    """A count per request: its scatter is a thousandth of it."""
    return numbers.significant(value, 5, 2)


COLUMNS = (
    Column("cell", "", lambda series: plain(series.cell), "left"),
    Column("metric", "", lambda series: series.metric.label, "left"),
    Column("runs", "", lambda series: numbers.count(len(series.points))),
    Column("newest ratio", "to the reference", level_words, "left"),
    Column("changes", "", lambda series: numbers.count(len(series.own_shifts))),
    Column("doubtful", "", lambda series: numbers.count(len(series.doubtful_shifts))),
)

COUNTED_COLUMNS = (
    *COLUMNS[:3],
    Column("newest", "per request", level_words, "left"),
    *COLUMNS[4:],
)


def notes(history: History) -> tuple[str, ...]:
    """How to read it, and what it can't see."""
    least = numbers.tick(history.min_change * 100)
    rare = round(1 / FALSE_ALARMS)
    first = (
        "Counts per request, of all machines together, since they depend on the environment and "
        "not on the machine's state. Of an A/B, the baseline counts."
        if is_counted(history)
        else "Ratios to the run's own reference, measured in the same minutes; absolute figures "
        "of different days are not compared."
    )
    doubtful = COUNTED_DOUBTFUL_NOTE if is_counted(history) else DOUBTFUL_NOTE
    return (
        first,
        f"A change has at least {MIN_SEGMENT} runs on either side and is {least}% or more; one "
        f"or two outlying runs are spikes. About one in {rare:,} series without a change shows "
        "one. Intervals are 95%, given that the place is right.",
        *((doubtful,) if history.doubtful_shifts else ()),
    )


def findings(histories: Histories, listing: Listing) -> Iterator[str]:
    """Other things to know: what was excluded, and why."""
    history, counted = histories
    every = (*history.series, *counted.series)
    small = sum(series.small for series in every)
    if small:
        yield f"{count_words(small, 'change')} smaller than the smallest that matters not shown"
    if history.abs:
        yield f"{count_words(history.abs, 'A/B run')} left out: their sides form no series"
    if history.without_points:
        yield (
            f"{count_words(history.without_points, 'run')} without a usable ratio: only the "
            "reference was measured, or the reference failed or is invalid. Measure a second "
            "server beside yours"
        )
    if counted.without_points:
        yield f"{count_words(counted.without_points, 'run')} counted nothing"
    for run in history.runs:
        if run.resumed:
            yield f"run {plain(run.run_id)} has {resumed_parts(run.resumed)}"
    short = sum(len(series.points) < MIN_SERIES for series in every)
    if short:
        yield f"{short} of the series too short to judge: under {MIN_SERIES} runs"
    if any(len(series.points) > LONGEST_SERIES for series in every):
        yield f"only the newest {LONGEST_SERIES:,} runs of each series are searched for changes"
    for other in history.others:
        yield (
            f"other machine {plain(other.fingerprint)} ({plain(other.cpu_model)}, "
            f"{count_words(other.cpu_count, 'CPU')}, {plain(other.hostname)}): "
            f"{count_words(other.runs, 'run')}, not included; see --machine"
        )
    yield from map(plain, listing.notes)
    for stored in listing.unreadable:
        yield f"{plain(stored.folder)} can't be read: {plain(stored.fault or '')}"


def _moment(run: RunEntry) -> str:
    return plain(numbers.moment(run.started_at))
