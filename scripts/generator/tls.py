"""The generator over TLS: against wrk, on an nginx that answers a constant.

nginx has one CPU; the clients take turns on another, in a new seeded order each round. Ours is the
real load process, which verifies the certificate and every answer.
"""

import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from asgi_bench.load.generator import LoadProcess, LoadSession, slice_arguments
from asgi_bench.load.messages import Load
from asgi_bench.machine.affinity import move
from asgi_bench.machine.clocks import cpu_s_by_process
from asgi_bench.machine.ports import is_free
from asgi_bench.machine.processes import tree_pids
from asgi_bench.model import Cell, ClosedLoop, Endpoint, Scenario
from asgi_bench.serving.places import Places

CONNECTIONS = 64
SLICE_S = 1
START_S = 20.0
TIMEOUT_S = 5.0
SCENARIO = Scenario(name="constant", app="", expect_body="Hello, world!")
CELL = Cell("nginx", "default", 1, "constant", ClosedLoop(CONNECTIONS), transport="tls")
OURS, WRK = "FastUser", "wrk"
LEAST_TO_WRK = 0.95
WRK_COUNT = re.compile(r"(?P<count>\d+) requests in (?P<duration>[\d.]+)s\b")
WRONG = re.compile(r"Socket errors|Non-2xx")

CONFIGURATION = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    client_body_temp_path {folder};
    proxy_temp_path {folder};
    fastcgi_temp_path {folder};
    uwsgi_temp_path {folder};
    scgi_temp_path {folder};
    server {{
        listen {address} ssl backlog=2048;
        ssl_certificate {cert};
        ssl_certificate_key {key};
        location / {{ default_type text/plain; return 200 "Hello, world!"; }}
    }}
}}
"""


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
    """Measure and print; return all slices, the ratios, and whether the target is met."""
    samples = measure(server_cpu, load_cpu, rounds, chance)
    ratios = paired_ratios(samples)
    return samples, ratios, print_figures(samples, ratios)


def measure(server_cpu: int, load_cpu: int, rounds: int, chance: random.Random) -> list[Sample]:
    """Return every slice of every client."""
    samples: list[Sample] = []
    with (
        tempfile.TemporaryDirectory(prefix="bench-tls-") as folder,
        nginx(Path(folder), server_cpu, chance) as (endpoint, pids),
    ):
        # Both clients are started from here and inherit this.
        os.sched_setaffinity(0, {load_cpu})
        with LoadProcess(slice_arguments(), log=Path(folder) / "ours.log") as process:
            process.greet()
            session = LoadSession(process, OURS, TIMEOUT_S)
            session.open(SCENARIO, endpoint, CONNECTIONS, warmup_s=0.5)
            clients: dict[str, Callable[[], Counted]] = {
                OURS: lambda: loaded(session),
                WRK: lambda: by_wrk(endpoint),
            }
            for number in range(rounds):
                for name in chance.sample(list(clients), len(clients)):
                    before_s = sum(cpu_s_by_process(pids).values())
                    requests, duration_s, cpu_s = clients[name]()
                    server_s = sum(cpu_s_by_process(pids).values()) - before_s
                    samples.append(Sample(number, name, requests, duration_s, cpu_s, server_s))
                print(f"round {number + 1} of {rounds}", file=sys.stderr)
    return samples


@contextmanager
def nginx(
    folder: Path, cpu: int, chance: random.Random
) -> Iterator[tuple[Endpoint, tuple[int, ...]]]:
    """Run an nginx of one worker on one CPU; give its endpoint and the pids of its processes."""
    with Places() as places, (folder / "nginx.log").open("w") as log:
        place = places.place(CELL, chance)
        cert, key = place.fill["{cert}"], place.fill["{key}"]
        # nginx drops its rights before it makes its own folders.
        folder.chmod(0o755)
        file = folder / "nginx.conf"
        address = place.endpoint.authority
        file.write_text(CONFIGURATION.format(folder=folder, address=address, cert=cert, key=key))
        command = ["nginx", "-e", "stderr", "-p", str(folder), "-c", str(file)]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            deadline_s = time.monotonic() + START_S
            while is_free(place.endpoint) or len(pids := tree_pids((process.pid,))) < 2:
                if process.poll() is not None or time.monotonic() > deadline_s:
                    sys.exit(f"nginx did not start: {(folder / 'nginx.log').read_text().strip()}")
                time.sleep(0.01)
            move(pids, (cpu,))
            yield place.endpoint, pids
        finally:
            process.terminate()
            process.wait(START_S)


def loaded(session: LoadSession) -> Counted:
    """Load one slice by our load process; all answers must be right."""
    result = session.load(Load(session.name, SLICE_S))
    if result.errors.total:
        sys.exit(f"{session.name}: {result.errors}")
    return result.requests, result.duration_s, result.load_cpu_s


def by_wrk(endpoint: Endpoint) -> Counted:
    """Load one slice by wrk, which connects anew for it, within its time."""
    argv = [WRK, "-t1", f"-c{CONNECTIONS}", f"-d{SLICE_S}s", f"{endpoint.url}/"]
    with tempfile.TemporaryFile("w+") as file:
        process = subprocess.Popen(argv, stdout=file, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        file.seek(0)
        output = file.read()
    match = WRK_COUNT.search(output)
    if process.returncode or match is None or WRONG.search(output):
        sys.exit(f"{' '.join(argv)}: {output}")
    return int(match["count"]), float(match["duration"]), usage.ru_utime + usage.ru_stime


def paired_ratios(samples: Sequence[Sample]) -> dict[str, float]:
    """Return our median ratios to wrk over the rounds."""
    by_round: dict[int, dict[str, Sample]] = {}
    for sample in samples:
        by_round.setdefault(sample.round, {})[sample.client] = sample
    pairs = [(one[OURS], one[WRK]) for one in by_round.values()]
    return {
        "throughput_to_wrk": statistics.median(a.rate_rps / b.rate_rps for a, b in pairs),
        "cpu_to_wrk": statistics.median(
            a.cpu_s_per_request / b.cpu_s_per_request for a, b in pairs
        ),
    }


def print_figures(samples: Sequence[Sample], ratios: dict[str, float]) -> bool:
    """Print a row for each client, then the ratios; return whether the target is met."""
    print(f"{'':<14}{'requests/s':>11}{'CPU us/request':>16}{'own CPU':>9}{'server':>8}")
    for name in dict.fromkeys(sample.client for sample in samples):
        mine = [sample for sample in samples if sample.client == name]
        rate = statistics.median(one.rate_rps for one in mine)
        cpu_us = statistics.median(one.cpu_s_per_request for one in mine) * 1e6
        busy = statistics.median(one.client_cpu_s / one.duration_s for one in mine)
        server = statistics.median(one.server_cpu_s / one.duration_s for one in mine)
        print(f"{name:<14}{rate:>11,.0f}{cpu_us:>16.2f}{busy:>9.0%}{server:>8.0%}")
    is_met = ratios["throughput_to_wrk"] >= LEAST_TO_WRK
    told = f"  at least {LEAST_TO_WRK:g}{'' if is_met else '  MISSED'}"
    print(f"{'throughput_to_wrk':<28}{ratios['throughput_to_wrk']:>6.2f}{told}")
    print(f"{'cpu_to_wrk':<28}{ratios['cpu_to_wrk']:>6.2f}")
    return is_met
