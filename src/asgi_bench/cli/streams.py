"""Output during a measurement may lose its reader; that must not end the run."""

import errno
import functools
import os
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from typing import Any, TextIO

from asgi_bench.plain_text import harmless_lines

# A pipe whose reader has ended, as `head` does, and a terminal that was closed.
_NOBODY_READS = frozenset((errno.EPIPE, errno.EIO))


class _Enduring:
    """A text stream that writes into the void once nobody reads it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write a text, or drop it."""
        return int(self._try(functools.partial(self._stream.write, text)) or len(text))

    def flush(self) -> None:
        """Hand on what was written, or drop it."""
        self._try(self._stream.flush)

    def _try(self, do: Callable[[], Any]) -> Any:
        try:
            return do()
        except OSError as fault:
            if fault.errno not in _NOBODY_READS:
                raise
            # What is still buffered goes there too.
            void = os.open(os.devnull, os.O_WRONLY)
            os.dup2(void, self._stream.fileno())
            os.close(void)
            return None


def with_enduring_streams(verb: Callable[..., None]) -> Callable[..., None]:
    """Let a verb go on if nobody reads its stdout or stderr any more."""

    @functools.wraps(verb)
    def enduring(*args: Any, **values: Any) -> None:
        out: Any = _Enduring(sys.stdout)
        error: Any = _Enduring(sys.stderr)
        with redirect_stdout(out), redirect_stderr(error):
            verb(*args, **values)

    return enduring


def say(text: str) -> None:
    """Print something beside the results."""
    print(harmless_lines(text), file=sys.stderr)
