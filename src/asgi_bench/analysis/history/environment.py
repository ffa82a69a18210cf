"""What a run was measured with, as named facts, and what differs between two runs.

Facts are text by name, on one level: in `package uvicorn`, the first word is the kind.
"""

import hashlib
import re
import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import msgspec

from asgi_bench.model import (
    CPU_LIMIT,
    INSTRUCTION_SETS,
    PROCESSOR_FACTS,
    Plan,
    PlannedCell,
    Proof,
    Request,
    RunEntry,
    RunHeader,
    Scenario,
    WeightedRequest,
)
from asgi_bench.model.counts import Life

# The facts of runs by the keys that their entries name.
Facts = Mapping[str, Mapping[str, str]]
# Parts of a proof that may differ under the same command line, and move speed.
PARTS = ("loop", "protocol", "parser", "transport", "http_version")
# For a variable of which the name alone is recorded.
SET = "set"


class Change(NamedTuple):
    """A fact that differs: its kind, its name, and both texts; None if it is absent."""

    kind: str
    name: str
    before: str | None
    after: str | None


# In this order differences are told: what decides how it is measured, what is measured, the rest.
KINDS = (
    *("machine", "tool", "library", "load", "commit", "module", "server", "running", "command"),
    *("variables", "environment", "interpreter", "package", "files", "calibration"),
)
# Of a run that counted: the files of machine code that a setting's processes ran, those of packages
# apart, which are what is measured.
LIBRARY, FILES = "library", "files"
# Facts that are of the measurement, not of what is measured: a change that comes with one of them
# may be its doing.
MEASURING_KINDS = ("machine", "tool", "load", LIBRARY)
# Facts of what was measured: all of them are there if a cell is, and none if it isn't.
CELL_KINDS = ("server", "running", "command", "variables", LIBRARY, FILES)
# Where a run has no fact of such a kind, it has not recorded any.
RECORDED_KINDS = ("environment", "module")
# Before a scenario's name in the facts about it.
OF_SCENARIO = "scenario "
DIGEST_LETTERS = 12


def surroundings(header: RunHeader, proofs: Sequence[Proof] = ()) -> dict[str, str]:
    """The facts of a run that may move its figures, by name.

    It excludes what differs by design from run to run: seed, label, time, load average.
    """
    plan, machine = header.plan, header.machine
    facts: dict[str, str | None] = {
        "machine CPU": machine.cpu_model,
        **{f"machine {name}": machine.details.get(name) for name in PROCESSOR_FACTS},
        "machine CPUs": str(machine.cpu_count),
        "machine CPU quota": machine.details.get(CPU_LIMIT),
        "machine memory": f"{machine.memory_bytes / 2**30:.1f} GiB",
        "machine kernel": machine.kernel,
        "machine system": machine.os,
        "machine virtualization": machine.virtualization,
        "machine governor": machine.governor,
        "machine Python": machine.python,
        "tool asgi-bench": header.tool_version,
        **_load_facts(plan),
        **_cell_facts(plan),
        **dict(_running_facts(plan, header.variables, proofs)),
        **{f"environment {name}": told(value) for name, value in header.variables.items()},
        **_setup_facts(header),
    }
    return {name: value for name, value in facts.items() if value is not None}


def fuller_surroundings(header: RunHeader, proofs: Sequence[Proof] = ()) -> dict[str, str]:
    """The same, with what differs from run to run without being news in a history.

    That is the commit, and what the run's calibration had found.
    """
    facts = surroundings(header, proofs)
    if header.source is not None:
        facts["commit of the app"] = header.source.commit + (
            " with changes" if header.source.dirty else ""
        )
    calibration = header.preparation.calibration
    if calibration is not None:
        facts["calibration kind"] = calibration.kind
        for point in calibration.ceiling:
            name = f"calibration ceiling at {point.connections} connections"
            facts[name] = f"{point.ceiling_rps:,.0f} requests/s"
        if calibration.aa_floor is not None and calibration.aa_floor.half_width is not None:
            facts["calibration A/A floor"] = f"±{calibration.aa_floor.half_width:.2%}"
    return facts


# What counts hang on, or are not shown not to: what is left out moves times alone.
_COUNTED_ON = ("machine CPUs",)


def counted_surroundings(header: RunHeader, lives: Sequence[Life]) -> dict[str, str]:
    """The facts of a run that counted, by name: without what only moves times."""
    machine = header.machine
    facts: dict[str, str | None] = {
        name: value
        for name, value in surroundings(header).items()
        if name in _COUNTED_ON
        or name.startswith(("tool ", f"load {OF_SCENARIO}"))
        or (name.partition(" ")[0] not in MEASURING_KINDS or f" of {OF_SCENARIO}" in name)
    }
    facts["machine architecture"] = machine.details.get("architecture")
    facts["machine kernel"] = ".".join(re.findall(r"\d+", machine.kernel)[:2])
    facts["machine instruction sets"] = machine.details.get(INSTRUCTION_SETS)
    backends = {life.backend for life in lives if life.counter == "instructions"}
    facts["tool that counts instructions"] = " ".join(sorted(backends)) or None
    if "hardware" in backends:
        facts["machine CPU"] = machine.cpu_model
    facts["machine letters in paths"] = _path_lengths(header.plan)
    code: dict[str, dict[str, str]] = {}
    for planned in header.plan.cells:
        mine = [life for life in lives if life.cell in _keys(planned)]
        code.setdefault(planned.cell.start, {}).update(code_of(mine))
    for start, files in code.items():
        for kind, is_package in ((LIBRARY, False), (FILES, True)):
            facts[f"{kind} {start}"] = _files(
                {name: files[name] for name in files if is_of_package(name) == is_package}
            )
    return {name: value for name, value in facts.items() if value is not None}


def _path_lengths(plan: Plan) -> str | None:
    """How long the paths of programs and apps are: strings of other sizes move all that follows."""
    started = [planned for planned in plan.cells if planned.skip_reason is None]
    lengths = {
        (len(word), len(planned.app_dir or planned.working_dir))
        for planned in started
        for word in planned.command[:1]
    }
    told = [f"{program} of the program, {app} of the app" for program, app in sorted(lengths)]
    return "; ".join(told) or None


def code_of(lives: Iterable[Life]) -> dict[str, str]:
    """Which machine code the lives of a cell ran, by file; empty if none reported it."""
    return next((life.code for life in lives if life.code), {})


def is_of_package(name: str) -> bool:
    """Whether a file of machine code was installed with a Python package."""
    return "/" in name


def _keys(planned: PlannedCell) -> tuple[str, str]:
    """The keys by which a cell without a side is known, in an A/B as its baseline."""
    return planned.cell.key, msgspec.structs.replace(planned.cell, setup="baseline").key


def _files(code: Mapping[str, str]) -> str | None:
    return ", ".join(f"{name} {digest}" for name, digest in sorted(code.items())) or None


def started_with(planned: PlannedCell) -> tuple[tuple[str, ...], dict[str, str]]:
    """What a cell's server is started with, arguments and variables, wherever the app is."""
    app_dir = planned.app_dir or planned.working_dir or "\0"
    return (
        tuple(argument.replace(app_dir, "{app_dir}") for argument in planned.command[1:]),
        {name: value.replace(app_dir, "{app_dir}") for name, value in planned.env.items()},
    )


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[Change, ...]:
    """The facts that differ, in the order of `KINDS` and then of their names.

    If only one of two runs measures a server or a scenario, that is no difference of surroundings;
    nor is the environment or the app's modules if only one run recorded them.
    """
    unknown = {kind for kind in RECORDED_KINDS for run in (before, after) if not _has(run, kind)}
    found = (
        change
        for change in _changes(before, after)
        if not _comes_or_goes(change) and change.kind not in unknown
    )
    return tuple(sorted(found, key=lambda each: (KINDS.index(each.kind), each)))


def _has(facts: Iterable[str], kind: str) -> bool:
    return any(fact.startswith(f"{kind} ") for fact in facts)


def _comes_or_goes(change: Change) -> bool:
    """Whether a server or a scenario is merely there in one and not in the other."""
    of_cells = change.kind in CELL_KINDS or scenario_of(change) is not None
    return of_cells and (change.before is None or change.after is None)


def _changes(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Change]:
    for fact in before.keys() | after.keys():
        old, new = before.get(fact), after.get(fact)
        if old != new:
            kind, _, name = fact.partition(" ")
            yield Change(kind, name, old, new)


def _setup_facts(header: RunHeader) -> dict[str, str | None]:
    """Interpreter and packages of the servers, under the names of setups; of an A/B its baseline's.

    The sides of an A/B are compared within it: over time it stands for what it was measured in.
    """
    facts: dict[str, str | None] = {}
    is_ab = header.plan.gate is not None
    for setup in header.setups[:1] if is_ab else header.setups:
        of_it = f" of {setup.name}" if setup.name and not is_ab else ""
        facts[f"interpreter of the servers{of_it}"] = setup.python_version or None
        for name, version in setup.packages.items():
            facts[f"package {name}{of_it}"] = version
    return facts


def _load_facts(plan: Plan) -> dict[str, str | None]:
    """How the load was offered, as far as it is no part of a cell's key."""
    return {
        "load client": plan.client,
        "load processes": str(plan.load_processes),
        "load hosts": "other machines" if plan.load_hosts else None,
        "load time per round": f"{plan.duration_s:g} s",
        "load server CPUs": " ".join(map(str, plan.server_cpus)) or None,
        "load CPUs": " ".join(map(str, plan.load_cpus)) or None,
        **{
            f"load {name}": fact
            for scenario in plan.scenarios
            for name, fact in _scenario_facts(scenario)
        },
    }


def scenario_of(change: Change) -> str | None:
    """The scenario whose requests a change is about, if it is about any."""
    _, found, name = change.name.rpartition(OF_SCENARIO)
    return name if change.kind == "load" and found else None


def _scenario_facts(scenario: Scenario) -> Iterator[tuple[str, str]]:
    """What is requested. Each is told even where it is nothing, so that a change of it shows."""
    name = f"{OF_SCENARIO}{scenario.name}"
    yield name, f"{scenario.method} {scenario.path} of {scenario.app}"
    yield f"headers of {name}", _headers(scenario)
    yield f"body of {name}", _body(scenario)
    yield f"weights of {name}", _weights(scenario.requests)
    for request in scenario.requests:
        one = f"request {request.name} of {name}"
        yield one, f"{request.method} {request.path}"
        yield f"headers of {one}", _headers(request)
        yield f"body of {one}", _body(request)


def _headers(request: Request) -> str:
    return ", ".join(f"{name}: {value}" for name, value in request.headers.items()) or "none"


def _body(request: Request) -> str:
    """Its size and what tells it from others of that size: it may be long, or no text."""
    content = request.content
    digest = hashlib.sha256(content).hexdigest()[:DIGEST_LETTERS]
    return f"{len(content)} bytes (SHA-256 {digest})" if content else "none"


def _weights(requests: tuple[WeightedRequest, ...]) -> str:
    return ", ".join(f"{one.name} {one.weight:g}" for one in requests) or "one request"


def _cell_facts(plan: Plan) -> dict[str, str | None]:
    """Versions of what was started, and with what; where interpreter and app lie is none of it."""
    apps = {scenario.name: scenario.app for scenario in plan.scenarios}
    facts: dict[str, str | None] = {}
    for planned in plan.cells:
        if planned.skip_reason is None:
            setting = planned.cell.start
            facts[f"server {planned.cell.server}"] = planned.server_version or "of unknown version"
            own = planned.environment
            for name, version in () if own is None else own.packages.items():
                facts[f"package {name} of {planned.cell.server}"] = version
            arguments, variables = started_with(planned)
            # The same for every scenario; which app one is served by is a fact of its own.
            app = apps.get(planned.cell.scenario, "\0")
            command = (argument.replace(app, "{app}") for argument in arguments)
            facts[f"command {setting}"] = shlex.join(command)
            # Told even where there are none, so that the first to be set shows.
            facts[f"variables {setting}"] = _assignments(variables) or "none"
    return facts


def _running_facts(
    plan: Plan, inherited: Mapping[str, str | None], proofs: Sequence[Proof]
) -> Iterator[tuple[str, str]]:
    """What ran in the servers' processes, as their proofs tell."""
    given = {planned.cell.start: planned.env for planned in plan.cells}
    for proof in proofs:
        if proof.unproven is not None or proof.setting not in given:
            continue
        for name, value in {**parts_of(proof), **socket_options_of(proof)}.items():
            yield f"running {name} of {proof.setting}", value
        for name, digest in proof.modules.items():
            yield f"module {name}", digest
        if proof.variables:
            added = variables_of(proof, {*inherited, *given[proof.setting]})
            yield f"running further variables of {proof.setting}", _assignments(added) or "none"


def _assignments(variables: Mapping[str, str]) -> str:
    """Variables as a shell sets them."""
    return " ".join(f"{name}={shlex.quote(value)}" for name, value in sorted(variables.items()))


class Break(NamedTuple):
    """Where the surroundings changed: `number` is the index of the first run with the new ones."""

    number: int
    run: RunEntry
    changes: tuple[Change, ...]

    @property
    def is_measuring(self) -> bool:
        """Whether machine, tool or load changed, and not only the measured code."""
        return has_measuring(self.changes)


def has_measuring(found: Iterable[Change]) -> bool:
    """Whether machine, tool or load is among the changes."""
    return any(change.kind in MEASURING_KINDS for change in found)


def breaks(runs: Sequence[RunEntry], environments: Facts) -> Iterator[Break]:
    """Every place where the surroundings differ from those of the run before."""
    for number, (before, run) in enumerate(pairwise(runs), start=1):
        found = changes_between(before, run, environments)
        if found:
            yield Break(number, run, found)


def changes_between(before: RunEntry, after: RunEntry, environments: Facts) -> tuple[Change, ...]:
    """What differs between two runs."""
    if before.environment == after.environment:
        return ()
    return changes(environments[before.environment], environments[after.environment])


def changes_among(runs: Sequence[RunEntry], environments: Facts) -> tuple[Change, ...]:
    """What changed from any of the runs to the next, each once."""
    found = (changes_between(*pair, environments) for pair in pairwise(runs))
    return tuple(dict.fromkeys(change for each in found for change in each))


def concerning(found: Iterable[Change], cell: str) -> tuple[Change, ...]:
    """The changes, without those of other scenarios, which move none of the cell's figures."""
    own = cell.split("/")[3].partition("+")[0]
    return tuple(change for change in found if scenario_of(change) in (None, own))


def parts_of(proof: Proof) -> dict[str, str]:
    """The classes of loop, protocol, parser and transport that are known."""
    found = {part: getattr(proof, part) for part in PARTS}
    return {part: name for part, name in found.items() if name is not None}


def socket_options_of(proof: Proof) -> dict[str, str]:
    """The options of an accepted socket; an older proof has only one."""
    if not proof.socket_options and proof.tcp_nodelay is not None:
        return {"TCP_NODELAY": str(int(proof.tcp_nodelay))}
    return {name: str(value) for name, value in proof.socket_options.items()}


def variables_of(proof: Proof, known: Collection[str] = ()) -> dict[str, str]:
    """The variables that its processes began with, except those already known."""
    return {name: told(value) for name, value in proof.variables.items() if name not in known}


def told(value: str | None) -> str:
    """A recorded value; without one, that the variable is set."""
    return SET if value is None else value
