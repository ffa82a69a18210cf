"""What is to be measured: loads, scenarios, cells, and the plan that contains them."""

import math
from collections.abc import Iterable
from typing import Annotated, ClassVar, Literal, TypeAlias
from urllib.parse import urlsplit

import msgspec

from asgi_bench.errors import UsageError
from asgi_bench.flags import (
    DURATION,
    FILE,
    HOW_LONG,
    LOAD,
    SWITCH,
    WHAT,
    Flag,
    choice,
    whole,
)
from asgi_bench.model.endpoint import (
    HOST,
    PORTS,
    Endpoint,
    HttpVersion,
    Protocol,
    Transport,
    way_suffix,
)
from asgi_bench.model.goal import MOST_ROUNDS_OF_A_BUDGET, Gate, Goal
from asgi_bench.model.request import Scenario
from asgi_bench.model.setup import Setup

Client: TypeAlias = Literal["fast", "fasthttp", "http", "locustfile"]
Arrivals: TypeAlias = Literal["poisson", "constant"]
Loop: TypeAlias = Literal["closed", "open", "sweep"]


class Objective(msgspec.Struct, frozen=True):
    """A latency objective."""

    quantile: float
    """The quantile of the response times that must be within the limit: 0.99."""
    limit_s: float
    """The limit on that response time."""


class AnyLoad(msgspec.Struct, frozen=True, tag_field="loop"):
    """How requests are offered, and the questions that every kind of load answers."""

    loop: ClassVar[Loop]
    """What files and metrics call its kind."""
    kind: ClassVar[str]
    """What people call it."""
    is_closed: ClassVar[bool] = False
    """Whether connections wait for their responses, so that the server sets the throughput."""
    has_one_rate: ClassVar[bool] = False
    """Whether all of a trial's requests are offered at one rate."""
    is_sweep: ClassVar[bool] = False
    """Whether a trial goes through several rates, each slice a step with its own histograms."""

    @property
    def connections(self) -> int:
        """The number of connections; the maximum, for an open loop."""
        return 0

    @property
    def streams(self) -> int:
        """How many requests each connection has in flight."""
        return 1

    @property
    def each(self) -> str:
        """How a key shows streams per connection: `x8`, or nothing for one."""
        return f"x{self.streams}" if self.streams > 1 else ""

    @property
    def in_flight(self) -> int:
        """The maximum number of requests in flight."""
        return self.connections * self.streams

    @property
    def rate_rps(self) -> float | None:
        """The requested rate, if it is one number."""
        return None

    @property
    def rate_share(self) -> float | None:
        """The requested rate as a share of the cell's own throughput."""
        return None

    @property
    def is_relative(self) -> bool:
        """Whether rates are shares of the cell's own throughput."""
        return self.rate_share is not None or bool(self.shares)

    @property
    def arrivals(self) -> Arrivals:
        """How requests are spaced in time."""
        return "poisson"

    @property
    def shares(self) -> tuple[float, ...]:
        """Shares of the cell's own throughput, each a step of a trial."""
        return ()

    @property
    def objective(self) -> Objective | None:
        """The objective; the highest rate that meets it is searched for."""
        return None

    @property
    def search_steps(self) -> int:
        """How many additional rates that search tries in a trial."""
        return 0

    @property
    def steps(self) -> int:
        """How many times its time under load a trial takes, without the search."""
        return len(self.shares) or 1

    def rate_of(self, ceiling_rps: float) -> float | None:
        """The one rate to offer a cell with this throughput of its own."""
        return None


class ClosedLoop(AnyLoad, frozen=True, tag="closed"):
    """Each connection sends its next request after the response: throughput at saturation."""

    loop: ClassVar[Loop] = "closed"
    kind: ClassVar[str] = "closed loop"
    is_closed: ClassVar[bool] = True

    connections: int
    """How many connections, each of which sends its next request after the response."""
    streams: int = 1
    """How many requests each connection has in flight: more than 1 only with HTTP/2."""

    @property
    def key(self) -> str:
        """The last part of a cell's key: `c64`, or `c8x8` with 8 streams each."""
        return f"c{self.connections}{self.each}"


class OpenLoop(AnyLoad, frozen=True, tag="open"):
    """Requests are due on a schedule, however long responses take."""

    loop: ClassVar[Loop] = "open"
    kind: ClassVar[str] = "open loop"
    has_one_rate: ClassVar[bool] = True

    rate_rps: float | None
    """Requests due per second; null if a share is given."""
    rate_share: float | None = None
    """The rate as a share of the cell's own closed-loop throughput; in an A/B, of the baseline's,
    for all sides."""
    arrivals: Arrivals = "poisson"
    """How requests are spaced: `poisson` or `constant`."""
    connections: int = 256
    """The maximum number of connections."""
    streams: int = 1
    """The maximum number of requests in flight per connection: more than 1 only with HTTP/2."""

    @property
    def key(self) -> str:
        """The last part of a cell's key: `r500` or `r50%`."""
        if self.rate_share is not None:
            return f"r{self.rate_share * 100:.12g}%{self.each}"
        return f"r{self.rate_rps:.12g}{self.each}"

    def rate_of(self, ceiling_rps: float) -> float:
        """The rate for a cell with this throughput of its own."""
        return self.rate_rps or ceiling_rps * (self.rate_share or 1.0)


class RateSweep(AnyLoad, frozen=True, tag="sweep"):
    """Open loops at rising shares of the cell's own throughput: its load curve."""

    loop: ClassVar[Loop] = "sweep"
    kind: ClassVar[str] = "sweep"
    is_sweep: ClassVar[bool] = True

    shares: tuple[float, ...]
    """The shares of the cell's own closed-loop throughput, rising."""
    objective: Objective | None = None
    """The objective that the highest rate must meet; null if nothing is searched."""
    search_steps: int = 0
    """How many more rates each round tries in that search, by bisection."""
    arrivals: Arrivals = "poisson"
    """How requests are spaced: `poisson` or `constant`."""
    connections: int = 256
    """The maximum number of connections."""
    streams: int = 1
    """The maximum number of requests in flight per connection: more than 1 only with HTTP/2."""

    @property
    def key(self) -> str:
        """The last part of a cell's key."""
        return f"sweep{self.each}"


Load: TypeAlias = ClosedLoop | OpenLoop | RateSweep


def load_time_s(load: Load, duration_s: float) -> float:
    """Return how long a round loads a cell: each step of a sweep takes the whole duration."""
    return duration_s * (load.steps + load.search_steps)


class Cell(msgspec.Struct, frozen=True):
    """Server x variant x workers x scenario x HTTP version x transport x load: one point.

    A plan over setups has each cell once per setup, with `default@candidate` in its key.
    """

    server: str
    """The server: the name of its runner file."""
    variant: str
    """The variant of the server."""
    workers: int
    """How many workers it is started with."""
    scenario: str
    """The scenario's name."""
    load: Load
    """How requests are offered. Its `loop` is `closed`, `open` or `sweep`."""
    setup: str | None = msgspec.field(default=None, name="side")
    """The name of its setup; null if the plan has none. In an A/B, the side."""
    http: HttpVersion = "1"
    """The HTTP version: `1` is HTTP/1.1, `2` is HTTP/2, over TCP by prior knowledge."""
    transport: Transport = "tcp"
    """The transport: `tcp`, `tls` (over TCP) or `unix` (a Unix socket)."""

    @property
    def key(self) -> str:
        """The cell's name everywhere: `uvicorn/default/w1/hello/c64`, or with `hello+h2+tls`."""
        return f"{self.process_key}/{self.load.key}"

    @property
    def process_key(self) -> str:
        """What is started: cells that differ only in load share one server process."""
        return f"{self.setting}/{self.request_key}"

    @property
    def request_key(self) -> str:
        """What is requested, and how unless that is plain HTTP/1.1: `hello`, `hello+tls`."""
        return f"{self.scenario}{way_suffix(self.http, self.transport)}"

    @property
    def variant_in_setup(self) -> str:
        """Its variant, with the setup: `default@candidate`, `default@3.12`."""
        return self.variant if self.setup is None else f"{self.variant}@{self.setup}"

    @property
    def setting(self) -> str:
        """The server's setting, whatever it serves and by which protocol: `uvicorn/default/w1`."""
        return f"{self.server}/{self.variant_in_setup}/w{self.workers}"

    @property
    def start(self) -> str:
        """The setting with the protocol, which takes flags: `uvicorn/default/w1+tls`."""
        return f"{self.setting}{way_suffix(self.http, self.transport)}"

    @property
    def protocol(self) -> Protocol:
        """The protocol of its requests."""
        return "http2" if self.http == "2" else "http1"

    @property
    def without_setup(self) -> "Cell":
        """The cell as all setups measure it."""
        return msgspec.structs.replace(self, setup=None)


class ServerEnvironment(msgspec.Struct, frozen=True):
    """A server's own environment (`asgi-bench install`)."""

    python: str
    """Its interpreter."""
    packages: dict[str, str] = {}
    """The distributions in it, with versions. All others come from the servers' interpreter."""


class PlannedCell(msgspec.Struct, frozen=True):
    """A cell with what starts its server."""

    cell: Cell
    """The cell. Its parts, joined by slashes, are its key: `uvicorn/default/w1/hello/c64`, in an
    A/B `uvicorn/default@candidate/w1/hello/c64`."""
    command: tuple[str, ...] = ()
    """The server's argv; each start fills in `{port}` and `{fd}`."""
    env: dict[str, str] = {}
    """Variables set for the server."""
    working_dir: str = ""
    """Where the server is started."""
    socket_sharing: Literal["own", "inherited"] = "own"
    """`own`: the server opens its sockets. `inherited`: its processes share one opened for them."""
    server_version: str | None = None
    """The version that was measured."""
    blocks: tuple[int, ...] = (0,)
    """The blocks of a round that the cell takes part in. Its estimates come from the first. Only
    the reference takes part in several, so that each block has something to compare with."""
    duration_s: float | None = None
    """Time under load of this cell per round, if it differs from the plan's; otherwise null."""
    skip_reason: str | None = None
    """Why the cell can't be measured here."""
    proof_command: tuple[str, ...] = ()
    """The argv that starts the same server on the probe app, which reports what really runs
    (`proofs.json`); empty if the server takes no app."""
    proves: dict[str, str] = {}
    """What that app must report, or the cell fails: patterns of class names by `loop`, `protocol`,
    `parser`, `transport`, from the runner file."""
    proof_env: dict[str, str] = {}
    """Variables of the proof besides `env`: the app to import in its process."""
    app_dir: str = ""
    """The folder of its app; empty in older runs, which use `working_dir`."""
    worker_timeout_flag: str | None = None
    """The server's flag for how long a worker may be silent, for example in a long import, before
    it is replaced."""
    count_args: tuple[str, ...] = ()
    """What is added to the command when the server is counted, from the runner file."""
    has_lifespan: bool = True
    """Whether the server runs an app's start-up and shutdown, as its runner states."""
    environment: ServerEnvironment | None = None
    """Its server's own environment; null if it runs in the shared one."""
    unset: tuple[str, ...] = ()
    """Patterns of variables that its server doesn't inherit: those that servers read in place of
    flags, according to their runner files."""
    passed: tuple[str, ...] = ()
    """Variables that its server inherits although their names are those of secrets
    (`--pass-env`)."""
    missing: tuple[str, ...] = ()
    """Requirement lines that a skipped cell needs and that are not installed."""
    target: str | None = None
    """The URL of a server that somebody else started; null if the run starts its own."""
    target_address: str = ""
    """The address that the host of that URL had when the run was planned: load goes there."""
    idles: bool = True
    """Whether its server leaves the CPU alone while it gets no requests, according to its runner
    file. One that doesn't is alone in its blocks."""

    @property
    def endpoint(self) -> Endpoint | None:
        """The address of a server that somebody else started."""
        if self.target is None:
            return None
        parts = urlsplit(self.target)
        port = PORTS[parts.scheme] if parts.port is None else parts.port
        return Endpoint(
            (self.target_address, port),
            self.cell.transport,
            self.cell.protocol,
            name=parts.hostname or "",
        )

    @property
    def added_to_count(self) -> tuple[str, ...]:
        """Arguments to add for counting; none if one of these flags is already given."""
        flags = {word.partition("=")[0] for word in self.count_args if word.startswith("-")}
        own = {word.partition("=")[0] for word in self.command}
        return () if flags & own else self.count_args

    @property
    def counting_command(self) -> tuple[str, ...]:
        """The argv for counting the server."""
        return (*self.command, *self.added_to_count)


Duration: TypeAlias = Annotated[
    float,
    Flag("--duration", HOW_LONG, DURATION, "Time under load per cell and round.", is_common=True),
]


class Knobs(msgspec.Struct, frozen=True, kw_only=True):
    """What applies to all cells of a run: each field is a flag, stored in the plan as given."""

    duration_s: Duration = 2.0
    """Time under load per cell and round, over all slices."""
    client: Annotated[
        Client,
        Flag(
            "--client",
            LOAD,
            choice("fast", "fasthttp", "http"),
            "Client: asgi-bench's Locust user, or one of Locust's own, which measures cells one "
            "by one.",
        ),
    ] = "fast"
    """What sends the requests: `fast` (asgi-bench's Locust user), `fasthttp` or `http` (Locust's),
    or `locustfile` (your own)."""
    locustfile: Annotated[
        str | None,
        Flag(
            "--locustfile",
            LOAD,
            FILE,
            "Run your own Locust users against each server, one cell at a time.",
        ),
    ] = None
    """The file that defines the users, if they are your own."""
    web_ui: Annotated[
        bool, Flag("--web-ui", LOAD, SWITCH, "Open Locust's live page during the run.")
    ] = False
    """Whether Locust's web page is served during the run."""
    load_processes: Annotated[
        int,
        Flag("--load-processes", LOAD, whole(), "Number of Locust processes that share the load."),
    ] = 1
    """The number of load processes; each sends from one thread."""
    request_timeout_s: Annotated[
        float, Flag("--timeout", LOAD, DURATION, "Longest time to wait for a response.")
    ] = 5.0
    """How long a response may take."""
    startup_timeout_s: Annotated[
        float,
        Flag("--startup-timeout", WHAT, DURATION, "Longest time to wait for a server to start."),
    ] = 30.0
    """How long a server may take to start responding."""


class Plan(Knobs, frozen=True):
    """Everything a run was asked to do; with the seed it gives the same order again."""

    cells: tuple[PlannedCell, ...]
    """Every cell, including those that can't be measured here."""
    scenarios: tuple[Scenario, ...]
    """The requests and the expected responses."""
    rounds: int
    """How many times each cell is measured, each time in fresh processes. With a `goal`, the
    maximum."""
    seed: int
    """Determines the order of blocks and slices: the same seed gives the same order."""
    reference: str | None
    """Server, variant and workers of the server that ratios refer to: `uvicorn/default/w1`."""
    server_cpus: tuple[int, ...] = ()
    """The CPUs that the servers are given."""
    load_cpus: tuple[int, ...] = ()
    """The CPUs that the load generator is given."""
    quota_cpus: float | None = None
    """How many CPUs servers and load generator may use together, by the quota of a container, a
    control group or a systemd unit; null without a quota, and in older runs."""
    python: str | None = None
    """The servers' interpreter, if `--python` named one other than asgi-bench's own; otherwise
    null."""
    setups: tuple[Setup, ...] = msgspec.field(default=(), name="sides")
    """The setups that each cell is measured under: for an A/B `baseline`, `control` (a second
    process of the baseline) and `candidate`; for a run over several interpreters, each of them;
    otherwise empty."""
    gate: Gate | None = None
    """The rule that judges an A/B; otherwise null."""
    goal: Goal | None = None
    """The goal of a run with `--budget` or `--precision`; otherwise null."""

    load_hosts: int = 0
    """How many load processes come from other hosts; 0 if this machine sends the load."""
    listen: str | None = None
    """Where their master and the servers listen, as `10.0.0.1:5557`; null without load hosts."""

    @property
    def most_rounds(self) -> int | None:
        """How many rounds there are, with a goal at most; None if a budget alone ends them."""
        is_by_budget = self.goal is not None and self.goal.precision is None
        return None if is_by_budget and self.rounds == MOST_ROUNDS_OF_A_BUDGET else self.rounds

    @property
    def listen_at(self) -> tuple[str, int] | None:
        """Address and port of the master for load processes on other hosts."""
        if self.listen is None:
            return None
        host, _, port = self.listen.partition(":")
        return host, int(port)

    @property
    def server_host(self) -> str:
        """The address that servers listen on."""
        return HOST if self.listen_at is None else self.listen_at[0]

    def is_oversubscribed(self, cell: Cell) -> bool:
        """Whether a cell has more workers than its servers have CPUs, or than a quota allows."""
        limits = (len(self.server_cpus) or math.inf, self.quota_cpus or math.inf)
        return cell.workers > max(min(limits), 1)

    def variant_of(self, cell: Cell) -> str:
        """A cell's variant as reports show it: it distinguishes setups that have no gate."""
        return cell.variant_in_setup if self.gate is None else cell.variant


def setting_named(name: str, settings: Iterable[str], flag: str = "--reference") -> str:
    """Return the setting with that name; without workers (`uvicorn/default`), the first match.

    Raises:
        UsageError: there is none; the text lists them all.
    """
    known = list(dict.fromkeys(settings))
    for setting in known:
        if name in (setting, setting.rpartition("/w")[0]):
            return setting
    raise UsageError(f"{flag} {name!r} is not measured; available: {', '.join(known)}")
