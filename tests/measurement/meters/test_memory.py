import subprocess
import sys
from collections.abc import Iterator

import pytest

from asgi_bench.measurement.meters import memory as memory_meter
from asgi_bench.measurement.meters.memory import MemoryWatch

MIB = 1024**2
# Takes so many MiB more for each line it is told, or gives all back.
GROWING = """
import sys
print(flush=True)
held = []
for line in sys.stdin:
    size = int(line)
    if size:
        held.append(b"x" * (size * 1024**2))
    else:
        held.clear()
    print(flush=True)
"""


@pytest.fixture
def growing() -> Iterator[subprocess.Popen[str]]:
    """A process whose memory grows on demand."""
    argv = [sys.executable, "-I", "-S", "-c", GROWING]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdout.readline()
        yield process
        process.stdin.close()


def grow(process: subprocess.Popen[str], mebibytes: int) -> None:
    """Let it take so much more; 0 gives back all it took."""
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(f"{mebibytes}\n")
    process.stdin.flush()
    process.stdout.readline()


def test_the_peak_outlives_what_was_given_back(
    growing: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory that was there between two slices and is gone at the end is in the peak."""
    monkeypatch.setattr(memory_meter, "SHORTEST_PAUSE_S", 0.0)
    memory = MemoryWatch()
    idle = memory.read([growing.pid])
    grow(growing, 32)
    memory.look([growing.pid], 0)
    grow(growing, 0)
    loaded = memory.read([growing.pid])
    assert idle is not None and loaded is not None and memory.pss_bytes is not None
    assert memory.pss_bytes >= idle + 31 * MIB
    assert loaded <= memory.pss_bytes - 31 * MIB


def test_looking_costs_a_reading_only_where_memory_grew(
    growing: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that stays as it is must not be read between all slices, nor one too often."""
    monkeypatch.setattr(memory_meter, "SHORTEST_PAUSE_S", 0.0)
    memory = MemoryWatch()
    memory.read([growing.pid])
    readings: list[int] = []

    def counted(pids: list[int]) -> int:
        readings.extend(pids)
        return 1

    monkeypatch.setattr(memory_meter, "pss_bytes", counted)
    memory.look([growing.pid], 0)
    assert not readings
    grow(growing, 16)
    memory.look([growing.pid], 0)
    assert readings == [growing.pid]
    monkeypatch.setattr(memory_meter, "SHORTEST_PAUSE_S", 3600.0)
    grow(growing, 16)
    memory.look([growing.pid], 0)
    assert readings == [growing.pid]


def test_without_processes_there_is_no_figure() -> None:
    """What can't be read is unknown, not 0."""
    memory = MemoryWatch()
    assert memory.read([]) is None
    memory.look([], 0)
    assert memory.pss_bytes is None
