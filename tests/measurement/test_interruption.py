import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from asgi_bench.errors import BenchError, Interrupted
from asgi_bench.measurement.interruption import orderly_interruption, uninterrupted


@pytest.fixture
def in_a_terminal() -> Iterator[None]:
    """A hang-up ends the process, as it does unless the tests run under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("in_a_terminal")
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_becomes_one_exception_with_the_code_a_shell_expects(
    number: signal.Signals, code: int
) -> None:
    """The first signal interrupts; more of them while things are stopped do not."""
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    ended: list[str] = []
    with pytest.raises(Interrupted, match=f"interrupted by {number.name}") as caught:
        with orderly_interruption():
            try:
                os.kill(os.getpid(), number)
                pytest.fail("it went on")
            finally:
                for again in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                    os.kill(os.getpid(), again)
                ended.append("all of it")
    assert caught.value.exit_code == code
    assert ended == ["all of it"]
    after = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    assert after == before


def test_a_step_that_must_be_complete_is_completed_first() -> None:
    """A signal inside `uninterrupted` interrupts as soon as the outermost of them is left."""
    done: list[str] = []
    with pytest.raises(Interrupted, match="SIGTERM"):
        with orderly_interruption():
            with uninterrupted():
                with uninterrupted():
                    os.kill(os.getpid(), signal.SIGTERM)
                    done.append("inner")
                os.kill(os.getpid(), signal.SIGINT)
                done.append("outer")
            done.append("after")
    assert done == ["inner", "outer"]
    with orderly_interruption(), uninterrupted():
        done.append("again")
    assert done[-1] == "again"


class Freed:
    """What a signal comes to while Python frees it."""

    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        sum(range(10))


def test_a_signal_that_python_drops_interrupts_at_the_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What is raised while an object is freed is dropped; no traceback, and no exit code of 0."""
    done: list[str] = []
    with pytest.raises(Interrupted, match="SIGTERM"):
        with orderly_interruption():
            del (freed := [Freed()])[:]
            done.append("went on")
    assert (freed, done) == ([], ["went on"])
    assert capsys.readouterr().err == ""


def test_what_skips_a_damaged_trial_does_not_skip_a_signal() -> None:
    """An interruption is no fault of a run."""
    with pytest.raises(Interrupted), orderly_interruption(), suppress(BenchError):
        os.kill(os.getpid(), signal.SIGTERM)


def test_without_a_signal_nothing_happens() -> None:
    """The handlers there were come back."""
    before = signal.getsignal(signal.SIGTERM)
    with orderly_interruption():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def test_under_nohup_the_end_of_the_terminal_is_no_interruption() -> None:
    """A SIGHUP that was ignored before stays ignored; SIGTERM still interrupts."""
    script = (
        "import os, signal\n"
        "from asgi_bench.measurement.interruption import orderly_interruption\n"
        "with orderly_interruption():\n"
        "    os.kill(os.getpid(), signal.SIGHUP)\n"
        "    print('goes on', flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
    )
    done = subprocess.run(
        ["nohup", sys.executable, "-c", script],
        cwd=Path(__file__).parent,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.stdout == "goes on\n"
    assert "Interrupted: interrupted by SIGTERM" in done.stderr
