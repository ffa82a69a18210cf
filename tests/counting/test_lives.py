"""How lives are started, in which layouts of memory, with what; and how they may end."""

import shutil
import sys
from pathlib import Path

import pytest

from asgi_bench.counting import lives
from asgi_bench.counting.lives import Asked, Patience, count_lives, layout_variables
from asgi_bench.model import Cell, ClosedLoop, PlannedCell, Scenario
from asgi_bench.model.counts import Backend, Counter, Life, Tally
from asgi_bench.serving.faults import ServerFault

# Answers as it is told, the first ones rightly: readiness takes some.
SERVER = """
import os, signal, socket, sys, time
mode, RIGHT = sys.argv[2], 20
signal.signal(signal.SIGTERM, signal.SIG_IGN if mode == "stays" else lambda *_: os._exit(0))
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
answered = 0
while True:
    peer, _ = listener.accept()
    while peer.recv(65536):
        answered += 1
        if answered > RIGHT:
            if mode == "exits":
                print("out of order", flush=True); os._exit(3)
            if mode == "silent":
                time.sleep(60)
        body = b"bye" if mode == "wrong" and answered > RIGHT else b"hello"
        peer.sendall(b"HTTP/1.1 200 OK\\r\\ncontent-length: %d\\r\\n\\r\\n" % len(body) + body)
    peer.close()
"""
HELLO = Scenario(name="hello", app="hello:app", expect_body="hello")
needs_setarch = pytest.mark.skipif(
    shutil.which("setarch") is None, reason="setarch (util-linux) is not installed"
)

CELL = Cell("uvicorn", "default", 1, "hello", ClosedLoop(1))


def test_layouts_are_environments() -> None:
    """The first adds nothing but a fixed hash seed; another is the same each time it is made."""
    assert layout_variables(0) == {"PYTHONHASHSEED": "0", "ASGI_BENCH_LAYOUT": ""}
    assert layout_variables(3) == layout_variables(3)
    assert len({repr(layout_variables(layout)) for layout in range(50)}) == 50
    assert all(len(layout_variables(layout)) > 2 for layout in range(1, 50))


def test_what_a_runner_adds_yields_to_a_flag_of_the_users() -> None:
    """A flag that stands in the command already is left as it is."""
    added = ("--http-parser", "python")
    plain = PlannedCell(CELL, ("python", "server"), count_args=added)
    chosen = PlannedCell(CELL, ("python", "server", "--http-parser=fast"), count_args=added)
    assert plain.counting_command == ("python", "server", *added)
    assert chosen.counting_command == chosen.command


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
    asked = []
    for number, mode in enumerate(modes):
        command = (sys.executable, "-I", "-S", "-c", SERVER, "{port}", mode)
        cell = Cell("tiny", f"{mode}-{number}", 1, "hello", ClosedLoop(1))
        planned = PlannedCell(cell, command if mode != "absent" else ("/no/such/server",))
        asked.append(Asked(planned, HELLO, 0, 30, folder / f"{number}.log"))
    counts = folder / "counts"
    counts.mkdir()
    return count_lives(asked, backend or Plain(), counts, Patience(20.0, 2.0))


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
