"""Ctrl-C and SIGTERM as one orderly exception: everything that was started is stopped."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from asgi_bench.errors import Interrupted

if TYPE_CHECKING:
    from sys import UnraisableHookArgs


class _Hold:
    """Whether an interruption has to wait, and the one that does."""

    def __init__(self) -> None:
        self.depth = 0
        self.number: int | None = None

    def interrupt(self, number: int) -> None:
        """Raise Interrupted, or later."""
        if self.depth:
            self.number = number
        else:
            raise Interrupted(number)

    def release(self) -> None:
        """One less to wait for."""
        self.depth -= 1
        if not self.depth and self.number is not None:
            number, self.number = self.number, None
            raise Interrupted(number)


_hold = _Hold()


@contextmanager
def orderly_interruption() -> Iterator[None]:
    """Raise Interrupted in the main thread at the first signal; further ones are ignored.

    Stopping the servers takes a moment, and a second Ctrl-C must not leave half of them. Python
    drops exceptions that are raised while it frees an object or calls a weak reference back, which
    happens all the time when charts are drawn; so a signal that had no effect is raised at the end
    of the block.
    """
    came: list[int] = []

    def ignore(number: int, frame: FrameType | None) -> None:
        pass

    def interrupt(number: int, frame: FrameType | None) -> None:
        for each in signals:
            signal.signal(each, ignore)
        came.append(number)
        _hold.interrupt(number)

    def without_dropped(dropped: "UnraisableHookArgs") -> None:
        if not isinstance(dropped.exc_value, Interrupted):
            hook(dropped)

    signals = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        # Under nohup a run outlives its terminal.
        signals.append(signal.SIGHUP)
    before = {each: signal.signal(each, interrupt) for each in signals}
    hook, sys.unraisablehook = sys.unraisablehook, without_dropped
    try:
        yield
    finally:
        sys.unraisablehook = hook
        for each, handler in before.items():
            signal.signal(each, handler)
    if came:
        raise Interrupted(came[0])


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold an interruption back until the block is complete.

    For a process between its start and the moment from which somebody will end it. Signals can't
    be blocked for that: the process would inherit the mask.
    """
    _hold.depth += 1
    try:
        yield
    finally:
        _hold.release()
