"""The generator over WebSocket: against itself over HTTP/1.1, a client by picows, and the floor.

One server answers all with as many bytes (`peers/null_echo.py`). Ours is the real load process. The
floor is a client in C that reads and writes and does nothing else (`peers/floor_client.c`): what
it gains over picows is the most that a client can gain that does these two things.
"""

import shutil
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
HTTP, WEBSOCKET, PICOWS, FLOOR = "HTTP/1.1", "WebSocket", "picows", "floor (C)"
COMPILER = "cc"
SCENARIOS = {
    HTTP: Scenario(name=HTTP, app="", expect_body=BODY),
    WEBSOCKET: Scenario(
        name=WEBSOCKET, app="", messages=(Message(send=TEXT), Message(expect=TEXT))
    ),
}
# A server that is at work for this share of the time, the generator less, is what limits both.
BUSY = 0.95
LEAST = {"http": 0.95, "picows": 1.5}
OURS_TO_PICOWS = "requests_per_cpu_to_picows"
OURS_TO_FLOOR = "requests_per_cpu_to_floor"
FLOOR_TO_PICOWS = "floor_per_cpu_to_picows"


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
        argv = [sys.executable, str(PEERS / "picows_client.py")]
        found[PICOWS] = stack.enter_context(peer(argv, endpoint))
    else:
        print("picows is not installed: pip install picows", file=sys.stderr)
    if program := compiled_floor(folder):
        found[FLOOR] = stack.enter_context(peer([program], endpoint))
    else:
        print(f"no floor: {COMPILER} can't compile it (Debian: gcc libc6-dev)", file=sys.stderr)
    return found


def compiled_floor(folder: Path) -> str | None:
    """Compile the floor into a folder; return the program, None where there is no compiler."""
    if shutil.which(COMPILER) is None:
        return None
    program = str(folder / "floor_client")
    argv = [COMPILER, "-std=gnu11", "-O2", "-o", program, str(PEERS / "floor_client.c")]
    return None if subprocess.run(argv, check=False).returncode else program


@contextmanager
def peer(
    argv: Sequence[str], endpoint: Endpoint, connections: int = CONNECTIONS
) -> Iterator[Callable[[], Counted]]:
    """Run another client, its connections open, and give what loads one slice."""
    numbers = (endpoint.port, connections, ANSWER_BYTES)
    command = [*argv, HOST, *map(str, numbers)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, bufsize=1) as process:
        assert process.stdin
        assert process.stdout
        sending, coming = process.stdin, process.stdout
        if coming.readline().strip() != "ready":
            sys.exit(f"{argv[-1]} did not connect")

        def load() -> Counted:
            sending.write(f"{SLICE_S}\n")
            words = coming.readline().split()
            if len(words) != 3:
                sys.exit(f"{argv[-1]} has failed")
            came, took_s, spent_s = words
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
    if pairs(samples, WEBSOCKET, FLOOR):
        found[OURS_TO_FLOOR] = cpu_ratio(samples, FLOOR, WEBSOCKET)
    if pairs(samples, FLOOR, PICOWS):
        found[FLOOR_TO_PICOWS] = cpu_ratio(samples, PICOWS, FLOOR)
    return found


def targets(samples: Sequence[Sample]) -> Targets:
    """Return the least that the ratios may be.

    Where the server was at work all the time its speed is no client's: there the client's CPU
    time is what is judged.
    """
    mine = [sample for sample in samples if sample.generator == WEBSOCKET]
    judged = "requests_per_cpu" if server_share(mine) >= BUSY else "throughput"
    return [(f"{judged}_to_{name}", least, "at least") for name, least in LEAST.items()]


def floor_words(found: Ratios) -> str:
    """Say what the floor makes of the target against picows; nothing where it wasn't measured."""
    if not {OURS_TO_PICOWS, OURS_TO_FLOOR, FLOOR_TO_PICOWS} <= found.keys():
        return ""
    floor, least = found[FLOOR_TO_PICOWS], LEAST["picows"]
    reach = (
        f"No client that makes these two calls can be {least:g} times as efficient as picows on "
        "this machine, because the calls alone cost more than that."
        if floor < least
        else f"So a client can be {least:g} times as efficient as picows on this machine."
    )
    return (
        "The floor is a client in C that reads each message with one system call, writes the "
        "next with another, and neither verifies nor times anything. Per CPU second it gets "
        f"through {floor:.2f} times as many messages as picows. {reach} Ours, which verifies and "
        f"times every message, gets through {found[OURS_TO_FLOOR]:.2f} times as many as the "
        f"floor, and {found[OURS_TO_PICOWS]:.2f} times as many as picows."
    )


BENCH = Bench(
    needs=(),
    serve=partial(null_echo, answer_bytes=ANSWER_BYTES),
    generators=generators,
    ratios=ratios,
    targets=targets,
    facts={"connections": CONNECTIONS, "answer_bytes": ANSWER_BYTES},
    turns=round(1 / SLICE_S),
)
