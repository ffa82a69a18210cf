"""Can a figure be believed? The rules for one trial, each a figure against its limit.

A verdict is stored with `RULES_VERSION` beside the figures it rests on, so that a report can
judge a run again whose rules were older. The rules for a cell stand in `cell_validity`.
"""

from collections.abc import Iterable

import msgspec

from asgi_bench.analysis.ceiling import CEILING_SHARE, near_ceiling
from asgi_bench.analysis.credit_validity import credit_findings
from asgi_bench.analysis.disturbance_validity import is_throttled
from asgi_bench.analysis.load_validity import load_findings
from asgi_bench.analysis.sweeps import is_trial_overloaded, open_figures, overloaded_slices
from asgi_bench.analysis.turnover_validity import is_cpu_known, turnover_findings
from asgi_bench.analysis.user_validity import exit_findings, unhurried
from asgi_bench.analysis.wrong_answers import wrong_words
from asgi_bench.calibration import Calibration
from asgi_bench.model import (
    Cell,
    ClosedLoop,
    OpenLoop,
    Plan,
    RateSweep,
    Reason,
    Trial,
    ValidityLevel,
)

RULES_VERSION = 7

# One wrong answer in a thousand: a server may drop a request under load, not make a habit of it.
MAX_ERROR_SHARE = 0.001
# Share of the CPU time a side may use above which it is the limit. The rest goes to clock reads
# and to the edges of slices.
BUSY_SHARE = 0.9

LEVELS: tuple[ValidityLevel, ...] = ("valid", "suspect", "invalid")


def worst_level(levels: Iterable[ValidityLevel]) -> ValidityLevel:
    """The worst of some levels; `valid` for none."""
    return max(levels, key=LEVELS.index, default="valid")


def judge_trial(trial: Trial, plan: Plan, calibration: Calibration | None = None) -> Trial:
    """The same trial with its verdict: level, reasons and the version of these rules.

    `calibration` is what the run went by: the generator's ceiling is known from it. Raises
    KeyError where the plan doesn't know the trial's cell.
    """
    for planned in plan.cells:
        if planned.cell.key == trial.cell:
            return judge_trial_of(trial, planned.cell, plan, calibration)
    raise KeyError(trial.cell)


def judge_trial_of(
    trial: Trial, cell: Cell, plan: Plan, calibration: Calibration | None = None
) -> Trial:
    """As `judge_trial`, for who has the cell at hand. What failed before load is not judged."""
    found = _findings(trial, cell, plan, calibration) if trial.outcome == "ok" else ()
    return msgspec.structs.replace(
        trial,
        validity=worst_level(reason.level for reason in found),
        validity_reasons=found,
        rules_version=RULES_VERSION,
    )


def sent_in_slices(trial: Trial) -> int:
    """All requests sent between the clock reads of a trial, answered rightly or not."""
    sent = sum(piece.sent for piece in trial.slices)
    return sent or trial.requests + trial.errors.total


def server_busy_share(trial: Trial, workers: int, server_cpus: int) -> float | None:
    """Server CPU time over what it may use: wall time of the load x min(workers, CPUs, quota)."""
    capacity_cpus: float = min(workers, server_cpus) if server_cpus else workers
    if trial.throttling is not None:
        capacity_cpus = min(capacity_cpus, trial.throttling.quota_cpus)
    wall_s = trial.duration_s
    if wall_s <= 0 or not is_cpu_known(trial):
        return None
    return trial.server_cpu_s / (wall_s * capacity_cpus)


def load_cpu_share(trial: Trial, plan: Plan) -> float | None:
    """Generator CPU time over what it may use: wall time of the load x its processes, or CPUs."""
    wall_s = trial.duration_s
    return load_busy_s(trial) / (wall_s * _load_capacity_cpus(trial, plan)) if wall_s > 0 else None


def load_busy_s(trial: Trial) -> float:
    """Generator CPU time without what an open loop spent spinning until a request was due."""
    spun_s = sum(piece.open_loop.spin_s for piece in trial.slices if piece.open_loop is not None)
    return max(trial.load_cpu_s - spun_s, 0.0)


def load_occupied_share(trial: Trial, plan: Plan) -> float | None:
    """As `load_cpu_share`, with the time it was ready to run and waited for a CPU.

    On a machine that is busy elsewhere a generator at its limit uses less than a CPU.
    """
    waited_s = sum(piece.load_wait_s or 0.0 for piece in trial.slices)
    share, wall_s = load_cpu_share(trial, plan), trial.duration_s
    return None if share is None else share + waited_s / (wall_s * _load_capacity_cpus(trial, plan))


def _load_capacity_cpus(trial: Trial, plan: Plan) -> int:
    """A load process sends from one thread, so it can use one CPU, however many it may run on."""
    load_cpus = len(trial.load_cpus or plan.load_cpus)
    return min(plan.load_processes, load_cpus) if load_cpus else plan.load_processes


def _findings(
    trial: Trial, cell: Cell, plan: Plan, calibration: Calibration | None
) -> tuple[Reason, ...]:
    """Every rule's finding on a trial that was under load."""
    credit = credit_findings(trial)
    # Who was busy tells nothing where the server didn't do the work.
    is_its_own = all(reason.level != "invalid" for reason in credit)
    found = (
        _ended(trial),
        _errors(trial, cell),
        _no_answers(trial),
        *turnover_findings(trial),
        _differs(trial),
        _limit(trial, cell, plan, calibration)
        if isinstance(cell.load, ClosedLoop) and is_its_own
        else None,
        _little_to_spare(trial, plan) if isinstance(cell.load, OpenLoop) else None,
    )
    of_load = load_findings(trial, cell)
    generator = _open_limit(trial, cell, plan)
    if generator is not None:
        # Requests piled up, and not at the server.
        of_load = (generator, *(reason for reason in of_load if reason.code != "overloaded"))
    own = (reason for reason in found if reason is not None)
    return (*credit, *own, *of_load, *exit_findings(trial))


def _ended(trial: Trial) -> Reason | None:
    """The server ended while it was under load: what follows in its figures is of no server."""
    if trial.server_ended is None:
        return None
    unanswered = trial.errors_total.reset + trial.errors_total.timeout
    answered = max(trial.sent_total - unanswered, 0)
    return Reason(
        code="server-ended",
        level="invalid",
        value=float(answered),
        limit=None,
        text=f"the server {trial.server_ended} under load, after {answered} requests; look into "
        "its log, and for a limit among its flags",
    )


def _errors(trial: Trial, cell: Cell) -> Reason | None:
    """Wrong answers under load, with the first of each kind.

    What an overloaded open loop never sent counts among the errors, but was answered neither
    rightly nor wrongly: that the schedule was more than the server can take is a finding of its
    own, whether the queue grew past the time-out or not.
    """
    unsent = sum(figures.unsent for figures in open_figures(trial.slices))
    wrong = trial.errors.total - unsent
    if wrong <= 0:
        return None
    sent = max(sent_in_slices(trial), wrong)
    share = wrong / sent
    kinds = ", ".join(
        f"{count} {kind}"
        for kind, total in msgspec.structs.asdict(trial.errors).items()
        if (count := total - unsent if kind == "timeout" else total)
    )
    told = wrong_words(trial, cell)
    is_answered = trial.errors.status + trial.errors.body > trial.errors.total / 2
    advice = () if is_answered and told else ("look into the server's log, or load it less",)
    return Reason(
        code="errors",
        level="invalid" if share > MAX_ERROR_SHARE else "suspect",
        value=share,
        limit=MAX_ERROR_SHARE,
        text=f"{wrong} of {sent} requests got no right answer ({kinds}): "
        + "; ".join((*told, *advice)),
    )


def _no_answers(trial: Trial) -> Reason | None:
    """Nothing to take a rate of."""
    if trial.requests and trial.duration_s > 0:
        return None
    return Reason(
        code="no-answers",
        level="invalid",
        value=float(trial.requests),
        limit=1.0,
        text="not one right answer came under load; look into what came instead",
    )


def _differs(trial: Trial) -> Reason | None:
    """What ran is not what was asked for, as the proof of the setting told from inside."""
    if not trial.differs:
        return None
    return Reason(
        code="not-as-asked",
        level="invalid",
        value=float(len(trial.differs)),
        limit=0.0,
        text=f"what ran is not what was asked for: {'; '.join(trial.differs)}",
    )


def _open_limit(trial: Trial, cell: Cell, plan: Plan) -> Reason | None:
    """Where a schedule was more than could be done: whether it was the generator that couldn't."""
    if is_throttled(trial):
        return None
    beyond = overloaded_slices(trial.slices)
    trial = msgspec.structs.replace(
        trial,
        slices=beyond,
        server_cpu_s=sum(piece.server_cpu_s for piece in beyond),
        load_cpu_s=sum(piece.load_cpu_s for piece in beyond),
    )
    server_share = server_busy_share(
        trial, cell.workers, len(trial.server_cpus or plan.server_cpus)
    )
    load_share = load_occupied_share(trial, plan)
    if server_share is None or load_share is None:
        return None
    if server_share >= BUSY_SHARE or load_share < BUSY_SHARE:
        return None
    is_sweep = isinstance(cell.load, RateSweep)
    what = "at the highest rates the load" if is_sweep else "the load"
    return Reason(
        code="generator-bound",
        level="suspect" if is_sweep else "invalid",
        value=server_share,
        limit=BUSY_SHARE,
        text=f"{what} generator was the limit: requests piled up while it used its CPU, or waited "
        f"for it, {load_share:.0%} of the time and the server only {server_share:.0%} of what it "
        f"may; measure with more --load-processes, or give the server fewer --server-cpus",
    )


def _little_to_spare(trial: Trial, plan: Plan) -> Reason | None:
    """A schedule that was kept by a generator near its own limit, by what it really used."""
    share = load_cpu_share(trial, plan)
    if share is None or share <= CEILING_SHARE or is_trial_overloaded(trial):
        return None
    return Reason(
        code="generator-bound",
        level="suspect",
        value=share,
        limit=CEILING_SHARE,
        text=f"the load generator worked {share:.0%} of the time that its CPU has, waiting left "
        "out: requests queued at it, too, and that is part of their response times; measure with "
        "more --load-processes, or at a lower rate",
    )


def _limit(trial: Trial, cell: Cell, plan: Plan, calibration: Calibration | None) -> Reason | None:
    """Which side of a closed loop was the limit: a figure of the server has the server at it."""
    server_cpus = len(trial.server_cpus or plan.server_cpus)
    server_share = server_busy_share(trial, cell.workers, server_cpus)
    found = _busy(trial, cell, plan, server_share)
    # Locust's own clients are others than the one that was calibrated.
    if plan.client != "fast" or (found is not None and found.level == "invalid"):
        return found
    near = near_ceiling(
        trial.throughput_rps or 0.0,
        cell.load.connections,
        calibration,
        load_processes=_load_capacity_cpus(trial, plan),
        server_is_busy=server_share is not None and server_share >= BUSY_SHARE,
    )
    return near or found


def _busy(trial: Trial, cell: Cell, plan: Plan, server_share: float | None) -> Reason | None:
    """Who was busy: the server, the generator or neither; a quota stops both whatever they do."""
    load_share = load_occupied_share(trial, plan)
    if server_share is None or load_share is None or server_share >= BUSY_SHARE:
        return None
    if is_throttled(trial):
        return None
    if load_share >= BUSY_SHARE:
        return Reason(
            code="generator-bound",
            level="invalid",
            value=server_share,
            limit=BUSY_SHARE,
            text=f"the load generator was the limit: it used its CPU, or waited for it, "
            f"{load_share:.0%} of the time, and the server only {server_share:.0%} of what it may, "
            f"so the server can do more than is shown; measure with fewer workers or fewer "
            f"--server-cpus",
        )
    busy = (
        f"neither side was busy (server {server_share:.0%}, load generator {load_share:.0%} of the "
        f"CPU it may use)"
    )
    return unhurried(trial, busy) or Reason(
        code="concurrency-bound",
        level="valid",
        value=server_share,
        limit=BUSY_SHARE,
        text=f"{busy}: {cell.load.connections} connections are too few for this server, or "
        f"something else took its CPU; try more --connections on an idle machine",
    )
