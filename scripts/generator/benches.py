"""The generator's benches: what serves, what loads it in turns, and the targets.

Ours is the real load process, verifying answers and keeping histograms. Locust's own users can't
pause, so their processes are stopped and continued by signals.
"""

import os
import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import msgspec

from asgi_bench.load.generator import (
    LoadProcess,
    LoadSession,
    stock_arguments,
    stock_environment,
)
from asgi_bench.model import Client, Endpoint, Scenario, Stream
from generator import websocket
from generator.servers import SCENARIO, nginx, nginx_over_tls, shipped
from generator.slices import (
    CONNECTIONS,
    H2LOAD,
    H2LOAD_COUNT,
    OURS,
    REQUEST_TIMEOUT_S,
    SLICE_S,
    WRK,
    Bench,
    Counted,
    Measure,
    Ratios,
    Sample,
    by_wrk,
    command,
    cpu_ratio,
    loaded,
    ours,
    shape_name,
    throughput_ratio,
)

# The benches, by their flags; the first has none. Their records are called so.
PEERS, TLS, HTTP2, WEBSOCKET, STREAM = ALL = ("peers", "tls", "http2", "websocket", "stream")

# A continued Locust process needs a moment until all its users are in step again.
SETTLE_S = 0.1

FAST_HTTP, HTTP = "FastHttpUser", "HttpUser"
TARGETS = (
    ("throughput_to_wrk", 0.9, "at least"),
    ("cpu_to_wrk", 1.15, "at most"),
)
TLS_TARGETS = (("throughput_to_wrk", 0.95, "at least"),)

# HTTP/2: connections, streams of each, and the least that ours may be of `h2load -t1`.
SHAPES = ((8, 8, 1.0), (64, 1, 0.9))

# Answers of 64 KiB, from a file of nginx's: how much of wrk's bytes per second ours has to read,
# comparing each byte, and timing the first one too.
LARGE = Scenario(name="large", app="", path="/large", expect_size=64 * 1024)
TIMED = f"{OURS}, timed"
LARGE_TARGETS = (
    ("bytes_to_wrk", 0.9, "at least"),
    ("timed_bytes_to_wrk", 0.9, "at least"),
)

# wrk shakes hands anew in each slice, which takes a server in Python up to a quarter of a second.
SERVER_TLS_SLICE_S = 5

# How far a server's figure by ours may be from that by wrk or h2load.
ALIKE = ((0.9, "at least"), (1.1, "at most"))


def chosen(name: str, server: str | None = None) -> Bench:
    """Return a bench, on nginx or a shipped server."""
    if name == WEBSOCKET:
        return websocket.BENCH
    if name == TLS:
        return over_tls(server)
    if name == HTTP2:
        return over_http2(server)
    over_nginx = partial(nginx, protocol="http1")
    needs = ("nginx", WRK)
    facts = {"server": "nginx", "connections": CONNECTIONS}
    if name == STREAM:
        return Bench(
            *(needs, over_nginx, large, large_ratios, lambda _: LARGE_TARGETS, facts),
            answer_bytes=LARGE.expect_size,
        )
    return Bench(needs, over_nginx, over_http1, paired_ratios, lambda _: TARGETS, facts)


def over_tls(server: str | None) -> Bench:
    """Return the bench of TLS, on nginx or a shipped server."""
    serve = partial(shipped, name=server, transport="tls") if server else nginx_over_tls
    targets = [("throughput_to_wrk", *each) for each in ALIKE] if server else TLS_TARGETS
    facts = {"server": server or "nginx", "connections": CONNECTIONS}
    needs = (WRK,) if server else ("nginx", WRK)
    load = partial(by_both, slice_s=SERVER_TLS_SLICE_S if server else SLICE_S)
    return Bench(needs, serve, load, wrk_ratios, lambda _: targets, facts)


def over_http2(server: str | None) -> Bench:
    """Return the bench of HTTP/2, on nginx or a shipped server."""
    facts = {"server": server or "nginx", "shapes": SHAPES}
    nginx_over_http2 = partial(nginx, protocol="http2")
    serve = partial(shipped, name=server, http="2") if server else nginx_over_http2
    targets = [
        (f"throughput_to_h2load_{shape_name(connections, each)}", limit, bound)
        for connections, each, least in SHAPES
        for limit, bound in (ALIKE if server else ((least, "at least"),))
    ]
    needs = (H2LOAD,) if server else ("nginx", H2LOAD)
    return Bench(needs, serve, streams, stream_ratios, lambda _: targets, facts)


def over_http1(stack: ExitStack, folder: Path, endpoint: Endpoint) -> dict[str, Measure]:
    """Return what loads a slice over HTTP/1.1, by generator."""
    url = f"{endpoint.url}/"
    generators = {WRK: by_wrk(url)}
    if shutil.which(H2LOAD):
        h2load = [H2LOAD, "--h1", "-t1", f"-c{CONNECTIONS}", f"-D{SLICE_S}", url]
        generators[H2LOAD] = lambda: command(h2load, H2LOAD_COUNT)
    generators[OURS] = stack.enter_context(ours(folder, endpoint, SCENARIO))
    generators[FAST_HTTP] = stack.enter_context(stock(folder, endpoint, "fasthttp"))
    generators[HTTP] = stack.enter_context(stock(folder, endpoint, "http"))
    return generators


def paired_ratios(samples: Sequence[Sample]) -> Ratios:
    """Return our median ratios to the others of the same round."""
    return {
        **wrk_ratios(samples),
        "throughput_to_fasthttp": throughput_ratio(samples, OURS, FAST_HTTP),
    }


def by_both(stack: ExitStack, folder: Path, endpoint: Endpoint, slice_s: int) -> dict[str, Measure]:
    """Return what loads a slice, by generator; over TLS ours verifies the certificate."""
    return {
        OURS: stack.enter_context(ours(folder, endpoint, SCENARIO, slice_s=slice_s)),
        WRK: by_wrk(f"{endpoint.url}/", slice_s),
    }


def wrk_ratios(samples: Sequence[Sample]) -> Ratios:
    """Return our median ratios to wrk in the same round."""
    return {
        "throughput_to_wrk": throughput_ratio(samples, OURS, WRK),
        "cpu_to_wrk": cpu_ratio(samples, OURS, WRK),
    }


def large(stack: ExitStack, folder: Path, endpoint: Endpoint) -> dict[str, Measure]:
    """Return what loads a slice of large answers, by generator."""
    timed = msgspec.structs.replace(LARGE, stream=Stream())
    return {
        WRK: by_wrk(f"{endpoint.url}{LARGE.path}"),
        OURS: stack.enter_context(ours(folder, endpoint, LARGE)),
        TIMED: stack.enter_context(ours(folder, endpoint, timed)),
    }


def large_ratios(samples: Sequence[Sample]) -> Ratios:
    """Return our median ratios to wrk in the same round: answers are alike, so bytes are too."""
    return {
        "bytes_to_wrk": throughput_ratio(samples, OURS, WRK),
        "timed_bytes_to_wrk": throughput_ratio(samples, TIMED, WRK),
    }


def streams(stack: ExitStack, folder: Path, endpoint: Endpoint) -> dict[str, Measure]:
    """Return what loads a slice over HTTP/2, by generator and shape."""
    generators: dict[str, Measure] = {}
    for connections, each, _ in SHAPES:
        shape, url = shape_name(connections, each), f"{endpoint.url}/"
        argv = [H2LOAD, "-t1", f"-c{connections}", f"-m{each}", f"-D{SLICE_S}", url]
        generators[f"{H2LOAD} {shape}"] = partial(command, argv, H2LOAD_COUNT)
        generators[f"{OURS} {shape}"] = stack.enter_context(
            ours(folder, endpoint, SCENARIO, connections, each)
        )
    return generators


def stream_ratios(samples: Sequence[Sample]) -> Ratios:
    """Return, by shape, the median of our throughput and CPU to h2load's of the same round."""
    ratios = {}
    for connections, each, _ in SHAPES:
        shape = shape_name(connections, each)
        both = f"{OURS} {shape}", f"{H2LOAD} {shape}"
        ratios[f"throughput_to_h2load_{shape}"] = throughput_ratio(samples, *both)
        ratios[f"cpu_to_h2load_{shape}"] = cpu_ratio(samples, *both)
    return ratios


@contextmanager
def stock(folder: Path, endpoint: Endpoint, client: Client) -> Iterator[Measure]:
    """Run one of Locust's own clients, stopped, and give what lets it run for one slice."""
    arguments = stock_arguments(endpoint, CONNECTIONS)
    environment = stock_environment(client, SCENARIO, REQUEST_TIMEOUT_S)
    with LoadProcess(arguments, log=folder / f"{client}.log", env=environment) as process:
        process.greet()
        (pid,) = process.pids
        session = LoadSession(process, client, REQUEST_TIMEOUT_S)

        def run() -> Counted:
            os.kill(pid, signal.SIGCONT)
            try:
                time.sleep(SETTLE_S)
                return loaded(session)
            finally:
                os.kill(pid, signal.SIGSTOP)

        run()
        try:
            yield run
        finally:
            os.kill(pid, signal.SIGCONT)
