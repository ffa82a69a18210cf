"""What the measuring verbs share: where they work, and the plan of a selection."""

import shlex
import sys

import msgspec

from asgi_bench.definitions.plan import load_plan
from asgi_bench.definitions.selection import Selection
from asgi_bench.errors import BenchError
from asgi_bench.machine.affinity import format_cpus, split_cpus
from asgi_bench.measurement.rounds import rounds_and_blocks
from asgi_bench.model import Plan

# Beside its slices a trial costs this much for starting, opening and stopping (measured).
OVERHEAD_S_PER_TRIAL = 0.6


def require_linux() -> None:
    """Raise BenchError elsewhere: CPU clocks, affinity and /proc are Linux's."""
    if sys.platform != "linux":
        raise BenchError(
            f"measuring needs Linux, this is {sys.platform}; "
            "report, plot and the other reading verbs work here"
        )


def planned(selection: Selection) -> Plan:
    """Return the plan of a selection on this machine's CPUs; raises UsageError."""
    return load_plan(on_this_machine(selection))


def on_this_machine(selection: Selection) -> Selection:
    """Return a selection with this machine's CPUs parted among servers and generator."""
    split = split_cpus(selection.server_cpus or None, selection.load_cpus or None)
    return msgspec.structs.replace(
        selection, server_cpus=split.server_cpus, load_cpus=split.load_cpus
    )


def dry_run_text(plan: Plan) -> str:
    """Return what a run would do: its cells, what starts them, and how long it takes."""
    lines: list[str] = []
    measured = [planned for planned in plan.cells if planned.skip_reason is None]
    once = msgspec.structs.replace(plan, rounds=1)
    for planned in plan.cells:
        if planned.skip_reason is not None:
            lines.append(f"{planned.cell.key}: skipped: {planned.skip_reason}")
        else:
            lines.append(f"{planned.cell.key}: {shlex.join(planned.command)}")
    trials = sum(len(members) for _, _, members in rounds_and_blocks(once, measured))
    each_s = trials * (plan.duration_s + OVERHEAD_S_PER_TRIAL)
    extent = f"{plan.rounds} rounds of {trials} trials of {plan.duration_s:g} s"
    time = f"about {plan.rounds * each_s / 60:.1f} minutes"
    if plan.gate is not None:
        extent = f"blocks of {trials} trials of {plan.duration_s:g} s"
        time = f"at most {min(plan.gate.budget_s, plan.rounds * each_s) / 60:.1f} minutes"
    lines.append(
        f"{extent}: {time}; seed {plan.seed}; servers on CPU "
        f"{format_cpus(plan.server_cpus)}, load on CPU {format_cpus(plan.load_cpus)}"
    )
    return "\n".join(lines)
