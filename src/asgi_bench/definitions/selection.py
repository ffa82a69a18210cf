"""What a user asked to measure: every filter and knob, read but not yet looked up."""

import sys
from pathlib import Path
from typing import Annotated, get_args

import msgspec

from asgi_bench.definitions.interpreters import located, read_interpreters
from asgi_bench.definitions.loads import (
    DEFAULT_CONNECTIONS,
    OfferedRate,
    parse_objective,
    parse_rates,
)
from asgi_bench.definitions.own_app import OwnApp, working_folder
from asgi_bench.errors import UsageError
from asgi_bench.flags import (
    ARGUMENTS,
    ASSIGNMENTS,
    COUNTS,
    FOLDERS,
    HOW_LONG,
    LOAD,
    MACHINE,
    RATE,
    SWITCH,
    WHAT,
    Flag,
    Kind,
    Nested,
    choice,
    choices,
    many,
    whole,
)
from asgi_bench.machine.affinity import parse_cpus
from asgi_bench.model import Arrivals, Goal, Knobs, Objective
from asgi_bench.model.endpoint import HttpVersion, Target, Transport

DEFAULT_SCENARIOS = ("hello",)
_OPEN_LOOPS = ("rate", "common-rate", "sweep")


GLOBS = many("GLOB")
CPUS = Kind("CPUS", parse_cpus)
RATES = Kind("RATE,…", parse_rates, toml=tuple[float | str, ...] | float | str)
# Its default is told in words, for the path is another one everywhere.
INTERPRETERS = Kind(
    "PYTHON,…",
    read_interpreters,
    toml=tuple[str, ...] | str,
    show=lambda _: "",
    locate=located,
)
OBJECTIVE = Kind("PNN=TIME", parse_objective)
HTTP_VERSIONS = choices(*get_args(HttpVersion), metavar="N,…")
TRANSPORTS = choices(*get_args(Transport), metavar="tcp,…")

Seed = Annotated[
    int | None,
    Flag(
        "--seed",
        HOW_LONG,
        whole(least=0),
        "Seed of every random order. Drawn if omitted; always recorded.",
    ),
]
Runners = Annotated[
    tuple[Path, ...],
    Flag("--runners", WHAT, FOLDERS, "Folder with runner files of your own; repeatable."),
]
ServerCpus = Annotated[
    tuple[int, ...],
    Flag("--server-cpus", MACHINE, CPUS, "CPUs of the servers, as in 0,2-3."),
]
LoadCpus = Annotated[
    tuple[int, ...],
    Flag("--load-cpus", MACHINE, CPUS, "CPUs of the load generator."),
]
Rounds = Annotated[
    int | None,
    Flag(
        "--rounds",
        HOW_LONG,
        whole(),
        "Rounds, each with fresh server processes. Default: 6.",
        is_common=True,
    ),
]


class Selection(Knobs, frozen=True, kw_only=True):
    """The flags that all measuring verbs take, and what else decides about a plan."""

    servers: Annotated[
        tuple[str, ...],
        Flag(
            "--server",
            WHAT,
            GLOBS,
            "Servers to measure, NAME==VERSION for one version; repeatable.",
            short="-s",
            is_common=True,
        ),
    ] = ()
    variants: Annotated[
        tuple[str, ...],
        Flag("--variant", WHAT, GLOBS, "Variants to measure; repeatable.", is_common=True),
    ] = ()
    workers: Annotated[
        tuple[int, ...] | None,
        Flag(
            "--workers",
            WHAT,
            COUNTS,
            "Worker counts, as in 1,2. Default: 1, and 2 for each server's `default` variant.",
            short="-w",
            is_common=True,
        ),
    ] = None
    scenarios: Annotated[
        tuple[str, ...],
        Flag("--scenario", WHAT, GLOBS, "Scenarios to measure; repeatable.", is_common=True),
    ] = DEFAULT_SCENARIOS
    http: Annotated[
        tuple[HttpVersion, ...],
        Flag(
            "--http",
            WHAT,
            HTTP_VERSIONS,
            "HTTP versions, as in 1,2; 2 is by ALPN over TLS and by prior knowledge elsewhere.",
        ),
    ] = ("1",)
    transports: Annotated[
        tuple[Transport, ...],
        Flag(
            "--transport",
            WHAT,
            TRANSPORTS,
            "What carries the bytes, as in tcp,tls,unix: TCP, TLS, a Unix socket.",
        ),
    ] = ("tcp",)
    interpreters: Annotated[
        tuple[str, ...],
        Flag(
            "--python",
            WHAT,
            INTERPRETERS,
            "Interpreters of the servers: venv/bin/python as it is, or a version as in 3.12, with "
            "the servers installed in an environment of its own; several make a table. Default: "
            "the one of asgi-bench.",
        ),
    ] = (sys.executable,)
    server_args: Annotated[
        tuple[str, ...],
        Flag("--server-args", WHAT, ARGUMENTS, "Arguments added to every server's command."),
    ] = ()
    env: Annotated[
        dict[str, str],
        Flag("--env", WHAT, ASSIGNMENTS, "Variable set for every server; repeatable."),
    ] = msgspec.field(default_factory=dict)
    passed: Annotated[
        tuple[str, ...],
        Flag(
            "--pass-env",
            WHAT,
            many("NAME"),
            "Let servers inherit this variable, though it may hold a secret; repeatable.",
        ),
    ] = ()
    runner_folders: Runners = ()
    connections: Annotated[
        tuple[int, ...] | None,
        Flag(
            "--connections",
            LOAD,
            COUNTS,
            "Connections, as in 8,64; with --rate the most there may be. Default: 64, or 256 with "
            "--rate.",
            short="-c",
            is_common=True,
        ),
    ] = None
    also_connections: Annotated[
        tuple[int, ...] | None,
        Flag(
            "--also-connections",
            LOAD,
            COUNTS,
            "Also measure each server's `default` variant, with the fewest workers, over so many "
            "connections, as in 256.",
            is_common=True,
        ),
    ] = None
    block_size: Annotated[
        int | None,
        Flag(
            "--block-size",
            MACHINE,
            whole(least=2),
            "Keep at most this many servers up at once, the reference among them. Default: all of "
            "a scenario and worker count.",
        ),
    ] = None
    streams: Annotated[
        int,
        Flag(
            "--streams",
            LOAD,
            whole(),
            "With --http 2: streams of each connection, so many requests at once.",
        ),
    ] = 1
    random_masks: Annotated[
        bool,
        Flag(
            "--random-masks",
            LOAD,
            SWITCH,
            "Over WebSocket: draw a mask for each frame that is sent, instead of one for all.",
        ),
    ] = False
    rates: Annotated[
        tuple[OfferedRate, ...],
        Flag(
            "--rate",
            LOAD,
            RATES,
            "Open loops: requests per second, or shares of the cell's own throughput, as in "
            "500,50%.",
            short="-r",
            is_common=True,
        ),
    ] = ()
    sweep: Annotated[
        bool,
        Flag(
            "--sweep",
            LOAD,
            SWITCH,
            "Load curve: open loops from light load to past saturation.",
            is_common=True,
        ),
    ] = False
    objective: Annotated[
        Objective | None,
        Flag(
            "--slo",
            LOAD,
            OBJECTIVE,
            "With --sweep: find the highest rate that keeps this, as in p99=10ms.",
            needs=("sweep",),
            needs_words="--slo is searched for along a load curve: add --sweep",
        ),
    ] = None
    closed: Annotated[
        bool,
        Flag(
            "--closed",
            LOAD,
            SWITCH,
            "With --rate or --sweep: measure the closed loops too.",
            needs=_OPEN_LOOPS,
            needs_words="--closed adds closed loops to open ones, and there is none: add --rate or "
            "--sweep, or leave it out",
        ),
    ] = False
    common_rate_rps: Annotated[
        float | None,
        Flag(
            "--common-rate",
            LOAD,
            RATE,
            "Also load each server's `default` variant with 1 worker at this rate.",
        ),
    ] = None
    arrivals: Annotated[
        Arrivals,
        Flag(
            "--arrivals",
            LOAD,
            choice("poisson", "constant"),
            "How an open loop spaces its requests.",
            needs=_OPEN_LOOPS,
            needs_words="--arrivals is about open loops, and there is none: add --rate, "
            "--common-rate or --sweep",
        ),
    ] = "poisson"
    rounds: Rounds = None
    seed: Seed = None
    server_cpus: ServerCpus = ()
    load_cpus: LoadCpus = ()
    quota_cpus: float | None = None
    """How many CPUs all may use together by the quotas of control groups; None without one."""
    own_app: Annotated[
        OwnApp | None,
        Nested(
            "app",
            "is about an app of your own: name it, as in `run app:app`",
            others=("target",),
        ),
    ] = None
    stand_in: tuple[str, Path, Path] | None = None
    """The app that takes the place of the scenarios' own, as module:attribute, its folder and the
    one to start in: it has to answer as they do."""
    targets: tuple[Target, ...] = ()
    """Servers that somebody else has started, in place of those of the runner files."""
    allowed_targets: tuple[str, ...] = ()
    """Hosts and addresses that may be loaded though they are neither loopback nor private."""
    goal: Goal | None = None
    reference: str | None = None
    """Server/variant, with or without workers; None is the server whose runner file says so."""

    @property
    def python(self) -> str:
        """The interpreter of the servers, or the first of several."""
        return self.interpreters[0]

    @property
    def is_open(self) -> bool:
        """Whether connections are the cap of open loops, not what loads a cell."""
        return bool(self.rates) or self.sweep


def settled(selection: Selection) -> Selection:
    """Return a selection whose flags agree, with what follows from several of them.

    Raises:
        UsageError: a flag asks for what another one rules out.
    """
    own, client = selection.own_app, selection.client
    if selection.streams > 1 and "2" not in selection.http:
        raise UsageError(
            "--streams are those of HTTP/2's connections: add --http 2, or leave it out"
        )
    if own is not None and own.pipeline is not None and "1" not in selection.http:
        raise UsageError("--pipeline is about HTTP/1.1: add --http 1, or take --streams for HTTP/2")
    if client == "fast" and selection.locustfile is None:
        _check_load_processes(selection)
    else:
        _check_other_client(selection)
        client = client if selection.locustfile is None else "locustfile"
    if own is not None and own.requests and client != "fast":
        raise UsageError("--requests needs the fast client: others send one request alone")
    if own is not None and own.websocket is not None and client not in ("fast", "locustfile"):
        raise UsageError("--websocket needs the fast client: Locust's own have no WebSocket")
    if own is not None:
        folder = Path.cwd() / own.app_dir
        working_dir = working_folder(folder, Path.cwd())
        own = msgspec.structs.replace(own, app_dir=folder, working_dir=working_dir)
    return msgspec.structs.replace(
        selection,
        own_app=own,
        client=client,
        # A project's objective waits for the runs with a load curve.
        objective=selection.objective if selection.sweep else None,
    )


def _check_load_processes(selection: Selection) -> None:
    """Raise UsageError where a load process would be without a connection to send on."""
    counts = {
        "--connections": selection.connections or (DEFAULT_CONNECTIONS,),
        "--also-connections": selection.also_connections or (),
    }
    for flag, fewest in ((flag, min(given)) for flag, given in counts.items() if given):
        if selection.load_processes > fewest:
            raise UsageError(
                f"--load-processes: {selection.load_processes} need a connection each, and "
                f"{flag} gives {fewest}"
            )


def _check_other_client(selection: Selection) -> None:
    """Raise UsageError for what only our own user does, and for two other clients at once."""
    if selection.rates or selection.common_rate_rps or selection.sweep:
        raise UsageError(
            "--rate, --common-rate and --sweep need the fast client: others are closed loops"
        )
    if selection.load_processes > 1:
        raise UsageError("--load-processes: only the fast client shares its load among several")
    if selection.http != ("1",) or selection.transports != ("tcp",):
        raise UsageError(
            "--http and --transport need the fast client: others speak HTTP/1.1 by TCP"
        )
    if selection.locustfile is not None and selection.client != "fast":
        raise UsageError("--locustfile, --client: give one of them; a file brings its own users")
