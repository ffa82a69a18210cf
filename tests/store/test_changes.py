from collections.abc import Sequence
from pathlib import Path

import pytest

from asgi_bench.analysis.history.change_points import find_changes
from asgi_bench.model import Segmentation
from asgi_bench.store.changes import CHANGES_FILE, remembered

RULES = "1, ruptures 1.1.10"
SERIES = ([0.0] * 5 + [0.1, 0.0] + [1.0] * 8, [0.3] * 7, [0.1, 0.2])


class Search:
    """A search that counts how often it was asked."""

    def __init__(self) -> None:
        self.searched = 0

    def __call__(self, values: Sequence[float]) -> Segmentation:
        """As `find_changes`."""
        self.searched += 1
        return find_changes(values)


def found(
    parent: Path, search: Search, *series: list[float], rules: str = RULES
) -> list[Segmentation]:
    """What one history finds in these series."""
    with remembered(parent, search, rules) as recall:
        return [recall(values) for values in series]


def test_same_series_are_searched_once(tmp_path: Path) -> None:
    """The second time nothing is searched, and what is found is the same in every part."""
    first = found(tmp_path, Search(), *SERIES)
    again = Search()
    assert found(tmp_path, again, *SERIES) == first == [find_changes(values) for values in SERIES]
    assert again.searched == 0
    assert first[0].steps and first[0].spikes


def test_another_value_is_another_series(tmp_path: Path) -> None:
    """One value more, or another in one place, is searched; the others are not."""
    found(tmp_path, Search(), *SERIES)
    search = Search()
    found(tmp_path, search, SERIES[0], [*SERIES[1], 0.3], [0.1, 0.20000001])
    assert search.searched == 2


def test_other_rules_search_anew(tmp_path: Path) -> None:
    """What was found by another version of the search, or of ruptures, is found again."""
    found(tmp_path, Search(), *SERIES)
    search = Search()
    found(tmp_path, search, *SERIES, rules="1, ruptures 1.2.0")
    assert search.searched == len(SERIES)


def test_forgets_what_nobody_asks_any_more(tmp_path: Path) -> None:
    """A folder's file doesn't grow with every run: the shorter series of before are dropped."""
    found(tmp_path, Search(), *SERIES)
    found(tmp_path, Search(), SERIES[1])
    search = Search()
    found(tmp_path, search, *SERIES)
    assert search.searched == 2


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b'{"schema": "another", "rules": "1, ruptures 1.1.10", "found": {}}',
        b'{"schema": "asgi-bench/changes", "rules": 1, "found": {}}',
        b'{"schema": "asgi-bench/changes", "rules": "1", "found": {"a": {"steps": 1}}}',
    ],
)
def test_unusable_file_costs_a_search(tmp_path: Path, content: bytes) -> None:
    """What is damaged or another's counts for nothing and is replaced."""
    (tmp_path / CHANGES_FILE).write_bytes(content)
    search = Search()
    assert found(tmp_path, search, *SERIES) == [find_changes(values) for values in SERIES]
    assert search.searched == len(SERIES)
    found(tmp_path, search, *SERIES)
    assert search.searched == len(SERIES)


def test_folder_that_takes_no_file_is_no_fault(tmp_path: Path) -> None:
    """Where the file can't be written each history searches, and says the same."""
    missing = tmp_path / "missing"
    search = Search()
    for _ in range(2):
        assert found(missing, search, SERIES[0]) == [find_changes(SERIES[0])]
    assert search.searched == 2
