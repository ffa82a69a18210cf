"""All charts of a history: a sheet for each scenario, load and metric, with a panel a server."""

from asgi_bench.analysis.history import History, Series
from asgi_bench.reporting import numbers
from asgi_bench.reporting.ab.rows import METRIC_NAMES
from asgi_bench.reporting.charts.drawing import Drawing, Sheet, written
from asgi_bench.reporting.charts.sheet import Words, sheet_settings
from asgi_bench.reporting.charts.timeline import MOST_DOTS, draw_timeline
from asgi_bench.reporting.history.words import count_words
from asgi_bench.reporting.wording import plain
from asgi_bench.store.folders import safe_name

# So many panels are as tall as three screens; the page's table lists all series.
MOST_PANELS = 16


def draw_history(history: History) -> tuple[Drawing, ...]:
    """Draw a history's charts, those with a change first; none where there is no series."""
    groups: dict[tuple[str, str, str], list[Series]] = {}
    for series in history.series:
        place = series.cell.split("/", 3)[-1]
        groups.setdefault((place, series.metric, series.reference), []).append(series)
    ordered = sorted(
        groups.items(), key=lambda each: -sum(len(series.shifts) for series in each[1])
    )
    with sheet_settings():
        return tuple(_drawing(history, place, members) for (place, _, _), members in ordered)


def _drawing(history: History, place: str, members: list[Series]) -> Drawing:
    """The sheet of one group; what has changed comes first, and what finds no room is counted."""
    shown = sorted(members, key=lambda series: -len(series.shifts))[:MOST_PANELS]
    words = _words(history, place, members, len(members) - len(shown))
    figure = draw_timeline(words, history, shown)
    group = f"{members[0].metric}-{safe_name(place.replace('/', '-'))}"
    return written(Sheet("history", group, plain(place), words, figure), figure, None)


def _words(history: History, place: str, members: list[Series], left_out: int) -> Words:
    """What a sheet says."""
    metric = METRIC_NAMES[members[0].metric]
    longest = max(len(series.points) for series in members)
    per_dot = -(-longest // MOST_DOTS)
    last = history.runs[-1]
    notes = [
        "dot: a run" if per_dot == 1 else f"dot: the median of up to {per_dot} runs",
        "hollow: a spike",
        "line: the level",
        "shaded: the runs that a change may have come with",
        "gray shade: doubtful, the measuring changed too",
        "dashed: machine, tool or load changed",
        "dotted: packages or flags did",
    ]
    if left_out:
        notes.append(f"{left_out} more without a change are left out")
    return Words(
        title=f"{metric[:1].upper()}{metric[1:]} over time: {plain(place)}",
        facts=(
            f"ratio to {plain(members[0].reference)} in the same run",
            count_words(len(history.runs), "run"),
        ),
        notes=tuple(notes),
        footer=(
            plain(last.cpu_model),
            count_words(last.cpu_count, "CPU"),
            f"machine {plain(last.fingerprint)}",
            f"newest run {plain(numbers.moment(last.started_at))}",
        ),
    )
