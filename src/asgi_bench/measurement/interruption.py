"""Ctrl-C and SIGTERM as one orderly exception: everything started is stopped on its way out."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from asgi_bench.errors import BenchError


class Interrupted(BenchError):
    """The run was stopped from outside; exits as a shell expects, with 128 + the signal."""

    def __init__(self, number: int) -> None:
        super().__init__(f"interrupted by {signal.Signals(number).name}")
        self.exit_code = 128 + number


@contextmanager
def orderly_interruption() -> Iterator[None]:
    """Raise Interrupted in the main thread at the first signal; further ones are too late.

    Stopping the servers takes a moment, and a second Ctrl-C must not leave half of them.
    """

    def ignore(number: int, frame: FrameType | None) -> None:
        pass

    def interrupt(number: int, frame: FrameType | None) -> None:
        for each in signals:
            signal.signal(each, ignore)
        raise Interrupted(number)

    signals = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        # Under nohup a run outlives its terminal.
        signals.append(signal.SIGHUP)
    before = {each: signal.signal(each, interrupt) for each in signals}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
