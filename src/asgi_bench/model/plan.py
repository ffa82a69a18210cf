"""What is to be measured: loads, scenarios, cells, and the plan that holds them."""

from typing import Literal, TypeAlias

import msgspec

from asgi_bench.model.goal import Goal
from asgi_bench.model.request import Scenario
from asgi_bench.model.sides import Gate, Role, Side

Client: TypeAlias = Literal["fast", "fasthttp", "http", "locustfile"]
Arrivals: TypeAlias = Literal["poisson", "constant"]


class ClosedLoop(msgspec.Struct, frozen=True, tag_field="loop", tag="closed"):
    """Each connection sends its next request after the answer: throughput at saturation."""

    connections: int

    @property
    def key(self) -> str:
        """The last part of a cell's key, as in `c64`."""
        return f"c{self.connections}"


class OpenLoop(msgspec.Struct, frozen=True, tag_field="loop", tag="open"):
    """Requests are due on a schedule; `rate_share` is a share of the cell's own throughput.

    In an A/B it is one of the baseline's, on all sides.
    """

    rate_rps: float | None
    rate_share: float | None = None
    arrivals: Arrivals = "poisson"
    connections: int = 256

    @property
    def key(self) -> str:
        """The last part of a cell's key, as in `r500` or `r50%`."""
        if self.rate_share is not None:
            return f"r{self.rate_share * 100:.12g}%"
        return f"r{self.rate_rps:.12g}"


class Objective(msgspec.Struct, frozen=True):
    """A latency objective: the response time that a quantile of the requests must keep."""

    quantile: float
    limit_s: float


class RateSweep(msgspec.Struct, frozen=True, tag_field="loop", tag="sweep"):
    """Open loops at rising shares of the cell's own throughput: its load curve.

    With an `objective`, `search_steps` more rates are tried in each round, to find the highest
    that keeps it by bisection.
    """

    shares: tuple[float, ...]
    objective: Objective | None = None
    search_steps: int = 0
    arrivals: Arrivals = "poisson"
    connections: int = 256

    @property
    def key(self) -> str:
        """The last part of a cell's key."""
        return "sweep"


Load: TypeAlias = ClosedLoop | OpenLoop | RateSweep


class Cell(msgspec.Struct, frozen=True):
    """Server x variant x workers x scenario x load: one point of the matrix.

    In an A/B each is there once for each side, `default@candidate` in its key.
    """

    server: str
    variant: str
    workers: int
    scenario: str
    load: Load
    side: Role | None = None

    @property
    def key(self) -> str:
        """The cell's name everywhere, as in `uvicorn/default/w1/hello/c64`."""
        return f"{self.process_key}/{self.load.key}"

    @property
    def process_key(self) -> str:
        """What is started: cells that differ in load alone share one server process."""
        return f"{self.setting}/{self.scenario}"

    @property
    def setting(self) -> str:
        """How the server is started, whatever it serves: `uvicorn/default/w1`."""
        variant = self.variant if self.side is None else f"{self.variant}@{self.side}"
        return f"{self.server}/{variant}/w{self.workers}"

    @property
    def sideless(self) -> "Cell":
        """The cell that all sides of an A/B measure."""
        return msgspec.structs.replace(self, side=None)


class PlannedCell(msgspec.Struct, frozen=True):
    """A cell with what starts its server.

    `command` still holds the placeholders `{port}` and `{fd}`, which each trial fills in.
    `blocks` are the blocks of a round it takes part in; its own is the first, and only the
    reference cell has more. `duration_s` is its time under load in a round, where that is not the
    plan's. `skip_reason` is set where the cell can't be measured here.
    `proof_command` starts the same server on the app that tells what really runs (none where the
    server takes no app), with `proof_env` beside `env`; `proves` is what it must tell, as patterns
    of class names.
    `asked_before` is how many requests its server was sent before the rounds, to learn the right
    answer from.
    """

    cell: Cell
    command: tuple[str, ...] = ()
    env: dict[str, str] = {}
    working_dir: str = ""
    socket_sharing: Literal["own", "inherited"] = "own"
    server_version: str | None = None
    blocks: tuple[int, ...] = (0,)
    duration_s: float | None = None
    skip_reason: str | None = None
    proof_command: tuple[str, ...] = ()
    proves: dict[str, str] = {}
    asked_before: int = 0
    proof_env: dict[str, str] = {}
    app_dir: str = ""
    """The folder of its app; empty in older runs, where it is `working_dir`."""
    worker_timeout_flag: str | None = None
    """The server's flag for how long a worker may stay silent until it is replaced."""
    has_lifespan: bool = True
    """Whether the server runs an app's start-up and shutdown, as its runner states."""
    missing: tuple[str, ...] = ()
    """Requirement lines that a skipped cell needs and that are not met."""


class Plan(msgspec.Struct, frozen=True):
    """Everything a run was asked to do; with the seed it gives the same order again.

    `python` is the servers' interpreter, None where it is the one that runs asgi-bench. An A/B
    has `sides`, and the `gate` that it is judged by. With a `goal` the rounds are the most there
    will be.
    """

    cells: tuple[PlannedCell, ...]
    scenarios: tuple[Scenario, ...]
    rounds: int
    duration_s: float
    seed: int
    reference: str | None
    client: Client = "fast"
    request_timeout_s: float = 5.0
    startup_timeout_s: float = 30.0
    server_cpus: tuple[int, ...] = ()
    load_cpus: tuple[int, ...] = ()
    load_processes: int = 1
    locustfile: str | None = None
    web_ui: bool = False
    python: str | None = None
    sides: tuple[Side, ...] = ()
    gate: Gate | None = None
    goal: Goal | None = None
