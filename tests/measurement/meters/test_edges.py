import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from asgi_bench.measurement.meters.edges import meter_modules
from asgi_bench.measurement.meters.meter import Counter, Scene, Spent

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


def test_what_a_process_spends_between_the_readings_is_told() -> None:
    """Waits are counted one by one, CPU time in steps of 10 ms, and nothing from before."""
    meters = [module.meter() for module in meter_modules()]
    told: dict[str, float] = {}
    with worker() as process:
        scene = Scene((process.pid,), server_cpus=(0,))
        spend(process, 50, 0.1)
        for meter in meters:
            meter.begin(scene)
        spend(process, 300, 0.2)
        for meter in meters:
            told |= meter.end(scene, Spent(0.2))
    # Each sleep is one, as is the wait for the next line; a wait may end before it began.
    assert 290 <= told["voluntary_switches"] <= 310
    assert told["involuntary_switches"] >= 0
    assert 0.15 <= told["server_user_s"] + told["server_system_s"] <= 0.35
    assert told["server_user_s"] > 0 and told["server_system_s"] > 0
    assert told["server_wait_s"] >= 0 and told["neighbour_cpu_s"] == 0
    assert {"steal_s", "other_cpu_s"} <= told.keys()


def test_every_name_that_a_meter_tells_has_a_meaning() -> None:
    """`TOLD` is what users read; no two meters tell the same."""
    scene = Scene((os.getpid(),), server_cpus=(0,), load_cpus=(0,))
    names: list[str] = []
    for module in meter_modules():
        meter = module.meter()
        meter.begin(scene)
        assert meter.end(scene, Spent(0.0)).keys() <= module.TOLD.keys()
        names += module.TOLD
    assert len(names) == len(set(names)) > 8


def test_counts_that_end_with_a_process_are_left_out() -> None:
    """A sum over those that live tells nothing where one is gone; else it has grown, or not."""
    counts = iter([{"a": 5.0, "b": 9.0}, {"a": 7.0, "b": 8.0, "c": 1.0}])
    counter = Counter(lambda _: next(counts))
    counter.begin(Scene(()))
    assert counter.end(Scene(()), Spent(0.0, has_ended=True)) == {"a": 2.0, "b": 0.0}
    dying = Counter(lambda _: {"a": 1.0}, dies_with_processes=True)
    dying.begin(Scene(()))
    assert dying.end(Scene(()), Spent(0.0, has_ended=True)) == {}
    assert dying.end(Scene(()), Spent(0.0)) == {"a": 0.0}
