from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_bench.analysis.history.environment import Change
from asgi_bench.analysis.history.series import (
    History,
    OtherMachine,
    build_history,
    count_history,
)
from asgi_bench.model import RunEntry
from asgi_bench.reporting.document import Figure, sections_of
from asgi_bench.reporting.history import (
    PAGE,
    TERMINAL,
    TOLD_CHANGES,
    VALUE_LETTERS,
    Histories,
    change_words,
    history_document,
    place_words,
)
from asgi_bench.reporting.render.page import render_page
from asgi_bench.reporting.render.terminal import render_terminal
from asgi_bench.reporting.run.source import Charts
from asgi_bench.store.index import Listing, Stored
from tests.reporting.document_words import tables_of, texts_of
from tests.synthetic_history import ratio_history

replace = msgspec.structs.replace
NOTHING_TIMED, NOTHING_COUNTED = build_history([], {}), count_history([], {})
NO_LISTING = Listing((), (), {}, 0, 0, ())
LONG = " ".join(f"--option-{place} value" for place in range(20))


def step(at: int, by: float) -> Callable[[int], float]:
    """A ratio that is another one from that run on."""
    return lambda number: by if number >= at else 1.0


def told(
    timed: History = NOTHING_TIMED,
    counted: History = NOTHING_COUNTED,
    listing: Listing = NO_LISTING,
) -> str:
    """What a terminal shows of a history, on one line."""
    document = history_document(Histories(timed, counted), listing, TERMINAL)
    return " ".join(render_terminal(document, width=1000).split())


@pytest.mark.parametrize(
    ("history", "says"),
    [
        (lambda: NOTHING_TIMED, "There are no runs here"),
        (
            lambda: ratio_history(lambda number: 1.0, cells=0),
            "Nothing to compare over time: no run has a usable ratio to its reference",
        ),
        (lambda: ratio_history(lambda number: 1.0), "No lasting change in 20 runs"),
        (lambda: ratio_history(step(8, 0.9)), "1 lasting change: 1 slower, 0 faster"),
        (lambda: ratio_history(step(8, 1.1), cells=2), "2 lasting changes: 0 slower, 2 faster"),
        (
            lambda: ratio_history(step(8, 0.9), facts={8: {"machine kernel": "6.12"}}),
            "No lasting change in 20 runs; 1 doubtful",
        ),
    ],
)
def test_the_first_line_is_the_finding(history: Callable[[], History], says: str) -> None:
    """Changes are counted by their sense, the doubtful ones apart; without any it says so."""
    histories = Histories(history(), NOTHING_COUNTED)
    assert history_document(histories, NO_LISTING, TERMINAL).title == says


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        (1, "1 lasting change: 1 more, 0 less"),
        (0, "nothing to compare over time: nothing was counted"),
    ],
)
def test_counts_come_behind_times(cells: int, says: str) -> None:
    """A folder with both has both in its first line, and where there are counts a part for them."""
    counted = ratio_history(step(8, 1.1), cells=cells, is_counted=True)
    text = told(ratio_history(lambda number: 1.0), counted)
    assert text.startswith(f"No lasting change in 20 runs; counts: {says} ")
    assert "20 runs that counted" in text and "on 1 machine" in text
    assert ("Changes of counts" in text.partition("Current levels")[2]) == (cells > 0)


def test_a_change_has_size_run_and_commits() -> None:
    """Which series, by how much, with which run, between which commits, and what else changed."""
    facts = {8: {"package h11": "0.17"}}
    text = told(ratio_history(step(8, 0.9), facts=facts))
    assert "s0/default/w1/hello/c64, throughput: 11% slower [+" in text
    assert "with run r08 (commit 008ccccccccc, “Commit 8”)" in text
    assert "commits 007ccccccccc..008ccccccccc" in text
    assert "what else changed: package h11 none → 0.17" in text


def test_a_drift_has_two_ends() -> None:
    """A change bit by bit came with no one run: its first and its last are named."""
    text = told(ratio_history(lambda number: 1.0 - 0.02 * max(number - 6, 0), 24))
    assert "gradually from run r0" in text and "to run r23 (" in text


def test_a_step_of_unsure_place_has_a_range_of_runs() -> None:
    """Where two runs may have brought it the likeliest is named, and from which to which."""
    found = ratio_history(step(8, 0.9))
    ((_, shift),) = found.shifts
    assert place_words(shift) == "with run r08 (commit 008ccccccccc, “Commit 8”)"
    assert place_words(shift._replace(earliest=found.runs[7])) == (
        "most likely with run r08 (commit 008ccccccccc, “Commit 8”); it may be any run from r07 "
        "to r08"
    )


def without_source(number: int, entry: RunEntry) -> RunEntry:
    """The entry of a run whose app is in no repository."""
    return replace(entry, source=None)


def with_changes(number: int, entry: RunEntry) -> RunEntry:
    """The entry of a run of uncommitted work, on a commit without a subject."""
    assert entry.source is not None
    return replace(entry, source=replace(entry.source, commit="a" * 40, dirty=True, subject=""))


@pytest.mark.parametrize(
    ("edit", "run"),
    [
        (without_source, "with run r08 what else changed"),
        (with_changes, "with run r08 (commit aaaaaaaaaaaa with changes) what else changed"),
    ],
)
def test_commits_are_told_as_far_as_they_are_known(
    edit: Callable[[int, RunEntry], RunEntry], run: str
) -> None:
    """Without a repository, or where the commit stayed, there is no range to look into."""
    text = told(ratio_history(step(8, 0.9), edit=edit))
    assert run in text and "commits " not in text


def test_doubtful_changes_are_apart_and_explained() -> None:
    """What came with another kernel is listed by itself, with what may have caused it."""
    kernel = {8: {"machine kernel": "6.12"}}
    text = told(
        ratio_history(step(8, 0.9), facts=kernel),
        ratio_history(step(8, 1.1), facts=kernel, is_counted=True),
    )
    first, timed, counted = text.split("Doubtful changes: perhaps only the measurement changed")
    assert "slower" not in first and "11% slower" in timed and "10% more" in counted
    assert "machine, tool or load changed too, so it may not be the code" in timed
    assert "run asgi-bench ab on the commits before and after" in timed
    assert "counts differ whatever the code does" in counted


def test_what_changed_around_it_is_listed_newest_first() -> None:
    """Each run with other surroundings is a line, of many changes only the first are named."""
    facts = {
        5: {"machine kernel": "6.12"},
        9: {"machine kernel": "6.12", **{f"package p{one:02}": "1" for one in range(11)}},
    }
    text = told(ratio_history(lambda number: 1.0, facts=facts))
    assert text.index("run r09 (") < text.index("run r05 (")
    assert text.count("package p") == TOLD_CHANGES and "and 3 more" in text
    assert "machine kernel none → 6.12" in text


def test_a_list_is_as_long_as_there_is_room() -> None:
    """A terminal has the newest of many changes and says how many it leaves out; a page has all."""
    found = Histories(ratio_history(step(8, 0.9), cells=30), NOTHING_COUNTED)
    short, whole = (history_document(found, NO_LISTING, room) for room in (TERMINAL, PAGE))
    text, page = render_terminal(short, width=1000), render_page(whole)
    assert text.count("with run r08") == 20 and "… and 10 more on the page" in text
    assert page.count("with run r08") == 30 and "more on the page" not in page


def test_where_each_series_is_now() -> None:
    """The newest ratio with its interval, or alone where it has none, and the changes so far."""

    def narrow(number: int, entry: RunEntry) -> RunEntry:
        bare = (replace(point, lower=None, upper=None) for point in entry.points[1:])
        return replace(entry, points=(*entry.points[:1], *bare))

    timed = ratio_history(step(8, 0.5), cells=2, edit=narrow)
    counted = ratio_history(lambda number: 113_500.0, is_counted=True)
    document = history_document(Histories(timed, counted), NO_LISTING, TERMINAL)
    levels, counts = tables_of(document)
    first, second = map(texts_of, levels.rows)
    assert first[1:3] == ("throughput", "20") and first[4:] == ("1", "0")
    assert first[3].startswith("0.50") or first[3].startswith("0.49")
    assert first[3].endswith("]") and second[3] == first[3].partition(" ")[0]
    (of_counts,) = map(texts_of, counts.rows)
    assert of_counts[3].startswith("113,") and of_counts[4:] == ("0", "0")


def test_what_was_left_out_is_said() -> None:
    """Small changes, A/B runs, pauses, short series, other machines, unreadable folders."""

    def resumed(number: int, entry: RunEntry) -> RunEntry:
        return replace(entry, resumed=2 if number == 3 else 0)

    timed = ratio_history(step(2, 1.0), 5, edit=resumed)._replace(
        abs=2,
        without_points=1,
        others=(OtherMachine("f00", "Xeon\x1b[1m", 8, "bench-2", 1234),),
    )
    counted = ratio_history(step(8, 1.004), is_counted=True)
    counted = counted._replace(series=tuple(one._replace(small=1) for one in counted.series))
    listing = NO_LISTING._replace(
        unreadable=(Stored("broken", (0,) * 6, fault="it is cut off"),),
        notes=("the index was damaged, and is made anew",),
    )
    text = told(timed, counted._replace(without_points=2), listing)
    for sentence in (
        "1 change smaller than the smallest that matters not shown",
        "2 A/B runs left out: their sides form no series",
        "1 run without a usable ratio: only the reference was measured",
        "2 runs counted nothing",
        "run r03 has rounds in 3 parts, with pauses between them: it was resumed",
        "1 of the series too short to judge: under 6 runs",
        "other machine f00 (Xeon, 8 CPUs, bench-2): 1,234 runs, not included; see --machine",
        "the index was damaged, and is made anew",
        "broken can't be read: it is cut off",
    ):
        assert sentence in text
    assert "only the newest" not in text


def test_very_long_series_are_searched_at_their_end() -> None:
    """Where runs are left out of the search for changes it is said how many are looked at."""
    found = ratio_history(lambda number: 1.0, 8)
    (series,) = found.series
    long = series._replace(points=series.points[:1] * 3001)
    text = told(found._replace(series=(long,)))
    assert "only the newest 3,000 runs of each series are searched for changes" in text


def test_charts_are_on_a_page_alone() -> None:
    """A page has the figures, and says what became of those that it has not."""
    figure = Figure("Throughput over time", "a run", "<svg></svg>", "It stayed.", "history-x")
    charts = Charts((("history", figure),), ("CPU over time",), ("the chart y can't be drawn: z",))
    found = Histories(ratio_history(lambda number: 1.0), NOTHING_COUNTED)
    document = history_document(found, NO_LISTING, PAGE, charts)
    page = render_page(document)
    assert "<svg></svg>" in page and "It stayed." in page
    assert "Left out to keep this page small: CPU over time." in page
    assert "the chart y can&#39;t be drawn: z" in page
    titles = [section.title for section in sections_of(document, "terminal")]
    assert "Over time" not in titles and "Current levels" in titles


@pytest.mark.parametrize(
    ("before", "after", "old", "new"),
    [
        ("0.50.0", "0.51.0", "0.50.0", "0.51.0"),
        (None, "1", "none", "1"),
        (f"{LONG} --loop a", f"{LONG} --loop b", "19 value --loop a", "19 value --loop b"),
    ],
)
def test_both_values_are_told_where_they_differ(
    before: str | None, after: str, old: str, new: str
) -> None:
    """Of command lines the flag that is another one is shown, however many come before it."""
    words = change_words(Change("command", "uvicorn/default/w1", before, after))
    left, _, right = words.partition(" → ")
    assert left.endswith(old) and right.endswith(new)


@given(st.text(max_size=400), st.text(max_size=400))
def test_any_two_values_have_room(before: str, after: str) -> None:
    """However long two values are, a line of both is not."""
    words = change_words(Change("command", "x", before, after))
    assert len(words) <= 2 * (VALUE_LETTERS + 1) + len("command x  → ")
