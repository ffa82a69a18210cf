"""The generator over WebSocket: against itself over HTTP/1.1, and against a client by picows.

One server answers both with as many bytes (`peers/null_echo.py`), on one CPU; the clients take
turns on another, in a new seeded order each round. Ours is the real load process.
"""

import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path

import msgspec

from asgi_bench.load.generator import LoadProcess, LoadSession, slice_arguments
from asgi_bench.load.messages import Load
from asgi_bench.machine.affinity import move
from asgi_bench.machine.clocks import cpu_s_by_process
from asgi_bench.machine.ports import free_endpoint, is_free
from asgi_bench.model import HOST, Endpoint, Message, Scenario
from peers.null_echo import bodies

PEERS = Path(__file__).parents[1] / "peers"
# As many as the null server of a calibration answers with.
ANSWER_BYTES = 78
CONNECTIONS = 64
# Short against the phases of a shared machine: those that are compared meet the same.
SLICE_S = 0.25
START_S = 20.0
TIMEOUT_S = 5.0
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
LEAST_TO_HTTP, LEAST_TO_PICOWS = 0.95, 1.5


class Sample(msgspec.Struct, frozen=True):
    """One slice of one client."""

    round: int
    client: str
    requests: int
    duration_s: float
    client_cpu_s: float
    server_cpu_s: float

    @property
    def rate_rps(self) -> float:
        """Right answers per second."""
        return self.requests / self.duration_s

    @property
    def cpu_s_per_request(self) -> float:
        """What an answer costs the client."""
        return self.client_cpu_s / self.requests


Counted = tuple[int, float, float]


def run(
    server_cpu: int, load_cpu: int, rounds: int, chance: random.Random
) -> tuple[list[Sample], dict[str, float], bool]:
    """Measure and print; return all slices, the ratios, and whether the targets are met."""
    samples = measure(server_cpu, load_cpu, rounds, chance)
    ratios = paired_ratios(samples)
    return samples, ratios, print_figures(samples, ratios)


def measure(server_cpu: int, load_cpu: int, rounds: int, chance: random.Random) -> list[Sample]:
    """Return every slice of every client."""
    samples: list[Sample] = []
    with (
        tempfile.TemporaryDirectory(prefix="bench-websocket-") as folder,
        null_server(Path(folder), server_cpu, chance) as (endpoint, pid),
    ):
        # Every client is started from here and inherits this.
        os.sched_setaffinity(0, {load_cpu})
        with ExitStack() as stack:
            process = stack.enter_context(
                LoadProcess(slice_arguments(), log=Path(folder) / "ours.log")
            )
            process.greet()
            clients: dict[str, Callable[[], Counted]] = {}
            for name, scenario in SCENARIOS.items():
                session = LoadSession(process, name, TIMEOUT_S)
                session.open(scenario, endpoint, CONNECTIONS, warmup_s=0.5)
                clients[name] = lambda session=session: loaded(session)  # type: ignore[misc]
            if find_spec("picows"):
                clients[PICOWS] = stack.enter_context(picows(endpoint))
            else:
                print("picows is not installed: pip install picows", file=sys.stderr)
            for number in range(rounds):
                for name in chance.sample(list(clients), len(clients)):
                    before_s = sum(cpu_s_by_process((pid,)).values())
                    requests, duration_s, cpu_s = clients[name]()
                    server_s = sum(cpu_s_by_process((pid,)).values()) - before_s
                    samples.append(Sample(number, name, requests, duration_s, cpu_s, server_s))
    return samples


@contextmanager
def null_server(folder: Path, cpu: int, chance: random.Random) -> Iterator[tuple[Endpoint, int]]:
    """Run the server of both on one CPU."""
    endpoint = free_endpoint(chance)
    argv = [sys.executable, "-I", "-S", str(PEERS / "null_echo.py"), HOST, str(endpoint.port)]
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen([*argv, str(ANSWER_BYTES)], stdout=log, stderr=log)
    try:
        deadline_s = time.monotonic() + START_S
        while is_free(endpoint):
            if process.poll() is not None or time.monotonic() > deadline_s:
                sys.exit(f"the null server did not start: {(folder / 'server.log').read_text()}")
            time.sleep(0.01)
        move((process.pid,), (cpu,))
        yield endpoint, process.pid
    finally:
        process.terminate()
        process.wait(START_S)


def loaded(session: LoadSession) -> Counted:
    """Load one slice by our load process; all answers must be right."""
    result = session.load(Load(session.name, SLICE_S))
    if result.errors.total:
        sys.exit(f"{session.name}: {result.errors}")
    return result.requests, result.duration_s, result.load_cpu_s


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


def paired_ratios(samples: Sequence[Sample]) -> dict[str, float]:
    """Return the medians over the rounds of WebSocket's ratios to the others."""
    by_round: dict[int, dict[str, Sample]] = {}
    for sample in samples:
        by_round.setdefault(sample.round, {})[sample.client] = sample
    ratios = {}
    for other, name in ((HTTP, "http"), (PICOWS, "picows")):
        pairs = [(one[WEBSOCKET], one[other]) for one in by_round.values() if other in one]
        if pairs:
            ratios[f"throughput_to_{name}"] = statistics.median(
                ours.rate_rps / theirs.rate_rps for ours, theirs in pairs
            )
            # Of what a CPU second of the client gets done: above 1 is better, as of throughput.
            ratios[f"requests_per_cpu_to_{name}"] = statistics.median(
                theirs.cpu_s_per_request / ours.cpu_s_per_request for ours, theirs in pairs
            )
    return ratios


def print_figures(samples: Sequence[Sample], ratios: dict[str, float]) -> bool:
    """Print a row for each client, then the ratios; return whether the targets are met.

    Where the server was at work all the time its speed is no client's: there the client's CPU
    time is what is judged.
    """
    print(f"{'':<14}{'requests/s':>11}{'CPU us/request':>16}{'own CPU':>9}{'server':>8}")
    for name in dict.fromkeys(sample.client for sample in samples):
        mine = [sample for sample in samples if sample.client == name]
        rate = statistics.median(one.rate_rps for one in mine)
        cpu_us = statistics.median(one.cpu_s_per_request for one in mine) * 1e6
        busy = statistics.median(one.client_cpu_s / one.duration_s for one in mine)
        server = _server_share(mine)
        print(f"{name:<14}{rate:>11,.0f}{cpu_us:>16.2f}{busy:>9.0%}{server:>8.0%}")
    is_server_bound = _server_share([s for s in samples if s.client == WEBSOCKET]) >= BUSY
    judged = "requests_per_cpu" if is_server_bound else "throughput"
    all_met = True
    for name, value in ratios.items():
        least = LEAST_TO_HTTP if name.endswith("http") else LEAST_TO_PICOWS
        told = ""
        if name.startswith(judged):
            is_met = value >= least
            all_met &= is_met
            told = f"  at least {least:g}{'' if is_met else '  MISSED'}"
        print(f"{name:<28}{value:>6.2f}{told}")
    return all_met


def _server_share(samples: Sequence[Sample]) -> float:
    """How much of the time the server was at work."""
    return statistics.median(one.server_cpu_s / one.duration_s for one in samples)
