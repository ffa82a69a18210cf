"""A timer with nanosecond resolution for an epoll, whose own time-out has 1 ms.

`os.timerfd_create` came with Python 3.13; before that the C library is called directly.
"""

import ctypes
import os
import sys
from typing import Any

TFD_NONBLOCK = os.O_NONBLOCK
TFD_CLOEXEC = os.O_CLOEXEC
TFD_TIMER_ABSTIME = 1
CLOCK_MONOTONIC = 1


class _TimeSpec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _TimerSpec(ctypes.Structure):
    _fields_ = (("interval", _TimeSpec), ("value", _TimeSpec))


class Timer:
    """A one-shot timer on the clock of `perf_counter_ns`; `fd` becomes readable when it is due."""

    def __init__(self) -> None:
        if sys.version_info >= (3, 13):
            self.fd = os.timerfd_create(CLOCK_MONOTONIC, flags=os.TFD_NONBLOCK | os.TFD_CLOEXEC)
        else:
            self._spec = _TimerSpec()
            self._pointer = ctypes.byref(self._spec)
            self._settime: Any = _c_library().timerfd_settime
            self.fd = _c_library().timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)
            if self.fd < 0:
                code = ctypes.get_errno()
                raise OSError(code, os.strerror(code))

    def set_ns(self, due_ns: int) -> None:
        """Arm the timer for a point in time; one that has passed makes it readable at once."""
        if sys.version_info >= (3, 13):
            os.timerfd_settime_ns(self.fd, flags=os.TFD_TIMER_ABSTIME, initial=due_ns)
        else:
            value = self._spec.value
            value.seconds, value.nanoseconds = divmod(due_ns, 1_000_000_000)
            self._settime(self.fd, TFD_TIMER_ABSTIME, self._pointer, None)

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self.fd)


def _c_library() -> Any:
    return ctypes.CDLL(None, use_errno=True)
