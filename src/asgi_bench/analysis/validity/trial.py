"""Can a trial's figures be believed? Each rule compares a figure with its limit.

A verdict is stored with `RULES_VERSION` and the figures it rests on, so that a report can judge a
run again if its rules were older. A rule takes the evidence and returns a finding or None; it is in
the module of its subject, and in `RULES`.
"""

from collections.abc import Callable, Iterable

import msgspec

from asgi_bench.analysis.validity import answers, hosts, limits, load, machine, processes, users
from asgi_bench.analysis.validity.evidence import Evidence
from asgi_bench.model import Cell, Plan, Reason, Trial, ValidityLevel
from asgi_bench.model.calibration import Calibration

RULES_VERSION = 11

Rule = Callable[[Evidence], Reason | None]
# In the order in which findings are told.
RULES: tuple[Rule, ...] = (
    answers.server_ended,
    answers.errors,
    answers.no_answers,
    answers.elsewhere,
    processes.worker_died,
    processes.workers_replaced,
    processes.untold_cpu,
    answers.not_as_asked,
    limits.closed_loop_limit,
    limits.little_to_spare,
    limits.open_limit,
    hosts.link_limited,
    load.few_streams,
    hosts.load_lost,
    hosts.from_afar,
    hosts.out_of_step,
    load.accounted,
    machine.steal,
    machine.cpu_denied,
    machine.busy_neighbours,
    load.nagle,
    processes.worker_count,
    processes.uneven_workers,
    processes.stop_forced,
    load.reconnects,
    load.generator_lag,
    load.rate_kept,
    users.locustfile_exit,
)
# Beside the one the other says nothing: requests piled up at the generator, not at the server; more
# connections are no faster over a network that is full; of load that was lost there may be nothing.
MOOT = {
    "overloaded": "generator-bound",
    "concurrency-bound": "link-limited",
    "no-answers": "load-lost",
}
LEVELS: tuple[ValidityLevel, ...] = ("valid", "suspect", "invalid")


def worst_level(levels: Iterable[ValidityLevel]) -> ValidityLevel:
    """The worst of some levels; `valid` for none."""
    return max(levels, key=LEVELS.index, default="valid")


def judge_trial(trial: Trial, plan: Plan, calibration: Calibration | None = None) -> Trial:
    """The same trial with its verdict: level, reasons and the version of these rules.

    `calibration` is what the run used: it gives the generator's ceiling. Raises KeyError if the
    plan
    doesn't have the trial's cell.
    """
    for planned in plan.cells:
        if planned.cell.key == trial.cell:
            return judge_trial_of(trial, planned.cell, plan, calibration)
    raise KeyError(trial.cell)


def judge_trial_of(
    trial: Trial, cell: Cell, plan: Plan, calibration: Calibration | None = None
) -> Trial:
    """Same as `judge_trial`, if the caller has the cell. Failures before load are skipped."""
    found = findings(Evidence(trial, cell, plan, calibration)) if trial.outcome == "ok" else ()
    return msgspec.structs.replace(
        trial,
        validity=worst_level(reason.level for reason in found),
        validity_reasons=found,
        rules_version=RULES_VERSION,
    )


def findings(seen: Evidence) -> tuple[Reason, ...]:
    """Every finding on a trial that was under load."""
    found = [reason for rule in RULES if (reason := rule(seen)) is not None]
    codes = {reason.code for reason in found}
    telling = (reason for reason in found if MOOT.get(reason.code) not in codes)
    return (*answers.credit(seen.trial), *telling)
