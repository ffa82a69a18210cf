"""The figures of the generator that docs/measurements.md tells, from its records."""

import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from generator.benches import ALL, HTTP2, TLS, WEBSOCKET, chosen
from generator.slices import OURS, Sample, is_met
from generator.targets import LEAST_RATE_RATIO, MOST_LAG_S, held_words
from generator.websocket import floor_words

OVER = {
    "peers": "HTTP/1.1",
    "tls": "TLS",
    "http2": "HTTP/2",
    "websocket": "WebSocket",
    "stream": "HTTP/1.1, 64 KiB",
}
# Servers whose figures are held against those of wrk and h2load.
SERVERS = ("granian", "hypercorn")


def section(folder: Path) -> str:
    """Return the generator against its peers, servers by both, its lag, a known tail."""
    records = {name: _record(folder, name) for name in ALL}
    lines = [
        "| over | generator | requests/s | CPU per request |",
        "| --- | --- | ---: | ---: |",
        *(row for name in ALL for row in _medians(OVER[name], records[name])),
        "",
        "Medians of the ratios within rounds, and their targets:",
        "",
        "| over | ratio of ours | is | target | |",
        "| --- | --- | ---: | --- | --- |",
        *(row for name in ALL for row in _judged(name, records[name])),
        "",
        "wrk repeats its handshakes in each slice of a second, which is some percent of its "
        "time over TLS.",
        "",
        *([floor, ""] if (floor := floor_section(folder)) else []),
        "A server's figure must be the same with both, to 10 % (`--server`; medians, and the "
        "median of the ratio within rounds):",
        "",
        "| server | over | connections x streams | requests/s by ours | by the other | ratio |",
        "| --- | --- | --- | ---: | ---: | ---: |",
        *(row for server in SERVERS for row in _agreement(folder, server)),
        "",
        *_open_loop(_record(folder, "open-loop"), _record(folder, "stall")),
    ]
    return "\n".join(lines)


def floor_section(folder: Path) -> str:
    """Return what the least that a WebSocket client does makes of its target; '' if unknown."""
    return floor_words(_record(folder, WEBSOCKET)["ratios"])


def _record(folder: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / f"{name}.json").read_bytes())
    return found


def _slices(record: Mapping[str, Any]) -> list[Sample]:
    return msgspec.convert(record["slices"], list[Sample])


def _by_generator(samples: Sequence[Sample]) -> dict[str, list[Sample]]:
    found: dict[str, list[Sample]] = {}
    for sample in samples:
        found.setdefault(sample.generator, []).append(sample)
    return found


def _rate_rps(samples: Sequence[Sample]) -> float:
    return statistics.median(one.throughput_rps for one in samples)


def _medians(over: str, record: Mapping[str, Any]) -> Iterator[str]:
    """A row for each generator, the fastest first."""
    found = _by_generator(_slices(record))
    for name, samples in sorted(found.items(), key=lambda item: -_rate_rps(item[1])):
        cpu_us = statistics.median(one.cpu_s_per_request for one in samples) * 1e6
        yield f"| {over} | {name} | {_rate_rps(samples):,.0f} | {cpu_us:.1f} \u00b5s |"


def _judged(name: str, record: Mapping[str, Any]) -> Iterator[str]:
    """A row for each ratio of a bench, against its target where it has one."""
    targets = {one[0]: one for one in chosen(name).targets(_slices(record))}
    for ratio, value in record["ratios"].items():
        words = ratio.replace("_", " ").replace("cpu", "CPU")
        target = verdict = ""
        if ratio in targets:
            _, limit, bound = targets[ratio]
            target = f"{bound} {limit:g}"
            verdict = "met" if is_met(value, limit, bound) else "**missed**"
        yield f"| {OVER[name]} | {words} | {value:.2f} | {target} | {verdict} |"


def _agreement(folder: Path, server: str) -> Iterator[str]:
    """A row for each way to load a server: its throughput by our generator, and by another."""
    for name in (TLS, HTTP2):
        record = _record(folder, f"{name}-{server}")
        found = _by_generator(_slices(record))
        for mine, theirs in zip(
            sorted(one for one in found if one.startswith(OURS)),
            sorted(one for one in found if not one.startswith(OURS)),
            strict=True,
        ):
            peer, _, shape = theirs.partition(" ")
            ratio = record["ratios"][f"throughput_to_{peer}" + (f"_{shape}" if shape else "")]
            rates = [f"{_rate_rps(found[one]):,.0f}" for one in (mine, theirs)]
            yield (
                f"| {server} | {OVER[name]} | {shape or record['connections']} | {rates[0]} | "
                f"{peer} {rates[1]} | {ratio:.2f} |"
            )


def _open_loop(lag: Mapping[str, Any], stall: Mapping[str, Any]) -> list[str]:
    """How late the generator itself is at rising rates, and what it tells of a known tail."""
    return [
        "| offered rate | rate_ratio | generator lag p50 | p99 |",
        "| ---: | ---: | ---: | ---: |",
        *(
            f"| {row['rate_rps']:,}/s | {row['rate_ratio']:.4f} | {row['lag_p50_s'] * 1e6:.0f} "
            f"\u00b5s | {row['lag_p99_s'] * 1e6:.0f} \u00b5s |"
            for row in lag["rates"]
        ),
        "",
        f"The rate is kept to {LEAST_RATE_RATIO}, and the lag is at most {MOST_LAG_S * 1e6:.0f} "
        f"µs at p99, up to {held_words(lag['rates'])}.",
        "",
        "A server that stalls for 100 ms of every second (`scripts/bench-stall`): p99 is "
        f"{stall['analytic_p99_s'] * 1e3:.0f} ms by arithmetic, {stall['open_p99_s'] * 1e3:.1f} "
        f"ms in an open loop at 500 requests/s, and {stall['closed_p99_s'] * 1e3:.1f} ms in a "
        "closed loop with 64 connections, which hides the stall.",
    ]
