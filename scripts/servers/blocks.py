"""What `--block-size` costs and gains: repetitions that were kept, and the table of them."""

from collections.abc import Iterator, Mapping, Sequence
from math import exp, log
from pathlib import Path
from statistics import geometric_mean, mean, median, stdev

import msgspec

from asgi_bench.analysis.intervals import log_interval
from asgi_bench.analysis.summary import summarize
from asgi_bench.analysis.utilization import share_of_wall
from asgi_bench.model import Run

MEBIBYTE = 1024**2
# Of fewer repetitions there is no interval.
FEWEST = 3
NOT_RECORDED = "Not recorded yet: `scripts/bench-block-size` measures it."


class Measured(msgspec.Struct, frozen=True):
    """One run of one round under one block size."""

    wall_s: float
    """From the first start of a server to the last stop."""
    blocks: int
    pss_bytes: int
    """Of all servers that were up at once, at most."""
    neighbour_cpus: float
    """CPUs that those used that waited, the median of the servers."""
    ratios: dict[str, float]
    """Throughput over the reference's in the same block, by server."""


class Repetition(msgspec.Struct, frozen=True):
    """The same servers under each block size, one right after another, in random order."""

    seed: int
    measured_at: str
    cpu_model: str
    duration_s: float
    sizes: dict[str, Measured]
    """By block size; `all` is without a bound."""


ALL = "all"


def measured(run: Run) -> Measured:
    """What is kept of a run."""
    lives = [one.server_life_s for one in run.trials if one.server_life_s is not None]
    memory: dict[tuple[int, int], int] = {}
    for trial in run.trials:
        place = trial.round, trial.block
        memory[place] = memory.get(place, 0) + (trial.server_pss_bytes or 0)
    beside = [
        share
        for trial in run.trials
        if (share := share_of_wall(trial.slices, "neighbour_cpu_s")) is not None
    ]
    report = summarize(run)
    return Measured(
        wall_s=max(end for _, end in lives) - min(begin for begin, _ in lives),
        blocks=len(memory),
        pss_bytes=max(memory.values()),
        neighbour_cpus=median(beside) if beside else 0.0,
        ratios={
            cell.server: cell.throughput_ratio.value
            for cell in report.cells
            if cell.throughput_ratio is not None and cell.throughput_ratio.value
        },
    )


def read_repetitions(folder: Path) -> list[Repetition]:
    """Those that were kept."""
    files = sorted(folder.glob("*.json"))
    return [msgspec.json.decode(file.read_bytes(), type=Repetition) for file in files]


def blocks_section(folder: Path) -> str:
    """A table: what each size costs in time and memory, and what it does to ratios."""
    kept = read_repetitions(folder)
    if not kept:
        return NOT_RECORDED
    sizes = sorted({size for one in kept for size in one.sizes}, key=_order)
    servers = sorted({name for one in kept for name in one.sizes[ALL].ratios})
    lines = [
        f"{len(servers)} servers, {kept[0].duration_s:g} s under load each, {len(kept)} "
        f"repetitions, {kept[0].measured_at[:10]} to {kept[-1].measured_at[:10]} on "
        f"{kept[0].cpu_model}; in each repetition every size once, one right after another.",
        "",
        "| block size | blocks | a round takes | memory at once | CPUs of those that wait | "
        "ratios scatter by | the same in the time of `all` | ratios to those of `all` |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    of_all = _column(kept, ALL)
    for size in sizes:
        found = _column(kept, size)
        wall_s, scatter = median(one.wall_s for one in found), _scatter(found)
        slower = (wall_s / median(one.wall_s for one in of_all)) ** 0.5
        lines.append(
            f"| {size} | {found[0].blocks} | {wall_s:.0f} s | "
            f"{median(one.pss_bytes for one in found) / MEBIBYTE:,.0f} MiB | "
            f"{median(one.neighbour_cpus for one in found):.2f} | {_percent(scatter)} | "
            f"{_percent(None if scatter is None else scatter * slower)} | "
            f"{'1' if size == ALL else _against_all(kept, size)} |"
        )
    lines += [
        "",
        "Scatter: the standard deviation of a server's ratio to the reference over repetitions, "
        "the median of the servers. The last column: the geometric mean over servers, with its 95% "
        "interval over repetitions, and the server that differs most.",
    ]
    return "\n".join(lines)


def _order(size: str) -> float:
    return float("inf") if size == ALL else float(size)


def _column(kept: Sequence[Repetition], size: str) -> list[Measured]:
    return [one.sizes[size] for one in kept if size in one.sizes]


def _scatter(found: Sequence[Measured]) -> float | None:
    """How much a server's ratio differs from repetition to repetition, on logarithms."""
    if len(found) < FEWEST:
        return None
    names = [name for name in found[0].ratios if all(name in one.ratios for one in found)]
    spreads = [stdev(log(one.ratios[name]) for one in found) for name in names]
    # The reference's own ratio is 1.
    return median(spread for spread in spreads if spread > 0)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _against_all(kept: Sequence[Repetition], size: str) -> str:
    """What a size does to ratios, repetition by repetition."""
    changes = list(_changes(kept, size))
    by_server = {
        name: exp(mean(log(change[name]) for change in changes))
        for name in changes[0]
        if all(name in change for change in changes)
    }
    worst = max(by_server, key=lambda name: abs(log(by_server[name])))
    over_servers = log_interval([geometric_mean(list(change.values())) for change in changes])
    told = f"{over_servers.value:.3f}"
    if over_servers.lower is not None:
        told += f" ({over_servers.lower:.3f} to {over_servers.upper:.3f})"
    return f"{told}; {worst} {by_server[worst]:.2f}"


def _changes(kept: Sequence[Repetition], size: str) -> Iterator[Mapping[str, float]]:
    """Of each repetition a size's ratios over those without a bound, but for the reference."""
    for one in kept:
        if size in one.sizes:
            whole, part = one.sizes[ALL].ratios, one.sizes[size].ratios
            yield {
                name: part[name] / whole[name]
                for name in part.keys() & whole.keys()
                if (part[name], whole[name]) != (1.0, 1.0)
            }
