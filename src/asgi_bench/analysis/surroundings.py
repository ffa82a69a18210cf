"""What a run was measured with, as named facts, and what is not the same in two runs.

Facts are one level of text by name, `package uvicorn`: the first word is the kind.
"""

import shlex
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from asgi_bench.model import Plan, PlannedCell, RunHeader


class Change(NamedTuple):
    """A fact that differs: what kind of thing, its name, and both texts; None where it's absent."""

    kind: str
    name: str
    before: str | None
    after: str | None


# In this order differences are told: what decides how it is measured, what is measured, the rest.
KINDS = ("machine", "tool", "load", "commit", "server", "command", "package", "calibration")
# Facts that are of the measurement, not of what is measured: a change that comes with one of them
# may be its doing.
MEASURING_KINDS = ("machine", "tool", "load")


def surroundings(header: RunHeader) -> dict[str, str]:
    """The facts of a run that may move its figures, by name.

    Left out is what differs by design from run to run: seed, label, time, load average.
    """
    plan, machine = header.plan, header.machine
    facts: dict[str, str | None] = {
        "machine CPU": machine.cpu_model,
        "machine CPUs": str(machine.cpu_count),
        "machine memory": f"{machine.memory_bytes / 2**30:.1f} GiB",
        "machine kernel": machine.kernel,
        "machine system": machine.os,
        "machine virtualization": machine.virtualization,
        "machine governor": machine.governor,
        "machine Python": machine.python,
        "tool asgi-bench": header.tool_version,
        **_load_facts(plan),
        **_cell_facts(plan),
        # Those of the servers, where their interpreter is another one.
        **{
            f"package {name}": version
            for name, version in (header.server_packages or header.packages).items()
        },
    }
    return {name: value for name, value in facts.items() if value is not None}


def fuller_surroundings(header: RunHeader) -> dict[str, str]:
    """The same with what differs from run to run without being news in a history.

    That is the commit, and what the calibration that the run went by had found.
    """
    facts = surroundings(header)
    if header.source is not None:
        facts["commit of the app"] = header.source.commit + (
            " with changes" if header.source.dirty else ""
        )
    calibration = header.calibration
    if calibration is not None:
        facts["calibration kind"] = calibration.kind
        for point in calibration.ceiling:
            name = f"calibration ceiling at {point.connections} connections"
            facts[name] = f"{point.ceiling_rps:,.0f} requests/s"
        if calibration.aa_floor is not None and calibration.aa_floor.half_width is not None:
            facts["calibration A/A floor"] = f"±{calibration.aa_floor.half_width:.2%}"
    return facts


def started_with(planned: PlannedCell) -> tuple[tuple[str, ...], dict[str, str]]:
    """What a cell's server is started with, arguments and variables, wherever the app lies."""
    app_dir = planned.working_dir or "\0"
    return (
        tuple(argument.replace(app_dir, "{app_dir}") for argument in planned.command[1:]),
        {name: value.replace(app_dir, "{app_dir}") for name, value in planned.env.items()},
    )


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[Change, ...]:
    """The facts that differ, in the order of `KINDS` and then of their names."""
    return tuple(sorted(_changes(before, after), key=lambda each: (KINDS.index(each.kind), each)))


def _changes(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Change]:
    for fact in before.keys() | after.keys():
        old, new = before.get(fact), after.get(fact)
        if old != new:
            kind, _, name = fact.partition(" ")
            yield Change(kind, name, old, new)


def _load_facts(plan: Plan) -> dict[str, str | None]:
    """How the load was offered, as far as it is no part of a cell's key."""
    return {
        "load client": plan.client,
        "load processes": str(plan.load_processes),
        "load time per round": f"{plan.duration_s:g} s",
        "load server CPUs": " ".join(map(str, plan.server_cpus)) or None,
        "load CPUs": " ".join(map(str, plan.load_cpus)) or None,
        **{
            f"load scenario {scenario.name}": f"{scenario.method} {scenario.path} of {scenario.app}"
            for scenario in plan.scenarios
        },
    }


def _cell_facts(plan: Plan) -> dict[str, str | None]:
    """Versions and commands of what was started; where interpreter and app lie is none of it."""
    facts: dict[str, str | None] = {}
    for planned in plan.cells:
        if planned.skip_reason is None:
            setting = planned.cell.setting
            facts[f"server {planned.cell.server}"] = planned.server_version
            facts[f"command {setting}"] = shlex.join(started_with(planned)[0])
    return facts
