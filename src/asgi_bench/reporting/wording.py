"""Words that all formats share: the load, the machine, a cell."""

from collections.abc import Iterable, Mapping, Sequence

from asgi_bench.analysis.report import CellReport, SweepReport
from asgi_bench.model import CPU_LIMIT, MEMORY_LIMIT, Load, Machine, Objective
from asgi_bench.model.endpoint import HttpVersion, Transport
from asgi_bench.plain_text import plain as plain
from asgi_bench.plain_text import shortened as shortened
from asgi_bench.reporting import numbers
from asgi_bench.reporting.document import Tone

OVERLOADED = "overloaded"
# The words that judge a cell, and the levels of findings: the worst first; what merely deserves a
# word is a note.
TONES: Mapping[str, Tone] = {
    "failed": "bad",
    "invalid": "bad",
    "suspect": "warn",
    "note": "info",
    "skipped": "faint",
    OVERLOADED: "info",
    "valid": "good",
}


def load_words(load: Load) -> str:
    """How requests are offered: `closed loop, 64 connections`."""
    if load.is_closed:
        return f"closed loop, {offered_words(load)}"
    arrivals = "Poisson" if load.arrivals == "poisson" else "evenly spaced"
    return f"open loop, {offered_words(load)}, {arrivals}, up to {_connection_words(load)}"


def offered_words(load: Load) -> str:
    """The rate of an open loop: `500 requests/s`, `50% of each server's own throughput`."""
    if load.is_sweep:
        low, high = (numbers.percent(share) for share in (min(load.shares), max(load.shares)))
        return f"sweep from {low}% to {high}% of each server's own throughput"
    if load.is_closed:
        return _connection_words(load)
    if load.rate_share is not None:
        return f"{numbers.percent(load.rate_share)}% of each server's own throughput"
    return f"{numbers.rate(load.rate_rps)} requests/s"


def _connection_words(load: Load) -> str:
    connections = f"{load.connections} connection{'' if load.connections == 1 else 's'}"
    return connections if load.streams == 1 else f"{connections} of {load.streams} streams"


def latency_words(load: Load) -> str:
    """What the percentiles are, in a few words: at saturation they follow from the throughput."""
    if load.is_closed:
        return "response time at saturation"
    return "response time from the intended time"


def objective_words(objective: Objective) -> str:
    """A latency objective: `p99 ≤ 20 ms`."""
    quantile = numbers.tick(round(objective.quantile * 100, 6))
    return f"p{quantile} ≤ {numbers.milliseconds_tick(objective.limit_s)} ms"


def machine_words(machine: Machine) -> str:
    """The machine in one line, without its name."""
    python = plain(machine.python)
    quota, limit = _limit(machine, CPU_LIMIT, "quota"), _limit(machine, MEMORY_LIMIT, "limit")
    parts = [
        f"{plain(machine.cpu_model)}, {machine.cpu_count} CPUs{quota}",
        f"{numbers.gibibytes(machine.memory_bytes)}{limit}",
        plain(machine.virtualization or ""),
        plain(machine.os),
        f"Linux {plain(machine.kernel)}" if machine.kernel[:1].isdigit() else plain(machine.kernel),
        python if "Python" in python else f"Python {python}",
    ]
    return " · ".join(part for part in parts if part)


def _limit(machine: Machine, detail: str, word: str) -> str:
    """What control groups allow servers and load together, if they limit it."""
    limit = machine.details.get(detail)
    return f" ({word} {plain(limit)})" if limit else ""


def counts_words(counts: Iterable[int]) -> str:
    """Counts, ascending and each once: `1`, `1, 8 and 64`."""
    *others, last = [str(count) for count in sorted(set(counts))] or [""]
    return f"{', '.join(others)} and {last}" if others else last


def workers_words(workers: Sequence[int]) -> str:
    """The worker counts: `1 worker`, `1 and 2 workers`."""
    return f"{counts_words(workers)} worker{'' if set(workers) == {1} else 's'}"


def cell_name(cell: CellReport | SweepReport) -> str:
    """A cell's server and variant, as on charts: `uvicorn`, `uvicorn h11-asyncio @3.12`."""
    variant, _, setup = cell.variant.partition("@")
    words = (cell.server, "" if variant == "default" else variant, f"@{setup}" if setup else "")
    return plain(" ".join(filter(None, words)))


def way_words(http: HttpVersion, transport: Transport) -> str:
    """How a server is requested: `HTTP/1.1`, `HTTP/2 over TLS`."""
    version = "HTTP/1.1" if http == "1" else f"HTTP/{http}"
    return version + {"tcp": "", "tls": " over TLS", "unix": " over a Unix socket"}[transport]


def verdict_word(cell: CellReport | SweepReport) -> str:
    """One word for the validity column."""
    if cell.outcome != "ok":
        return cell.outcome
    if cell.validity != "invalid" and isinstance(cell, CellReport) and cell.overloaded:
        return OVERLOADED
    return cell.validity
