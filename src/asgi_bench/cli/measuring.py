"""What the measuring verbs share: the plan of a selection, and what it would do."""

import shlex
import sys
from collections.abc import Callable

import msgspec

from asgi_bench.analysis.ranking import MIN_CLAIM_ROUNDS
from asgi_bench.cli.streams import say
from asgi_bench.definitions.installed import install_command
from asgi_bench.errors import BenchError
from asgi_bench.machine.affinity import format_cpus
from asgi_bench.machine.fingerprint import busy_warning
from asgi_bench.measurement.rounds import rounds_and_blocks
from asgi_bench.measurement.schedule import load_duration_s
from asgi_bench.model import Plan, PlannedCell
from asgi_bench.plain_text import harmless_lines
from asgi_bench.setups.install import prepare
from asgi_bench.setups.interpreters import SelectionT, with_environments

# Beside its slices a trial costs this much for starting, opening and stopping (measured).
OVERHEAD_S_PER_TRIAL = 0.6
# Lead-ins, drains and readings of clocks, beside slices of 20 ms.
LEAD_IN_SHARE = 0.5
# Of one server setting: three starts, its stop, its overload, its restart (measured).
BEHAVIOUR_S = 16.0
# Of why nothing can be measured.
MOST_REASONS = 3


def with_servers(asked: SelectionT, announce: Callable[[str], None]) -> SelectionT:
    """The selection, after building the environments of interpreters and servers."""
    built = with_environments(asked, announce)
    prepare(built, built.interpreters, announce)
    return built


def warn_of_load() -> str | None:
    """Warn if the machine is busy with something else, and return the warning."""
    warning = busy_warning()
    if warning is not None:
        say(f"warning: {warning}")
    return warning


def check_measurable(plan: Plan) -> None:
    """Raise BenchError if nothing can be measured; its one line says what helps."""
    reasons = {planned.cell.process_key: planned.skip_reason for planned in plan.cells}
    if not all(reasons.values()):
        return
    missing = [line for planned in plan.cells for line in planned.missing]
    if missing:
        python = shlex.quote(plan.python or sys.executable)
        raise BenchError(
            "nothing can be measured: none of the chosen servers has everything it needs; "
            f"{python} -m {install_command(missing)}"
        )
    told = [f"{key}: {reason}" for key, reason in reasons.items()]
    more = f"; and {len(told) - MOST_REASONS} more" if len(told) > MOST_REASONS else ""
    raise BenchError(f"nothing can be measured: {'; '.join(told[:MOST_REASONS])}{more}")


def dry_run_text(plan: Plan, idle_watch_s: float | None = None) -> str:
    """Return what a run would do: its cells, what starts them, and how long it takes.

    With `idle_watch_s` the servers' behaviour is observed too.
    """
    lines: list[str] = []
    for planned in plan.cells:
        if planned.skip_reason is not None:
            lines.append(f"{planned.cell.key}: skipped: {planned.skip_reason}")
        elif planned.target is not None:
            path = plan.scenarios[0].path
            lines.append(f"{planned.cell.key}: {planned.target}{path}, already running")
        else:
            lines.append(f"{planned.cell.key}: {shlex.join(planned.command)}")
    members = _members(plan)
    lines.append(
        f"{_rounds_words(plan)} of {len(members)} trials of {plan.duration_s:g} s: "
        f"{_time_words(plan)}; seed {plan.seed}; servers on CPU "
        f"{format_cpus(plan.server_cpus)}, {_load_words(plan)}{_quota_words(plan)}"
    )
    if idle_watch_s is not None:
        lines.append(_behaviour_text(plan, idle_watch_s))
    return harmless_lines("\n".join(lines))


def _load_words(plan: Plan) -> str:
    """Where the load comes from."""
    cpus = format_cpus(plan.load_cpus)
    if not plan.load_hosts:
        return f"load on CPU {cpus}"
    return f"load from {plan.load_hosts} load processes of other hosts, their master on CPU {cpus}"


def _quota_words(plan: Plan) -> str:
    """What control groups allow both together."""
    return "" if plan.quota_cpus is None else f", within a quota of {plan.quota_cpus:g} CPUs"


def warn_of_few_rounds(plan: Plan) -> None:
    """Warn if the budget is too short for an order of the cells that are measured."""
    fit = _fitting_rounds(plan)
    settings = {(one.cell.server, one.cell.variant) for one in _members(plan)}
    if fit is not None and fit < MIN_CLAIM_ROUNDS <= plan.rounds and len(settings) > 1:
        say(
            f"warning: the budget is enough for about {fit} of the {MIN_CLAIM_ROUNDS} rounds that "
            "an order needs: give it more time or fewer servers, or continue the run later"
        )


def _members(plan: Plan) -> list[PlannedCell]:
    """The trials of a round: each cell as often as there are blocks with it."""
    measured = [planned for planned in plan.cells if planned.skip_reason is None]
    once = msgspec.structs.replace(plan, rounds=1)
    return [one for _, _, block in rounds_and_blocks(once, measured) for one in block]


def _round_s(plan: Plan) -> float:
    """What a round takes."""
    return sum(_trial_s(one, plan) for one in _members(plan))


def _fitting_rounds(plan: Plan) -> int | None:
    """How many rounds fit into the budget of a run, at least 1; None without a budget."""
    if plan.goal is None or plan.goal.budget_s is None:
        return None
    round_s = _round_s(plan)
    fit = min(int(plan.goal.budget_s / round_s + 0.5), plan.rounds) if round_s else plan.rounds
    stops = () if plan.goal.precision is None else (*plan.goal.looks, plan.rounds)
    return max((look for look in stops if look <= fit), default=max(fit, 1))


def _trial_s(planned: PlannedCell, plan: Plan) -> float:
    """What a trial takes, with its part of what a block takes beside its load."""
    load_s = load_duration_s(planned, plan.duration_s)
    led_in_s = LEAD_IN_SHARE * load_s if plan.gate is None and planned.cell.load.is_closed else 0.0
    return load_s + led_in_s + OVERHEAD_S_PER_TRIAL


def _rounds_words(plan: Plan) -> str:
    """How many rounds there will be, or may be."""
    if plan.gate is not None:
        return "blocks"
    if plan.goal is None:
        return f"{plan.rounds} rounds"
    if plan.most_rounds is None:
        return "rounds"
    if plan.goal.precision is None:
        return f"at most {plan.rounds} rounds"
    stops = [str(look) for look in plan.goal.looks if look < plan.rounds]
    return f"{', '.join(stops)} or {plan.rounds} rounds" if stops else f"{plan.rounds} rounds"


def _time_words(plan: Plan) -> str:
    """How long that takes, and what ends it."""
    total_s = plan.rounds * _round_s(plan)
    longest = f"about {total_s / 60:.1f} minutes"
    goal = plan.goal
    if plan.gate is not None:
        return f"at most {min(plan.gate.budget_s, total_s) / 60:.1f} minutes"
    if goal is None:
        return longest
    precise = ""
    if goal.precision is not None:
        precise = f"until every throughput ratio is within ±{goal.precision * 100:g}%"
    if goal.budget_s is None:
        return f"{precise}, {longest} at most"
    minutes = goal.budget_s / 60
    in_time = f"as many as fit in {minutes:.1f} minutes, about {_fitting_rounds(plan)}"
    return f"{precise}, and {in_time} at most" if precise else in_time


def _behaviour_text(plan: Plan, idle_watch_s: float) -> str:
    """Return what watching behaviour adds to a run."""
    measured = [planned for planned in plan.cells if planned.skip_reason is None]
    settings = {planned.cell.process_key for planned in measured}
    blocks = {planned.blocks[0] for planned in measured}
    total_s = len(settings) * BEHAVIOUR_S + len(blocks) * idle_watch_s
    return f"behaviour of {len(settings)} server settings: about {total_s / 60:.1f} minutes more"
