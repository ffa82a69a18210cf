"""A program's output in a file that can't fill the disk: its beginning and its end are kept.

A program writes to a file of its own, never to a pipe, which would hold it up. So the file is cut
without its knowledge: the program appends (O_APPEND), and goes on at the new end. The kernel's own
limit (RLIMIT_FSIZE) would affect the program's other files as well, and a sealed file would fail
its writes.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

# The start tells what a program is, its end why it ended; a server that is well writes neither.
HEAD_BYTES = 128 * 1024
TAIL_BYTES = 128 * 1024
# A file is cut when it is longer by so much: not at each of its lines.
_SLACK_BYTES = 128 * 1024
LIMIT_BYTES = HEAD_BYTES + TAIL_BYTES + _SLACK_BYTES
# Looked at so often, also while there is load. A program that writes 134 MB a second has 34 MB on
# the disk by then; looking at ten logs takes 0.05 % of one of the generator's CPUs.
_LOOK_EVERY_S = 0.25
# After a cut what came meanwhile is looked for so often, each time in less than a millisecond.
_MOST_LOOKS = 8
_NOTE = "\n[asgi-bench cut {} bytes here]\n"


class BoundedLog:
    """One program's part of a log file: from where it was opened to where it was marked.

    Offsets count what was written, whether or not it is still there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.bytes_cut = 0
        self._begin: int | None = None
        self._end: int | None = None
        self._head_bytes = 0
        self._note_bytes = 0
        self._lock = threading.Lock()
        self._handle: int | None = None

    @contextlib.contextmanager
    def opened(self) -> Iterator[int]:
        """Return a descriptor for programs to inherit; from here on the file is kept short."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as log:
            # Without O_APPEND, which would send what is put in the middle to the end.
            self._handle = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
            self._begin = log.tell()
            _KEEPER.watch(self)
            yield log.fileno()

    def mark_end(self) -> None:
        """Exclude what comes from here on from `text`; the first mark counts."""
        with self._lock:
            if self._handle is not None and self._end is None:
                self._end = self._written()

    def close(self) -> None:
        """Cut for the last time; the program has ended."""
        self.mark_end()
        _KEEPER.forget(self)
        self.trim()
        with self._lock:
            if self._handle is not None:
                os.close(self._handle)
                self._handle = None

    def text(self) -> str:
        """What was written between opening and the mark, or now; if it is long, its two ends."""
        with self._lock:
            if self._begin is None:
                return ""
            with self.path.open("rb") as log:
                size = os.fstat(log.fileno()).st_size
                end = size if self._end is None else min(self._place(self._end), size)
                begin = min(self._place(self._begin), end)
                head = os.pread(log.fileno(), min(HEAD_BYTES, end - begin), begin)
                rest = end - begin - len(head)
                read = min(rest, TAIL_BYTES + _SLACK_BYTES)
                tail = os.pread(log.fileno(), read, end - read)
        gap = b"\n" if read < rest else b""
        return (head + gap + tail).decode(errors="replace")

    def trim(self) -> None:
        """Cut the middle out of a file that has grown too long."""
        with self._lock:
            if self._handle is not None:
                size = os.fstat(self._handle).st_size
                if size > LIMIT_BYTES:
                    self._cut(self._handle, size)

    def _cut(self, handle: int, size: int) -> None:
        if not self._note_bytes:
            head = os.pread(handle, HEAD_BYTES, 0)
            self._head_bytes = head.rfind(b"\n") + 1 or len(head)
        tail = os.pread(handle, TAIL_BYTES, size - TAIL_BYTES)
        tail = tail[tail.find(b"\n") + 1 :]
        gone = size - self._head_bytes - self._note_bytes - len(tail)
        note = _NOTE.format(self.bytes_cut + gone).encode()
        end = self._head_bytes + os.pwrite(handle, note + tail, self._head_bytes)
        # What came meanwhile may be why the program ended. A flood outruns this: some of it is cut.
        for _ in range(_MOST_LOOKS):
            late = os.pread(handle, _SLACK_BYTES, size)
            if not late:
                break
            size += len(late)
            end += os.pwrite(handle, late, end)
        lost = os.fstat(handle).st_size - size
        os.ftruncate(handle, end)
        self.bytes_cut += gone + lost
        self._note_bytes = len(note)

    def _written(self) -> int:
        assert self._handle is not None
        return os.fstat(self._handle).st_size + self.bytes_cut - self._note_bytes

    def _place(self, offset: int) -> int:
        """Where in the file an offset lies now: behind the cut where it was cut away."""
        if offset <= self._head_bytes or not self._note_bytes:
            return offset
        return max(self._head_bytes, offset - self.bytes_cut) + self._note_bytes


class _Keeper:
    """A thread that looks at the logs of all programs that run, while there are any.

    It sleeps but for some microseconds. It can't be done between slices alone: Locust's own users
    aren't sliced, and a slice may last as long as its server is slow.
    """

    def __init__(self) -> None:
        self._logs: tuple[BoundedLog, ...] = ()
        self._lock = threading.Lock()
        self._has_none = threading.Event()

    def watch(self, log: BoundedLog) -> None:
        """Look at this log too, from now on."""
        with self._lock:
            is_first = not self._logs
            self._logs = (*self._logs, log)
            if is_first:
                self._has_none = threading.Event()
                thread = threading.Thread(target=self._keep, args=(self._has_none,), daemon=True)
                thread.start()

    def forget(self, log: BoundedLog) -> None:
        """Look at this log no more; the last one ends the thread."""
        with self._lock:
            self._logs = tuple(one for one in self._logs if one is not log)
            if not self._logs:
                self._has_none.set()

    def _keep(self, has_none: threading.Event) -> None:
        while not has_none.wait(_LOOK_EVERY_S):
            for log in self._logs:
                # A full disk fails the look, not what is measured.
                with contextlib.suppress(OSError):
                    log.trim()


_KEEPER = _Keeper()
