"""Counts of windows: what is in them, and what may go wrong."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from asgi_bench.counting.backends.counting import Counted, CountingWindows
from asgi_bench.counting.members import Patience
from asgi_bench.counting.windows import count_windows, summed
from asgi_bench.model.counts import Backend, Counter, Life, Tally
from asgi_bench.serving.faults import ServerFault
from tests.counting.members import asked_of, needs_setarch


class Marks:
    """A backend that counts marks; from a number of them on, its server doesn't take more."""

    backend: Backend = "valgrind"
    counter: Counter = "instructions"
    patience = 1.0

    def __init__(self, *, most: int = 99, lack: str | None = None, own: str | None = None) -> None:
        self._most = most
        self._lack = lack
        self._own = own
        self.told: list[str] = []
        self.pids: set[tuple[int, ...]] = set()

    def missing(self) -> str | None:
        """Never."""
        return None

    def prefix(self, folder: Path) -> tuple[str, ...]:
        """Start the server as it is."""
        return ()

    def begin(self, servers: Sequence[Counted]) -> list[str | None]:
        """Note it."""
        self.told.append("begin")
        return [None for _ in servers]

    def mark(self, servers: Sequence[Counted]) -> list[str | None]:
        """Note it, and who was there."""
        self.told.append("mark")
        self.pids.update(one.pids for one in servers)
        fault = "takes no more" if self.told.count("mark") > self._most else None
        return [fault for _ in servers]

    def windows(self, folder: Path) -> list[Tally]:
        """As many as there were marks, less one."""
        if self._lack is not None:
            raise ServerFault(self._lack)
        count = self.told.count("mark") - 1
        return [Tally(10 + n, {"function": {"f": 10 + n}}, 1) for n in range(count)]

    def fault(self, folder: Path) -> str | None:
        """What it was told to say."""
        return self._own


def _windows(folder: Path, backend: Marks, *modes: str, parts: int = 3) -> list[Life]:
    """Windows of a server in these modes, of ten answers after five."""
    counts = folder / "counts"
    counts.mkdir()
    asked = asked_of(folder, *modes, answers=10)
    return count_windows(asked, backend, counts, Patience(20.0, 2.0), warm_up=5, parts=parts)


@needs_setarch
def test_a_window_with_answers_and_one_without(tmp_path: Path) -> None:
    """Both last as long; equal parts make up the first, and what is before is in neither."""
    backend = Marks()
    answered, idle = _windows(tmp_path, backend, "good")
    assert backend.told == ["begin", *["mark"] * 5]
    assert (answered.requests, answered.by_part) == (9, (10, 11, 12))
    assert answered.tally == Tally(33, {"function": {"f": 33}}, 1)
    assert (idle.requests, idle.by_part) == (0, ())
    assert idle.tally == Tally(13, {"function": {"f": 13}}, 1)
    assert idle.serving_s == answered.serving_s > 0
    assert len(backend.pids) == 1


@needs_setarch
def test_what_goes_wrong_is_one_server_s(tmp_path: Path) -> None:
    """A server that fails has one life with the reason; the other has its windows."""
    wrong, *good = _windows(tmp_path, Marks(), "wrong", "good")
    assert "a body other than the expected one" in str(wrong.reason)
    assert wrong.tally is None
    assert [one.reason for one in good] == [None, None]


@needs_setarch
@pytest.mark.parametrize(
    ("backend", "reason"),
    [
        (Marks(most=2), "takes no more"),
        (Marks(lack="no counts"), "no counts"),
        (Marks(lack="no counts", own="unknown instruction"), "unknown instruction"),
    ],
)
def test_what_can_not_be_counted_says_why(backend: Marks, reason: str, tmp_path: Path) -> None:
    """What the backend knows of its own failure comes first."""
    (life,) = _windows(tmp_path, backend, "good")
    assert (life.reason, life.tally, life.requests) == (reason, None, 0)


def test_parts_are_added_up() -> None:
    """A function that a part doesn't have counts as 0 there."""
    first = Tally(5, {"function": {"f": 3, "g": 2}, "object": {"o": 5}}, 2)
    second = Tally(4, {"function": {"g": 4}, "object": {"o": 4}}, 2)
    assert summed([first, second]) == Tally(
        9, {"function": {"f": 3, "g": 6}, "object": {"o": 9}}, 2
    )


def test_the_double_is_what_it_stands_for() -> None:
    """Windows are counted by what can mark them."""
    assert isinstance(Marks(), CountingWindows)
