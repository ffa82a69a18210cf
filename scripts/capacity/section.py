"""The figures of docs/capacity.md, from the parts that `scripts/bench-hosts` has kept."""

import json
from collections.abc import Iterator, Sequence
from math import ceil
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from capacity.measuring import Part, Record, Scaling, middle
from generator.slices import OURS

NOT_MEASURED = "Not measured yet: `scripts/bench-hosts` measures it."
RATES_RPS = (50_000, 100_000, 250_000, 500_000, 1_000_000, 2_000_000)
# A load process that is busier than this adds to what it measures.
PLANNED_SHARE = 0.8
# Of one CPU: a master beyond it is late with slices, and loses heartbeats.
MASTER_SHARE = 0.5
MOST_OVERHEAD = 0.03
LEAST_RATIO = 1.8


class Line(NamedTuple):
    """What something costs by the number of load processes: at none, and for each."""

    at_none: float
    each: float

    def at(self, count: float) -> float:
        """What it costs for so many."""
        return self.at_none + self.each * count


def read(file: Path) -> list[Record]:
    """The parts that were kept."""
    lines = file.read_text().splitlines() if file.exists() else []
    return [msgspec.json.decode(line, type=Record) for line in lines]


def section(file: Path, generator: Path) -> str:
    """Return the master's costs, what they come to for more, and how many hosts a rate needs."""
    records = read(file)
    parts = sorted(
        (one.part for one in records if one.part is not None),
        key=lambda part: part.load_processes,
    )
    scaling = next((one.scaling for one in records if one.scaling is not None), None)
    if len(parts) < 2 or scaling is None:
        return NOT_MEASURED
    where, slice_s = records[0], records[0].slice_s
    idle = line([(part.load_processes, part.idle_cpu_share) for part in parts])
    slices = line([(part.load_processes, middle(part.slice_cpu_s)) for part in parts])
    return "\n".join(
        [
            f"Measured on {where.cpu_model}, {where.cpus} CPUs, {where.measured_at[:10]}, all "
            f"processes on this one machine, slices of {slice_s * 1e3:.0f} ms at a rate that "
            "leaves CPUs idle; medians, with the worst slice in brackets.",
            "",
            "| load processes | master, idle | master, a slice | time beside a slice | begun late "
            "| survey | master's memory |",
            "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
            *(_row(part) for part in parts),
            "",
            "By a straight line through these, the master takes "
            f"{max(idle.each, 0) * 100:.2f} % of a CPU for each load process while idle, and "
            f"{max(slices.each, 0) * 1e6:.0f} µs for each in each slice.",
            "",
            *_scaling(scaling, slice_s),
            "",
            *_plan(idle, slices, slice_s, generator),
        ]
    )


def line(points: Sequence[tuple[float, float]]) -> Line:
    """The line of least squares."""
    counts, costs = zip(*points, strict=True)
    each, at_none = np.polyfit(np.array(counts, dtype=float), np.array(costs, dtype=float), 1)
    return Line(float(at_none), float(each))


def _row(part: Part) -> str:
    cells = (
        str(part.load_processes),
        f"{part.idle_cpu_share:.1%}",
        _milliseconds(part.slice_cpu_s),
        _milliseconds(part.overhead_s),
        _milliseconds(part.late_s),
        f"{part.survey_s:.2f} s",
        f"{part.pss_bytes / 1024**2:.0f} MiB",
    )
    return f"| {' | '.join(cells)} |"


def _milliseconds(values_s: Sequence[float]) -> str:
    return f"{middle(values_s) * 1e3:.1f} ms ({max(values_s) * 1e3:.1f})"


def verdicts(scaling: Scaling, slice_s: float) -> Iterator[tuple[str, bool | None]]:
    """What two load processes are held to, and whether they keep it; None where it can't be told.

    Overhead is what a slice takes longer than one of a single load process without a master.
    """
    overhead = middle(scaling.two_overhead_s) - middle(scaling.alone_overhead_s)
    share = overhead / slice_s
    yield (
        f"master and keeping in step take {share:.1%} of the slices' time (at most "
        f"{MOST_OVERHEAD:.0%})",
        share <= MOST_OVERHEAD,
    )
    ratio = middle(scaling.two_rps) / middle(scaling.one_rps)
    has_room = scaling.server_processes > 1
    yield (
        f"two load processes reach {ratio:.2f} times the throughput of one (at least {LEAST_RATIO} "
        "where each process has a CPU)",
        ratio >= LEAST_RATIO if has_room else None,
    )


def _scaling(scaling: Scaling, slice_s: float) -> Iterator[str]:
    yield f"At their limit, in slices that took turns, on {scaling.server_processes} server CPU(s):"
    yield ""
    words = {True: "met", False: "**missed**", None: "not judged: there are too few CPUs"}
    for text, is_met in verdicts(scaling, slice_s):
        yield f"- {text[:1].upper()}{text[1:]}: {words[is_met]}."


def _plan(idle: Line, slices: Line, slice_s: float, generator: Path) -> Iterator[str]:
    """A row for each rate."""
    one_rps = ceiling_rps(generator)
    yield (
        f"One load process sends {one_rps:,.0f} requests/s over HTTP/1.1 at its limit "
        f"([measured](measurements.md#the-generator)); the table plans {PLANNED_SHARE:.0%} of that."
    )
    yield ""
    yield "| requests/s | load processes | hosts of 4 CPUs | hosts of 16 CPUs | master's CPU |"
    yield "| ---: | ---: | ---: | ---: | ---: |"
    for rate_rps in RATES_RPS:
        count = ceil(rate_rps / (PLANNED_SHARE * one_rps))
        share = master_share(idle, slices, slice_s, count)
        yield (f"| {rate_rps:,} | {count} | {ceil(count / 4)} | {ceil(count / 16)} | {share:.0%} |")
    most = 1
    while most < 100_000 and master_share(idle, slices, slice_s, most + 1) <= MASTER_SHARE:
        most += 1
    yield ""
    yield (
        f"The master reaches {MASTER_SHARE:.0%} of its CPU at about {most} load processes, which "
        f"is {most * PLANNED_SHARE * one_rps / 1e6:.1f} million requests/s."
    )


def master_share(idle: Line, slices: Line, slice_s: float, count: int) -> float:
    """The share of a CPU that a master uses while slices follow one another."""
    return max(idle.at(count), 0.0) + max(slices.at(count), 0.0) / slice_s


def ceiling_rps(generator: Path) -> float:
    """What one load process sends at its limit, as recorded."""
    record = json.loads((generator / "peers.json").read_text())
    rates = [
        each["requests"] / each["duration_s"]
        for each in record["slices"]
        if each["generator"] == OURS
    ]
    return middle(rates)
