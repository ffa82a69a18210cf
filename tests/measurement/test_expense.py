import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from asgi_bench.machine.energy import EnergyMeter
from asgi_bench.measurement.expense import Expense, ExpenseMeter

# For each line it is told: so many sleeps, each a voluntary switch, then CPU time of its own.
WORKER = """
import os, sys, time
for line in sys.stdin:
    sleeps, cpu_s = line.split()
    for _ in range(int(sleeps)):
        time.sleep(1e-6)
    end = time.process_time() + float(cpu_s)
    while time.process_time() < end:
        pass
    print(flush=True)
"""


@contextmanager
def worker() -> Iterator[subprocess.Popen[str]]:
    """A process that spends what it is told to."""
    argv = [sys.executable, "-I", "-S", "-c", WORKER]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


def spend(process: subprocess.Popen[str], sleeps: int, cpu_s: float) -> None:
    """Let it spend, and wait until it has."""
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(f"{sleeps} {cpu_s}\n")
    process.stdin.flush()
    process.stdout.readline()


def test_what_a_process_spends_between_the_readings_is_told(tmp_path: Path) -> None:
    """Waits are counted one by one, CPU time in steps of 10 ms, and nothing from before."""
    with worker() as process:
        spend(process, 50, 0.1)
        meter = ExpenseMeter([process.pid], EnergyMeter(tmp_path))
        spend(process, 300, 0.2)
        spent = meter.read([process.pid])
    assert spent.voluntary_switches is not None and spent.involuntary_switches is not None
    # Each sleep is one, as is the wait for the next line; a wait may end before it began.
    assert 290 <= spent.voluntary_switches <= 310
    assert spent.involuntary_switches >= 0
    assert 0.15 <= spent.user_s + spent.system_s <= 0.35
    assert spent.user_s > 0 and spent.system_s > 0
    assert spent.machine_energy_j is None


def test_slices_add_up_and_energy_only_where_all_tell() -> None:
    """The sum over slices is the trial's; one slice without energy leaves the trial without."""
    one, other = Expense(0.5, 0.25, 10, 2, 1.5), Expense(0.25, 0.25, 5, 1, 0.5)
    assert one + other == Expense(0.75, 0.5, 15, 3, 2.0)
    silent = Expense(0.0, 0.0, 0, 0, None)
    assert (one + silent).machine_energy_j is None


def test_energy_is_that_of_the_slice(tmp_path: Path) -> None:
    """What the packages took before a slice is not the slice's."""
    folder = tmp_path / "intel-rapl:0"
    folder.mkdir()
    for name, text in (("name", "package-0"), ("max_energy_range_uj", "1000000000")):
        (folder / name).write_text(text)
    (folder / "energy_uj").write_text("0")
    energy = EnergyMeter(tmp_path)
    (folder / "energy_uj").write_text("3000000")
    meter = ExpenseMeter([], energy)
    (folder / "energy_uj").write_text("3250000")
    assert meter.read([]).machine_energy_j == pytest.approx(0.25)
