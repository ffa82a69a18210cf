"""The generator over WebSocket: against itself over HTTP/1.1, and against a client by picows.

One server answers both with as many bytes (`peers/null_echo.py`). Ours is the real load process.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from asgi_bench.load.generator import LoadProcess, LoadSession, slice_arguments
from asgi_bench.model import HOST, Endpoint, Message, Scenario
from generator.servers import PEERS, null_echo
from generator.slices import (
    CONNECTIONS,
    REQUEST_TIMEOUT_S,
    Bench,
    Counted,
    Measure,
    Ratios,
    Sample,
    Targets,
    cpu_ratio,
    loaded,
    pairs,
    server_share,
    throughput_ratio,
)
from peers.null_echo import bodies

# As many as the null server of a calibration answers with.
ANSWER_BYTES = 78
# Short against the phases of a shared machine: those that are compared meet the same.
SLICE_S = 0.25
BODY, TEXT = (each.decode() for each in bodies(ANSWER_BYTES))
HTTP, WEBSOCKET, PICOWS = "HTTP/1.1", "WebSocket", "picows"
SCENARIOS = {
    HTTP: Scenario(name=HTTP, app="", expect_body=BODY),
    WEBSOCKET: Scenario(
        name=WEBSOCKET, app="", messages=(Message(send=TEXT), Message(expect=TEXT))
    ),
}
# A server that is at work for this share of the time, the generator less, is what limits both.
BUSY = 0.95
LEAST = {"http": 0.95, "picows": 1.5}


def generators(stack: ExitStack, folder: Path, endpoint: Endpoint) -> dict[str, Measure]:
    """Return what loads a slice, by generator; both protocols in one load process."""
    process = stack.enter_context(LoadProcess(slice_arguments(), log=folder / "ours.log"))
    process.greet()
    found: dict[str, Measure] = {}
    for name, scenario in SCENARIOS.items():
        session = LoadSession(process, name, REQUEST_TIMEOUT_S)
        session.open(scenario, endpoint, CONNECTIONS, warmup_s=0.5)
        found[name] = partial(loaded, session, SLICE_S)
    if find_spec("picows"):
        found[PICOWS] = stack.enter_context(picows(endpoint))
    else:
        print("picows is not installed: pip install picows", file=sys.stderr)
    return found


@contextmanager
def picows(endpoint: Endpoint) -> Iterator[Callable[[], Counted]]:
    """Run a client by picows, its connections open, and give what loads one slice."""
    numbers = (endpoint.port, CONNECTIONS, ANSWER_BYTES)
    argv = [sys.executable, str(PEERS / "picows_client.py"), HOST, *map(str, numbers)]
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True, bufsize=1) as process:
        assert process.stdin
        assert process.stdout
        sending, coming = process.stdin, process.stdout
        if coming.readline().strip() != "ready":
            sys.exit("picows did not connect")

        def load() -> Counted:
            sending.write(f"{SLICE_S}\n")
            came, took_s, spent_s = coming.readline().split()
            return int(came), float(took_s), float(spent_s)

        yield load
        sending.close()


def ratios(samples: Sequence[Sample]) -> Ratios:
    """Return the medians over the rounds of WebSocket's ratios to the others."""
    found = {}
    for other, name in ((HTTP, "http"), (PICOWS, "picows")):
        if pairs(samples, WEBSOCKET, other):
            found[f"throughput_to_{name}"] = throughput_ratio(samples, WEBSOCKET, other)
            # Of what a CPU second of the client gets done: above 1 is better, as of throughput.
            found[f"requests_per_cpu_to_{name}"] = cpu_ratio(samples, other, WEBSOCKET)
    return found


def targets(samples: Sequence[Sample]) -> Targets:
    """Return the least that the ratios may be.

    Where the server was at work all the time its speed is no client's: there the client's CPU
    time is what is judged.
    """
    mine = [sample for sample in samples if sample.generator == WEBSOCKET]
    judged = "requests_per_cpu" if server_share(mine) >= BUSY else "throughput"
    return [(f"{judged}_to_{name}", least, "at least") for name, least in LEAST.items()]


BENCH = Bench(
    needs=(),
    serve=partial(null_echo, answer_bytes=ANSWER_BYTES),
    generators=generators,
    ratios=ratios,
    targets=targets,
    facts={"connections": CONNECTIONS, "answer_bytes": ANSWER_BYTES},
    turns=round(1 / SLICE_S),
)
