"""Counts of whole lives, and how these may end."""

from pathlib import Path

import pytest

from asgi_bench.counting import lives
from asgi_bench.counting.lives import count_lives
from asgi_bench.counting.members import Patience
from asgi_bench.model.counts import Backend, Counter, Life, Tally
from asgi_bench.serving.faults import ServerFault
from tests.counting.members import asked_of, needs_setarch


class Plain:
    """A backend that counts nothing: what happens to a life is the same."""

    backend: Backend = "strace"
    counter: Counter = "syscalls"
    patience = 1.0

    def __init__(self, lack: str | None = None, own_fault: str | None = None) -> None:
        self._lack = lack
        self._own_fault = own_fault

    def missing(self) -> str | None:
        """Never."""
        return None

    def prefix(self, folder: Path) -> tuple[str, ...]:
        """Start the server as it is."""
        return ()

    def tally(self, folder: Path) -> Tally:
        """One of everything, or a fault."""
        if self._lack is not None:
            raise ServerFault(self._lack)
        return Tally(total=1)

    def fault(self, folder: Path) -> str | None:
        """What it was told to say."""
        return self._own_fault


def _lives(folder: Path, *modes: str, backend: Plain | None = None) -> list[Life]:
    """Lives that are counted side by side, of a server in these modes."""
    counts = folder / "counts"
    counts.mkdir()
    return count_lives(asked_of(folder, *modes), backend or Plain(), counts, Patience(20.0, 2.0))


@needs_setarch
def test_what_goes_wrong_is_the_reason_of_its_own_life(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are counted as if nothing had happened, and all serve for the same time."""
    monkeypatch.setattr(lives, "_STOP_TIMEOUT_S", 1.0)
    found = _lives(tmp_path, "good", "wrong", "exits", "silent", "absent", "stays", "good")
    first, wrong, exits, silent, absent, stays, last = found
    for good in (first, last):
        assert (good.reason, good.requests, good.tally) == (None, 30, Tally(total=1))
    assert first.serving_s == pytest.approx(last.serving_s, abs=0.5)
    reasons = [str(one.reason) for one in (wrong, exits, silent, absent, stays)]
    assert "a body other than the expected one of 5 bytes" in reasons[0]
    assert "code 3" in reasons[1] and "out of order" in reasons[1]
    assert "no complete response within 2 s" in reasons[2]
    assert "/no/such/server" in reasons[3]
    assert reasons[4] == "did not end within 1 s of SIGTERM"
    assert {one.tally for one in (wrong, exits, silent, absent, stays)} == {None}


@needs_setarch
def test_a_fault_of_the_counting_is_told_before_the_server_s(tmp_path: Path) -> None:
    """A server that ends under a backend may have ended by it; without a count there is none."""
    for name, backend in (("own", Plain("lost", "unknown instruction")), ("lost", Plain("lost"))):
        (tmp_path / name).mkdir()
        exits, good = _lives(tmp_path / name, "exits", "good", backend=backend)
        assert (good.reason, good.tally) == (
            "unknown instruction" if name == "own" else "lost",
            None,
        )
        told = "unknown instruction" if name == "own" else "code 3"
        assert told in str(exits.reason)
