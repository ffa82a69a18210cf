"""What a user wants to measure: every filter and knob, read but not yet looked up."""

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
from asgi_bench.model.goal import MOST_ROUNDS_OF_A_BUDGET

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
        "Random seed. Drawn if omitted; always recorded in run.json.",
    ),
]
Runners = Annotated[
    tuple[Path, ...],
    Flag("--runners", WHAT, FOLDERS, "Folder with your own runner files; repeatable."),
]
ServerCpus = Annotated[
    tuple[int, ...],
    Flag(
        "--server-cpus",
        MACHINE,
        CPUS,
        "CPUs for the servers, such as 0,2-3. Default: half of the CPUs.",
    ),
]
LoadCpus = Annotated[
    tuple[int, ...],
    Flag(
        "--load-cpus",
        MACHINE,
        CPUS,
        "CPUs for the load generator, such as 1. Default: the other half.",
    ),
]
Rounds = Annotated[
    int | None,
    Flag(
        "--rounds",
        HOW_LONG,
        whole(),
        "Measure N rounds, each with fresh server processes. Default: 6, or as many as a --budget "
        f"holds, at most {MOST_ROUNDS_OF_A_BUDGET}.",
        is_common=True,
    ),
]


class Selection(Knobs, frozen=True, kw_only=True):
    """The flags that all measuring verbs take, and what else determines a plan."""

    servers: Annotated[
        tuple[str, ...],
        Flag(
            "--server",
            WHAT,
            GLOBS,
            "Servers to measure, as names or globs; NAME==VERSION pins a version. Repeatable. "
            "Default: all that need no environment of their own; in comparisons and counts, the "
            "reference server.",
            short="-s",
            is_common=True,
        ),
    ] = ()
    variants: Annotated[
        tuple[str, ...],
        Flag(
            "--variant",
            WHAT,
            GLOBS,
            "Variants to measure, as names or globs; repeatable. Default: all; in comparisons and "
            "counts, `default`.",
            is_common=True,
        ),
    ] = ()
    workers: Annotated[
        tuple[int, ...] | None,
        Flag(
            "--workers",
            WHAT,
            COUNTS,
            "Worker counts, such as 1,2. Default: 1, plus 2 for `default` variants; in comparisons "
            "and counts, 1.",
            short="-w",
            is_common=True,
        ),
    ] = None
    scenarios: Annotated[
        tuple[str, ...],
        Flag(
            "--scenario",
            WHAT,
            GLOBS,
            "Scenarios to measure, as names or globs; repeatable.",
            is_common=True,
        ),
    ] = DEFAULT_SCENARIOS
    http: Annotated[
        tuple[HttpVersion, ...],
        Flag(
            "--http",
            WHAT,
            HTTP_VERSIONS,
            "HTTP versions, such as 1,2. HTTP/2 is negotiated by ALPN over TLS and assumed "
            "elsewhere (prior knowledge).",
        ),
    ] = ("1",)
    transports: Annotated[
        tuple[Transport, ...],
        Flag(
            "--transport",
            WHAT,
            TRANSPORTS,
            "Transports: any of tcp, tls and unix (a Unix socket).",
        ),
    ] = ("tcp",)
    interpreters: Annotated[
        tuple[str, ...],
        Flag(
            "--python",
            WHAT,
            INTERPRETERS,
            "Interpreters for the servers: a path such as venv/bin/python, or a version such as "
            "3.12, for which the servers are installed in a new environment. Several are "
            "compared. Default: asgi-bench's own interpreter.",
        ),
    ] = (sys.executable,)
    server_args: Annotated[
        tuple[str, ...],
        Flag("--server-args", WHAT, ARGUMENTS, "Arguments added to every server's command."),
    ] = ()
    env: Annotated[
        dict[str, str],
        Flag("--env", WHAT, ASSIGNMENTS, "Environment variable set for every server; repeatable."),
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
            "Connections, such as 8,64; with --rate, the maximum. Default: 64; with --rate, 256.",
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
            "Also measure each server's `default` variant, at its lowest worker count, with "
            "these numbers of connections.",
            is_common=True,
        ),
    ] = None
    block_size: Annotated[
        int | None,
        Flag(
            "--block-size",
            MACHINE,
            whole(least=2),
            "Keep at most N servers up at once, including the reference. Default: all servers "
            "of a scenario and worker count.",
        ),
    ] = None
    streams: Annotated[
        int,
        Flag(
            "--streams",
            LOAD,
            whole(),
            "With --http 2: send N requests at once on each connection.",
        ),
    ] = 1
    random_masks: Annotated[
        bool,
        Flag(
            "--random-masks",
            LOAD,
            SWITCH,
            "Over WebSocket: draw a new mask for each frame instead of reusing one.",
        ),
    ] = False
    rates: Annotated[
        tuple[OfferedRate, ...],
        Flag(
            "--rate",
            LOAD,
            RATES,
            "Open-loop rates: requests per second, or shares of the cell's own throughput, such "
            "as 500,50%.",
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
            "Measure a load curve: open loops from light load to beyond saturation.",
            is_common=True,
        ),
    ] = False
    objective: Annotated[
        Objective | None,
        Flag(
            "--slo",
            LOAD,
            OBJECTIVE,
            "With --sweep: find the highest rate that meets this objective, such as p99=10ms.",
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
            "With --rate or --sweep: measure closed loops as well.",
            needs=_OPEN_LOOPS,
            needs_words="--closed adds closed loops to open ones, and there are none: add --rate "
            "or --sweep, or leave --closed out",
        ),
    ] = False
    common_rate_rps: Annotated[
        float | None,
        Flag(
            "--common-rate",
            LOAD,
            RATE,
            "Also measure each server's `default` variant with 1 worker at this rate, in "
            "requests per second.",
        ),
    ] = None
    arrivals: Annotated[
        Arrivals,
        Flag(
            "--arrivals",
            LOAD,
            choice("poisson", "constant"),
            "Spacing of an open loop's requests.",
            needs=_OPEN_LOOPS,
            needs_words="--arrivals applies to open loops, and there are none: add --rate, "
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
            "describes your own app: name the app, for example `run app:app`",
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
    load_hosts: int = 0
    """How many load processes come from other hosts."""
    listen: str | None = None
    """Where their master listens, and by the same address the servers."""
    goal: Goal | None = None
    reference: str | None = None
    """Server/variant, with or without workers; None is the server whose runner file says so."""

    @property
    def python(self) -> str:
        """The servers' interpreter, or the first of several."""
        return self.interpreters[0]

    @property
    def is_open(self) -> bool:
        """Whether connections are the maximum of open loops, rather than the load of a cell."""
        return bool(self.rates) or self.sweep


def settled(selection: Selection) -> Selection:
    """Return a selection whose flags agree, with what follows from several of them.

    Raises:
        UsageError: a flag requests what another one rules out.
    """
    own, client = selection.own_app, selection.client
    if selection.streams > 1 and "2" not in selection.http:
        raise UsageError("--streams needs HTTP/2: add --http 2, or leave it out")
    if own is not None and own.pipeline is not None and "1" not in selection.http:
        raise UsageError("--pipeline needs HTTP/1.1: add --http 1, or use --streams for HTTP/2")
    if client == "fast" and selection.locustfile is None:
        _check_load_processes(selection)
    else:
        _check_other_client(selection)
        client = client if selection.locustfile is None else "locustfile"
    if own is not None and own.requests and client != "fast":
        raise UsageError("--requests needs the client `fast`: the others send a single request")
    if own is not None and own.websocket is not None and client not in ("fast", "locustfile"):
        raise UsageError(
            "--websocket needs the client `fast`: Locust's own clients have no WebSocket"
        )
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
    """Raise UsageError where a load process would have no connection to send on."""
    if selection.load_hosts and "unix" in selection.transports:
        raise UsageError(
            "--transport: load hosts can't reach a Unix socket of this machine: give tcp, tls"
        )
    counts = {
        "--connections": selection.connections or (DEFAULT_CONNECTIONS,),
        "--also-connections": selection.also_connections or (),
    }
    for flag, fewest in ((flag, min(given)) for flag, given in counts.items() if given):
        asked = selection.load_hosts or selection.load_processes
        if asked > fewest:
            name = "--load-hosts" if selection.load_hosts else "--load-processes"
            raise UsageError(
                f"{name}: {asked} processes need a connection each, but {flag} gives only {fewest}"
            )


def _check_other_client(selection: Selection) -> None:
    """Raise UsageError for what only our own user does, and for two other clients at once."""
    if selection.rates or selection.common_rate_rps or selection.sweep:
        raise UsageError(
            "--rate, --common-rate and --sweep need the client `fast`: the others are closed loops"
        )
    if selection.load_processes > 1:
        raise UsageError(
            "--load-processes needs the client `fast`: the others can't share their load"
        )
    if selection.http != ("1",) or selection.transports != ("tcp",):
        raise UsageError(
            "--http and --transport need the client `fast`: the others use HTTP/1.1 over TCP"
        )
    if selection.locustfile is not None and selection.client != "fast":
        raise UsageError("--locustfile, --client: use only one; a locustfile brings its own users")
