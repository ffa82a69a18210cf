"""Counters of the kernel and the CPU: why there are none, and what they stand at."""

import errno
import os
from pathlib import Path

import pytest

from asgi_bench.machine import perf_events
from asgi_bench.machine.perf_events import open_counter, read_counter, reason_of, why_not


@pytest.mark.parametrize(
    ("code", "paranoid", "reason"),
    [
        (errno.ENOENT, "2", "exposes no counters of its CPU"),
        (errno.EOPNOTSUPP, "2", "exposes no counters of its CPU"),
        (errno.EACCES, "4", "kernel.perf_event_paranoid is 4; at 2, a process may count"),
        (errno.EPERM, "1", "seccomp profile"),
        (errno.EACCES, None, "may not count"),
        (errno.ENOSYS, "2", "the kernel has no perf_event_open"),
        (errno.EMFILE, "2", os.strerror(errno.EMFILE)),
    ],
)
def test_what_is_missing_is_named(
    code: int, paranoid: str | None, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each way in which a machine has no counters is told in its own words, with what mends it."""
    level = tmp_path / "perf_event_paranoid"
    if paranoid is not None:
        level.write_text(f"{paranoid}\n")
    monkeypatch.setattr(perf_events, "_PARANOID", level)
    assert reason in reason_of(code)


def test_an_unknown_architecture_has_no_counters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the number of the system call isn't known, none is made."""
    monkeypatch.setattr("platform.machine", lambda: "vax")
    assert why_not("page-faults") == "the kernel has no perf_event_open"


def test_a_counter_waits_for_the_next_exec() -> None:
    """What this process itself does isn't counted."""
    if (reason := why_not("page-faults")) is not None:
        pytest.skip(reason)
    descriptor = open_counter("page-faults", "user")
    try:
        bytearray(1 << 22)
        assert read_counter(descriptor) == (0, True)
    finally:
        os.close(descriptor)
