"""A whole run: where it was measured, and what its folder holds."""

import msgspec

from asgi_bench.calibration import Calibration
from asgi_bench.model.behaviour import Behaviour
from asgi_bench.model.plan import Plan
from asgi_bench.model.proof import Proof
from asgi_bench.model.trial import Trial

SCHEMA_VERSION = 1

# Of a machine's details those that tell its processor from others of the same name.
PROCESSOR_FACTS = ("processor", "caches")
# The detail that tells of a quota on everything that is measured.
CPU_LIMIT = "cgroup CPU limit"


class Machine(msgspec.Struct, frozen=True):
    """Where a run was measured; `fingerprint` is a hash of the coarse facts alone."""

    fingerprint: str
    hostname: str
    cpu_model: str
    cpu_count: int
    memory_bytes: int
    kernel: str
    os: str
    virtualization: str | None
    governor: str | None
    python: str
    details: dict[str, str] = {}

    @property
    def processor_facts(self) -> tuple[str, ...]:
        """What tells the processor from others of its name, as far as it is known."""
        return tuple(self.details[name] for name in PROCESSOR_FACTS if name in self.details)


class Source(msgspec.Struct, frozen=True):
    """The commit of the repository that the measured app lies in, as it was checked out.

    `dirty`: tracked files differed from it. `branch` is None for a detached one.
    """

    commit: str
    branch: str | None = None
    dirty: bool = False
    committed_at: str | None = None
    subject: str = ""


class RunHeader(msgspec.Struct, frozen=True):
    """`run.json`: what was planned, by which tool, on which machine, with which packages.

    `calibration` is the one that the run went by. `server_packages` are those of the servers'
    interpreter where it is another one, `server_python` is its version. `source` is None where
    there is no git repository.
    """

    run_id: str
    label: str | None
    started_at: str
    tool_version: str
    plan: Plan
    machine: Machine
    packages: dict[str, str] = {}
    command_line: tuple[str, ...] = ()
    calibration: Calibration | None = None
    schema: str = "asgi-bench/run"
    schema_version: int = SCHEMA_VERSION
    server_packages: dict[str, str] = {}
    server_python: str | None = None
    source: Source | None = None
    variables: dict[str, str | None] = {}
    """The environment that every server inherits: names, and a value where it is no secret."""


class Run(msgspec.Struct, frozen=True):
    """A stored run as read back: its header, its trials, and what was unreadable.

    `behaviours` are there where it was asked for them, `proofs` where servers could be proven.
    """

    header: RunHeader
    trials: tuple[Trial, ...]
    folder: str
    damage: tuple[str, ...] = ()
    behaviours: tuple[Behaviour, ...] = ()
    proofs: tuple[Proof, ...] = ()
