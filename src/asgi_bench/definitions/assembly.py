"""What plans of all kinds share: CPUs, blocks, rounds, seed, and the reference of ratios."""

import random
import sys
from collections.abc import Sequence

import msgspec

from asgi_bench.definitions.blocks import in_blocks
from asgi_bench.definitions.loads import loads
from asgi_bench.definitions.selection import Selection
from asgi_bench.errors import UsageError
from asgi_bench.machine.addresses import is_loopback
from asgi_bench.machine.affinity import split_cpus, split_for_master
from asgi_bench.machine.control_groups import cpu_limit
from asgi_bench.model import (
    ClosedLoop,
    Knobs,
    Load,
    Plan,
    PlannedCell,
    Scenario,
    setting_named,
)
from asgi_bench.model.endpoint import HttpVersion
from asgi_bench.model.goal import MOST_ROUNDS_OF_A_BUDGET

# The fewest that can tell two servers apart.
DEFAULT_ROUNDS = 6


def on_this_machine(selection: Selection) -> Selection:
    """Return a selection with this machine's CPUs split between servers and generator."""
    quota_cpus = cpu_limit()
    asked = selection.server_cpus or None, selection.load_cpus or None
    if asked == (None, None) and selection.listen is not None and not _is_loopback(selection):
        split = split_for_master(quota_cpus=quota_cpus)
    else:
        split = split_cpus(*asked, quota_cpus=quota_cpus)
    return msgspec.structs.replace(
        selection,
        server_cpus=split.server_cpus,
        load_cpus=split.load_cpus,
        quota_cpus=quota_cpus,
    )


def asked_loads(
    selection: Selection,
    http: HttpVersion,
    *,
    connections: tuple[int, ...] | None,
    further: Sequence[int],
) -> tuple[Load, ...]:
    """Return the requested loads over an HTTP version, each once, with `further` closed loops."""
    streams = selection.streams if http == "2" else 1
    asked = loads(
        connections=connections,
        rates=selection.rates,
        arrivals=selection.arrivals,
        closed=selection.closed,
        streams=streams,
        sweep=selection.sweep,
        objective=selection.objective,
    )
    return tuple(dict.fromkeys((*asked, *(ClosedLoop(count, streams) for count in further))))


def assembled(
    selection: Selection,
    planned: Sequence[PlannedCell],
    scenarios: Sequence[Scenario],
    references: Sequence[str] = (),
) -> Plan:
    """Return the plan of some cells; `references` are servers that others are compared with.

    Raises UsageError if the requested reference or rounds are impossible.
    """
    reference = _reference(planned, selection.reference, references)
    knobs = {name: getattr(selection, name) for name in Knobs.__struct_fields__}
    if selection.load_hosts:
        knobs["load_processes"] = selection.load_hosts
    return Plan(
        cells=in_blocks(planned, reference, selection.block_size),
        scenarios=tuple(scenarios),
        rounds=_rounds(selection),
        seed=_drawn_seed() if selection.seed is None else selection.seed,
        reference=reference,
        server_cpus=selection.server_cpus,
        load_cpus=selection.load_cpus,
        quota_cpus=selection.quota_cpus,
        python=None if selection.python == sys.executable else selection.python,
        goal=selection.goal,
        load_hosts=selection.load_hosts,
        listen=selection.listen,
        **knobs,
    )


def _is_loopback(selection: Selection) -> bool:
    """Whether load hosts share this machine, as where that is tried out."""
    return selection.listen is None or is_loopback(selection.listen.partition(":")[0])


def check_goal(plan: Plan) -> None:
    """Raise UsageError if a plan has no ratio whose precision could be reached."""
    if plan.goal is None or plan.goal.precision is None:
        return
    for planned in plan.cells:
        is_closed = planned.cell.load.is_closed
        if is_closed and planned.skip_reason is None and planned.cell.setting != plan.reference:
            return
    raise UsageError(
        "--precision applies to throughput ratios, so it needs a closed-loop cell besides the "
        "reference: add another server"
    )


def _drawn_seed() -> int:
    """Return a seed that nobody chose; 32 bits, so that it's easily copied to `--seed`."""
    return random.SystemRandom().randrange(2**32)


def _rounds(selection: Selection) -> int:
    """As many rounds as were asked for; with a goal the most there will be."""
    goal = selection.goal
    if goal is None:
        return selection.rounds or DEFAULT_ROUNDS
    if goal.precision is None:
        return selection.rounds or MOST_ROUNDS_OF_A_BUDGET
    most = goal.looks[-1]
    if selection.rounds is not None and selection.rounds > most:
        raise UsageError(
            f"--rounds: {selection.rounds} caps the rounds of --precision, which ends after "
            f"{most} at the latest: leave --rounds out or lower it"
        )
    return selection.rounds or most


def _reference(
    planned: Sequence[PlannedCell], asked: str | None, servers: Sequence[str]
) -> str | None:
    """The setting all others are compared with: as asked, else the plain one of a reference.

    `servers` are those whose runner files say so; only the first of them stands for all.
    """
    measured = [one.cell.setting for one in planned if one.skip_reason is None]
    if asked is not None:
        return setting_named(asked, measured)
    usual = f"{servers[0]}/default/w1" if servers else None
    if usual in measured:
        return usual
    return measured[0] if measured else None
