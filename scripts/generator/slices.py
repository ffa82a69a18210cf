"""Slices of load generators that take turns on one server: measured, told, judged."""

import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from asgi_bench.load.generator import LoadProcess, LoadSession, slice_arguments
from asgi_bench.load.messages import Load
from asgi_bench.machine.clocks import cpu_s_by_process
from asgi_bench.model import Endpoint, Scenario

CONNECTIONS = 64
# A slice of wrk takes whole seconds; the ramp-up of a command is small against one.
SLICE_S = 1
REQUEST_TIMEOUT_S = 5.0
# At saturation one of the two sides is always at work.
LEAST_BUSY = 0.85
NAME_WIDTH = 32
OURS, WRK, H2LOAD = "FastUser", "wrk", "h2load"

DURATION = r"in (?P<duration>[\d.]+)(?P<unit>ms|s)\b"
WRK_COUNT = re.compile(rf"(?P<count>\d+) requests {DURATION}")
H2LOAD_COUNT = re.compile(rf"finished {DURATION}.*?(?P<count>\d+) succeeded", re.DOTALL)
WRONG = re.compile(r"Socket errors|Non-2xx|[1-9]\d* (?:failed|errored|timeout)")


class Sample(msgspec.Struct, frozen=True):
    """One slice of one generator."""

    round: int
    generator: str
    requests: int
    duration_s: float
    generator_cpu_s: float
    server_cpu_s: float

    @property
    def throughput_rps(self) -> float:
        """Correct answers per second."""
        return self.requests / self.duration_s

    @property
    def cpu_s_per_request(self) -> float:
        """What a request costs the generator."""
        return self.generator_cpu_s / self.requests

    @property
    def server_share(self) -> float:
        """How much of the time the server was at work."""
        return self.server_cpu_s / self.duration_s


# What a slice came to: right answers, seconds, and CPU seconds of the generator.
Counted = tuple[int, float, float]
Measure = Callable[[], Counted]
Served = AbstractContextManager[tuple[Endpoint, tuple[int, ...]]]
Ratios = dict[str, float]
# A ratio's name, its bound, and whether that is the least it may be or the most.
Targets = Sequence[tuple[str, float, str]]


class Bench(NamedTuple):
    """Generators on a server, and what they are compared by."""

    needs: tuple[str, ...]
    """Programs that have to be installed."""
    serve: Callable[[Path, int, random.Random], Served]
    """Runs the server on one CPU, its files in a folder; gives its endpoint and its processes."""
    generators: Callable[[ExitStack, Path, Endpoint], dict[str, Measure]]
    """What loads a slice, by generator."""
    ratios: Callable[[Sequence[Sample]], Ratios]
    targets: Callable[[Sequence[Sample]], Targets]
    facts: Mapping[str, object]
    """What is kept beside the slices."""
    turns: int = 1
    """How often each generator has its turn in a round: several times where slices are short."""
    answer_bytes: int | None = None
    """Of answers whose bytes per second are told."""


def measure(
    benches: Mapping[str, Bench], cpus: tuple[int, ...], rounds: Sequence[int], seed: int
) -> Generator[dict[str, list[Sample]]]:
    """Yield the slices of each of these rounds, by bench.

    The servers share the first CPU, the generators the second: one is at work at a time. Those of
    a bench follow one another, so that the machine is the same for what is compared.
    """
    server_cpu, load_cpu = cpus
    chance = random.Random(seed)
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-generator-")))
        served = {}
        for name, bench in benches.items():
            (scratch / name).mkdir()
            served[name] = stack.enter_context(bench.serve(scratch / name, server_cpu, chance))
        # Every generator is started from here and inherits this.
        os.sched_setaffinity(0, {load_cpu})
        generators = {
            name: bench.generators(stack, scratch / name, served[name][0])
            for name, bench in benches.items()
        }
        for number in rounds:
            # The order is that of the round alone, wherever a run was continued.
            chance = random.Random(f"{seed} {number}")
            found: dict[str, list[Sample]] = {name: [] for name in benches}
            for name in chance.sample(list(benches), len(benches)):
                _, pids = served[name]
                for turn in range(benches[name].turns):
                    of_round = number * benches[name].turns + turn
                    found[name] += _turn(of_round, generators[name], pids, chance)
            yield found


def _turn(
    number: int, generators: Mapping[str, Measure], pids: tuple[int, ...], chance: random.Random
) -> Iterator[Sample]:
    """Yield a slice of each generator."""
    for name in chance.sample(list(generators), len(generators)):
        server_before_s = sum(cpu_s_by_process(pids).values())
        requests, duration_s, cpu_s = generators[name]()
        server_cpu_s = sum(cpu_s_by_process(pids).values()) - server_before_s
        yield Sample(number, name, requests, duration_s, cpu_s, server_cpu_s)


def loaded(session: LoadSession, slice_s: float = SLICE_S) -> Counted:
    """Load one slice by a load process; all answers must be right."""
    result = session.load(Load(session.name, slice_s))
    if result.errors.total:
        sys.exit(f"{session.name}: {result.errors}")
    return result.requests, result.duration_s, result.load_cpu_s


@contextmanager
def ours(
    folder: Path,
    endpoint: Endpoint,
    scenario: Scenario,
    connections: int = CONNECTIONS,
    each: int = 1,
    slice_s: float = SLICE_S,
) -> Iterator[Measure]:
    """Run our load process, its connections open, and give what loads one slice."""
    log = folder / f"ours-{shape_name(connections, each)}-{scenario.stream is not None}.log"
    with LoadProcess(slice_arguments(), log=log) as process:
        process.greet()
        session = LoadSession(process, OURS, REQUEST_TIMEOUT_S)
        session.open(scenario, endpoint, connections, streams=each, warmup_s=0.5)
        yield lambda: loaded(session, slice_s)


def shape_name(connections: int, each: int) -> str:
    """How connections and the streams of each are told, as in a cell's key: `8x8`."""
    return f"{connections}x{each}"


def command(argv: list[str], count: re.Pattern[str]) -> Counted:
    """Load one slice by another program, which prints its count; all answers must be right."""
    with tempfile.TemporaryFile("w+") as file:
        process = subprocess.Popen(argv, stdout=file, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        file.seek(0)
        output = file.read()
    match = count.search(output)
    if process.returncode or match is None or WRONG.search(output):
        sys.exit(f"{' '.join(argv)}: {output}")
    duration_s = float(match["duration"]) / (1000 if match["unit"] == "ms" else 1)
    return int(match["count"]), duration_s, usage.ru_utime + usage.ru_stime


def by_wrk(url: str, slice_s: int = SLICE_S) -> Measure:
    """Return what loads a slice by wrk, which connects anew for it, within its time."""
    argv = [WRK, "-t1", f"-c{CONNECTIONS}", f"-d{slice_s}s", url]
    return lambda: command(argv, WRK_COUNT)


def pairs(samples: Sequence[Sample], ours: str, theirs: str) -> list[tuple[Sample, Sample]]:
    """Return the slices of two generators in each round that has both."""
    found = {(sample.round, sample.generator): sample for sample in samples}
    rounds = sorted({sample.round for sample in samples})
    return [
        (found[n, ours], found[n, theirs])
        for n in rounds
        if (n, ours) in found and (n, theirs) in found
    ]


def throughput_ratio(samples: Sequence[Sample], ours: str, theirs: str) -> float:
    """Return the median over the rounds of one generator's throughput over another's."""
    both = pairs(samples, ours, theirs)
    return statistics.median(mine.throughput_rps / other.throughput_rps for mine, other in both)


def cpu_ratio(samples: Sequence[Sample], ours: str, theirs: str) -> float:
    """Return the same of the CPU time of a request."""
    both = pairs(samples, ours, theirs)
    return statistics.median(
        mine.cpu_s_per_request / other.cpu_s_per_request for mine, other in both
    )


def server_share(samples: Sequence[Sample]) -> float:
    """Return how much of the time the server was at work, in the middle of these slices."""
    return statistics.median(one.server_share for one in samples)


def print_table(benches: Mapping[str, Bench], found: Mapping[str, Sequence[Sample]]) -> list[str]:
    """Print what each bench found, its ratios against their targets; return what was missed."""
    missed = []
    heads = ("requests/s", "CPU us/request", "own CPU", "server", "MB/s")
    print(f"{'':<{NAME_WIDTH}}" + "".join(f"{head:>{len(head) + 2}}" for head in heads))
    for name, bench in benches.items():
        print(name)
        _print_medians(found[name], bench.answer_bytes)
        missed += [f"{name}: {text}" for text in _print_ratios(bench, found[name])]
    return missed


def _print_medians(samples: Sequence[Sample], answer_bytes: int | None) -> None:
    """Print a row for each generator, the fastest first."""
    rows = []
    for name in {sample.generator for sample in samples}:
        mine = [sample for sample in samples if sample.generator == name]
        rows.append(
            (
                statistics.median(one.throughput_rps for one in mine),
                statistics.median(one.cpu_s_per_request for one in mine) * 1e6,
                statistics.median(one.generator_cpu_s / one.duration_s for one in mine),
                server_share(mine),
                name,
            )
        )
    for rate, cpu_us, busy, server_busy, name in sorted(rows, reverse=True):
        megabytes = "" if answer_bytes is None else f"{rate * answer_bytes / 1e6:>6,.0f}"
        print(
            f"  {name:<{NAME_WIDTH - 2}}{rate:>12,.0f}{cpu_us:>16.2f}{busy:>9.0%}"
            f"{server_busy:>8.0%}{megabytes}"
        )
    if max(max(busy, server_busy) for _, _, busy, server_busy, name in rows) < LEAST_BUSY:
        print("  neither CPU was busy with this: other work on this machine disturbed the figures")


def _print_ratios(bench: Bench, samples: Sequence[Sample]) -> Iterator[str]:
    """Print the ratios, those with a target against it; yield the targets that are missed."""
    ratios, targets = bench.ratios(samples), bench.targets(samples)
    for name, value in ratios.items():
        limits = [f"{bound} {limit:g}" for target, limit, bound in targets if target == name]
        print(f"  {name:<{NAME_WIDTH - 2}}{value:>12.2f}  {', '.join(limits)}".rstrip())
    for name, limit, bound in targets:
        if name not in ratios:
            print(f"  {name} was not measured")
        elif not is_met(ratios[name], limit, bound):
            yield f"{name} is {ratios[name]:.2f}, and has to be {bound} {limit:g}"


def is_met(value: float, limit: float, bound: str) -> bool:
    """Whether a ratio is where its target has it."""
    return value >= limit if bound == "at least" else value <= limit
