"""One measuring run per machine: two at once would measure each other.

Nothing disturbs a run that counts, but it disturbs one that measures. So counts share the lock: any
number of them at once, and none beside a measuring run.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from asgi_bench.errors import BenchError
from asgi_bench.machine.processes import PROC

# /tmp and not the user's own TMPDIR or runtime folder: the lock is for all users of the machine.
LOCK_PATH = Path("/tmp/asgi-bench.lock")  # noqa: S108  (`_open` follows no link)

_POLL_S = 0.2
_MOST_BYTES = 10_000


class Holder(msgspec.Struct, frozen=True):
    """Who measures or counts now: a line in the lock file for anyone who finds it locked."""

    pid: int
    since: str


@contextlib.contextmanager
def measuring_lock(
    wait_s: float = 0.0,
    *,
    announce: Callable[[str], None] | None = None,
    shared: bool = False,
    path: Path = LOCK_PATH,
) -> Iterator[None]:
    """Hold the machine's measuring lock; `shared` with others who share it.

    If another run holds it, `announce` is called once, and its end is awaited for up to `wait_s`
    seconds; then BenchError, naming the holder's pid and since when. The kernel drops the lock
    with its process, so a killed run leaves none behind.
    """
    handle = _open(path)
    try:
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        _acquire(handle, kind, wait_s, announce, path)
        _sign(handle, anew=not shared)
        try:
            yield
        finally:
            # The file stays: removing it would let two runs lock two files of one name. Who leaves
            # others behind leaves the signatures too: those of the dead are passed over.
            with contextlib.suppress(OSError):
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.ftruncate(handle, 0)
    finally:
        os.close(handle)


def _open(path: Path) -> int:
    """A descriptor of the lock file, writable if it may be; a lock needs only a readable one.

    O_CREAT comes only with O_EXCL: the kernel may refuse it on another user's file in /tmp
    (sysctl fs.protected_regular). O_NOFOLLOW, since anyone may put a link there.
    """
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
        os.fchmod(handle, 0o666)  # The umask must not lock other users out.
        return handle
    except FileExistsError:
        pass
    except OSError as error:
        raise BenchError(f"can't create the measuring lock {path}: {error.strerror}") from error
    try:
        try:
            return os.open(path, os.O_RDWR | os.O_NOFOLLOW)
        except PermissionError:
            return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise BenchError(f"can't open the measuring lock {path}: {error.strerror}") from error


def _acquire(
    handle: int, kind: int, wait_s: float, announce: Callable[[str], None] | None, path: Path
) -> None:
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            pass
        who = f"another run is measuring on this machine ({_describe_holders(handle)})"
        if time.monotonic() >= deadline:
            raise BenchError(
                f"{who}; start again when it has finished, or wait for it with --wait 10m "
                f"(lock: {path})"
            )
        if announce is not None:
            announce(f"{who}; waiting up to {wait_s:g} s")
            announce = None
        time.sleep(min(_POLL_S, max(0.0, deadline - time.monotonic())))


def _describe_holders(handle: int) -> str:
    told = [
        f"pid {holder.pid}, since {holder.since}"
        for line in os.pread(handle, _MOST_BYTES, 0).splitlines()
        if (holder := _holder(line)) is not None and (PROC / str(holder.pid)).exists()
    ]
    # It has locked but not signed yet.
    return "; ".join(told) or "its pid is not known"


def _holder(line: bytes) -> Holder | None:
    try:
        return msgspec.json.decode(line, type=Holder)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _sign(handle: int, *, anew: bool) -> None:
    since = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    line = msgspec.json.encode(Holder(os.getpid(), since)) + b"\n"
    with contextlib.suppress(OSError):  # Another user's lock file may be read-only.
        if anew:
            os.ftruncate(handle, 0)
        # Two who share it may sign over one another: one of the two is then not named.
        os.pwrite(handle, line, os.fstat(handle).st_size)
