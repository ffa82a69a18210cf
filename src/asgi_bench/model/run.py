"""A whole run: where it was measured, and what its folder contains."""

import msgspec

from asgi_bench.model.behaviour import Behaviour
from asgi_bench.model.calibration import Calibration
from asgi_bench.model.goal import Goal
from asgi_bench.model.plan import Plan
from asgi_bench.model.proof import Proof
from asgi_bench.model.request import Scenario
from asgi_bench.model.setup import Setup
from asgi_bench.model.trial import Trial

SCHEMA_VERSION = 2

# Of a machine's details those that tell its processor from others of the same name.
PROCESSOR_FACTS = ("processor", "caches")
# The detail that tells which instructions valgrind passes on to the programs that it runs.
INSTRUCTION_SETS = "instruction sets"
# The detail that tells of a quota on everything that is measured.
CPU_LIMIT = "cgroup CPU limit"
# The same of its memory.
MEMORY_LIMIT = "cgroup memory limit"


class Machine(msgspec.Struct, frozen=True):
    """Where a run was measured."""

    fingerprint: str
    """Hash of the main facts: the processor's name, numbers and caches, CPU count, kernel (6.18),
    system, Python (3.11), and a CPU quota if there is one. Runs with the same fingerprint may be
    compared."""
    hostname: str
    """The machine's name."""
    cpu_model: str
    """The processor's name."""
    cpu_count: int
    """How many CPUs the machine has."""
    memory_bytes: int
    """The machine's main memory."""
    kernel: str
    """The kernel's release."""
    os: str
    """The operating system."""
    virtualization: str | None
    """How the machine is virtualized; null if it isn't known to be."""
    governor: str | None
    """How the kernel chooses the CPU's clock rate; null if it doesn't."""
    python: str
    """The Python that ran asgi-bench."""
    details: dict[str, str] = {}
    """Further facts as text; more may be added."""

    @property
    def processor_facts(self) -> tuple[str, ...]:
        """What distinguishes the processor from others with its name, as far as it is known."""
        return tuple(self.details[name] for name in PROCESSOR_FACTS if name in self.details)


class Source(msgspec.Struct, frozen=True):
    """The commit that was checked out around the measured app.

    For the shipped apps it is the one around the current folder.
    """

    commit: str
    """The commit's hash."""
    branch: str | None = None
    """The branch; null if none was checked out."""
    dirty: bool = False
    """Whether tracked files differed from the commit."""
    committed_at: str | None = None
    """When it was committed (UTC)."""
    subject: str = ""
    """The first line of its message."""


class Preparation(msgspec.Struct, frozen=True):
    """What was learned before the first round; the plan stays as it was requested."""

    scenarios: tuple[Scenario, ...] = ()
    """The plan's scenarios with the responses that count as correct, and what is compared for
    each."""
    asked: dict[str, int] = {}
    """Requests sent to learn these responses, by the cell whose servers they went to; counted in
    `sent_total` of a report."""
    calibration: Calibration | None = None
    """What was known of machine and load generator when the run began: from `asgi-bench calibrate`,
    or from a quick calibration of the run's own."""
    spent_s: float = 0.0
    """What was gone of the budget of a goal or a gate when the first round began."""

    def answered(self, plan: Plan) -> Plan:
        """The plan with the expected responses: what is measured."""
        return msgspec.structs.replace(plan, scenarios=self.scenarios or plan.scenarios)


class Resumption(msgspec.Struct, frozen=True):
    """A later part of a run, in which `run --resume` continued with the same plan."""

    started_at: str
    """When it began (UTC)."""
    first_round: int
    """The first round that it was to measure, counted from 0. Those before it were complete."""
    begins_s: float = 0.0
    """When it begins, in seconds since the run began, not counting pauses between parts."""
    budget_s: float | None = None
    """Its own budget; null if it had none."""
    spent_s: float = 0.0
    """How much of that budget was used when its first round began."""
    set_aside: int = 0
    """Trials of a round that was interrupted. They are in `unfinished.jsonl`, and the round was
    measured again."""
    damage: tuple[str, ...] = ()
    """What it could not read of earlier parts, in words."""
    command_line: tuple[str, ...] = ()
    """The command line as it was typed."""

    def budgeted(self, plan: Plan) -> Plan:
        """The plan with this part's budget in place of its own; it ends on the run's clock."""
        if self.budget_s is None and plan.goal is None:
            return plan
        end_s = None if self.budget_s is None else self.begins_s + self.budget_s
        goal = msgspec.structs.replace(plan.goal or Goal(looks=()), budget_s=end_s)
        return msgspec.structs.replace(plan, goal=goal)


class RunHeader(msgspec.Struct, frozen=True):
    """`run.json`: what was planned, by which tool, on which machine, with which packages."""

    run_id: str
    """The run folder's name when it was made."""
    label: str | None
    """The label given with `--label`."""
    started_at: str
    """When the run began (UTC)."""
    tool_version: str
    """Version of asgi-bench."""
    plan: Plan
    """What was to be measured."""
    machine: Machine
    """Where it was measured."""
    packages: dict[str, str] = {}
    """The installed distributions and their versions."""
    command_line: tuple[str, ...] = ()
    """The command line as it was typed."""
    preparation: Preparation = Preparation()
    """What was learnt between the command's start and the first round."""
    schema: str = "asgi-bench/run"
    """What the file is."""
    schema_version: int = SCHEMA_VERSION
    """Version of `run.json` and `trials.jsonl`. Older versions are read too, newer ones are
    refused."""
    server_packages: dict[str, str] = {}
    """The distributions of the servers' interpreter, if `--python` named another than the one that
    runs asgi-bench."""
    server_python: str | None = None
    """The version of that interpreter, such as `CPython 3.11.7`; otherwise null."""
    source: Source | None = None
    """The commit that was checked out around the measured app; null without a git repository."""
    variables: dict[str, str | None] = {}
    """The environment that every server inherits, by name, without what asgi-bench drops or sets.
    Most values are null, because they may be secrets. Kept are those of `VALUES_TOLD` in
    `serving/environment_variables.py`: of allocators (`MALLOC_…`, `LD_PRELOAD`), thread pools
    (`…_NUM_THREADS`), Python (`PYTHONOPTIMIZE`, `PYTHONMALLOC`, …), locale and time zone, `DEBUG`
    and `RUST_LOG`."""
    started_in: str = ""
    """The folder that the command was typed in; empty in older runs."""
    resumed: tuple[Resumption, ...] = ()
    """The parts after the first, in which `run --resume` went on with it."""

    @property
    def plan_in_force(self) -> Plan:
        """The plan with the budget of the run's last part."""
        return self.resumed[-1].budgeted(self.plan) if self.resumed else self.plan

    @property
    def spent_s(self) -> float:
        """How much of the budget in force was spent when the first round of that part began."""
        return (self.resumed[-1] if self.resumed else self.preparation).spent_s

    @property
    def setups(self) -> tuple[Setup, ...]:
        """The setups of the plan; without any, a single one without a name."""
        if self.plan.setups:
            return self.plan.setups
        is_own = self.plan.python is None
        return (
            Setup(
                name="",
                python=self.plan.python or "",
                packages=self.server_packages or self.packages,
                python_version=(self.machine.python if is_own else self.server_python) or "",
            ),
        )


class Run(msgspec.Struct, frozen=True):
    """A stored run as read back."""

    header: RunHeader
    """The content of `run.json`."""
    trials: tuple[Trial, ...]
    """The content of `trials.jsonl`, as far as it could be read."""
    folder: str
    """Its path."""
    damage: tuple[str, ...] = ()
    """What could not be read, in words."""
    behaviours: tuple[Behaviour, ...] = ()
    """The content of `behaviour.json`; empty if it wasn't requested."""
    proofs: tuple[Proof, ...] = ()
    """The content of `proofs.json`; empty if no server could be proven."""
    stored_version: int = SCHEMA_VERSION
    """The schema version of its files."""
