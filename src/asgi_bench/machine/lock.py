"""One measuring run per machine: two at once would measure each other."""

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

# /tmp and not the user's own TMPDIR or runtime folder: the lock is for all users of the machine.
LOCK_PATH = Path("/tmp/asgi-bench.lock")

_POLL_S = 0.2


class Holder(msgspec.Struct, frozen=True):
    """Who measures now: written into the lock file for the one who finds it locked."""

    pid: int
    since: str


@contextlib.contextmanager
def measuring_lock(
    wait_s: float = 0.0,
    *,
    announce: Callable[[str], None] | None = None,
    path: Path = LOCK_PATH,
) -> Iterator[None]:
    """Hold the machine's measuring lock.

    If another run holds it: `announce` is told so once, and for up to `wait_s` seconds its end is
    awaited; then BenchError, naming the holder's pid and since when. The kernel drops the lock
    with its process, so a killed run leaves none behind.
    """
    handle = _open(path)
    try:
        _acquire(handle, wait_s, announce, path)
        _sign(handle)
        try:
            yield
        finally:
            # The file stays: removing it would let two runs lock two files of one name.
            with contextlib.suppress(OSError):
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
            return os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError as error:
        raise BenchError(f"can't open the measuring lock {path}: {error.strerror}") from error


def _acquire(
    handle: int, wait_s: float, announce: Callable[[str], None] | None, path: Path
) -> None:
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            pass
        who = f"another run is measuring on this machine ({_describe_holder(handle)})"
        if time.monotonic() >= deadline:
            raise BenchError(f"{who}; start again when it has ended (lock: {path})")
        if announce is not None:
            announce(f"{who}; waiting up to {wait_s:g} s")
            announce = None
        time.sleep(min(_POLL_S, max(0.0, deadline - time.monotonic())))


def _describe_holder(handle: int) -> str:
    try:
        holder = msgspec.json.decode(os.pread(handle, 1000, 0), type=Holder)
    except msgspec.DecodeError:  # It has locked but not signed yet.
        return "its pid is not known"
    return f"pid {holder.pid}, since {holder.since}"


def _sign(handle: int) -> None:
    since = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    with contextlib.suppress(OSError):  # Another user's lock file may be read-only.
        os.ftruncate(handle, 0)
        os.pwrite(handle, msgspec.json.encode(Holder(os.getpid(), since)), 0)
