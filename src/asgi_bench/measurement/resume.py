"""Continues a run that was cut short or out of budget: the same plan, in the same surroundings."""

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from asgi_bench.analysis.continuation import (
    Differences,
    complete_rounds,
    differences,
    is_complete,
)
from asgi_bench.analysis.pacing import round_ends_s
from asgi_bench.analysis.stopping import is_enough
from asgi_bench.errors import BenchError, UsageError
from asgi_bench.machine.fingerprint import describe_machine
from asgi_bench.machine.lock import measuring_lock
from asgi_bench.measurement.interruption import orderly_interruption
from asgi_bench.measurement.progress import Observer
from asgi_bench.measurement.rounds import SoFar, measure
from asgi_bench.measurement.run import Order, header_of, make_room, waiting_words
from asgi_bench.measurement.stock_loader import check_locustfile
from asgi_bench.model import Proof, Resumption, Run
from asgi_bench.store.continuing import ContinuedRun
from asgi_bench.store.runs import add_phases, read_run
from asgi_bench.store.withheld import with_values, without_values

# A line of more is none.
MOST_DIFFERENCES = 8


def carry_on(
    order: Order,
    folder: Path,
    budget_s: float | None,
    observer: Observer,
    *,
    announce: Callable[[str], None],
) -> bool:
    """Measure the rounds that a stored run lacks into its folder; False if it lacks none.

    The plan of the order is what the run's command yields today; `budget_s` is this part's own. A
    round that was cut short is measured again as a whole, because a round's servers are compared
    with one another.

    Raises UsageError if the plan differs; BenchError if machine, versions or what really runs
    differ, if its folder can't be written, or if another run holds the machine; Interrupted on a
    signal. What was stored until then is kept.
    """
    with orderly_interruption(), measuring_lock(order.lock_wait_s, announce=announce):
        began_s = time.perf_counter()
        # Read only now: whoever held the machine may have gone on with this run.
        run = read_run(folder)
        if is_complete(run, has_behaviour=order.idle_watch_s is not None):
            return False
        make_room(order)
        with started_in(run):
            now = without_values(header_of(order, describe_machine(), run.header.preparation))
        _refuse(folder, differences(run, now))
        with tempfile.TemporaryDirectory(prefix="asgi-bench-ask-") as logs:
            check_locustfile(order.plan, Path(logs))
        so_far = _so_far(run)
        part = Resumption(
            started_at=datetime.now(UTC).isoformat(timespec="seconds"),
            first_round=so_far.rounds,
            begins_s=so_far.elapsed_s,
            budget_s=budget_s,
            spent_s=round(order.prepared_s + time.perf_counter() - began_s, 3),
            set_aside=len(run.trials) - len(so_far.trials),
            damage=run.damage,
            command_line=order.command_line,
        )
        plan = part.budgeted(run.header.plan)
        if plan.listen is not None:
            announce(waiting_words(plan.load_hosts, plan.listen))
        with ContinuedRun(run) as writer:

            def accept(proofs: tuple[Proof, ...]) -> None:
                _refuse(folder, differences(run, now, proofs))
                writer.take_up(part, proofs)

            answered = run.header.preparation.answered(run.header.plan)
            progress = measure(
                with_values(answered, order.plan),
                writer,
                observer,
                calibration=run.header.preparation.calibration,
                fail_fast=order.fail_fast,
                enough=None
                if plan.goal is None
                else partial(is_enough, plan, spent_s=part.spent_s),
                idle_watch_s=order.idle_watch_s,
                so_far=so_far,
                accept=accept,
                token=order.token,
            )
            # What the flags took is added where the report is shown.
            preparing_s = progress.phases_s["prepare"] + part.spent_s - order.prepared_s
            add_phases(folder, {**progress.phases_s, "prepare": preparing_s})
    return True


@contextlib.contextmanager
def started_in(run: Run) -> Iterator[None]:
    """Change to the folder in which the run was started: paths are relative to it.

    So are a project's settings. Raises UsageError if it is no folder any more.
    """
    folder = Path(run.header.started_in or ".")
    if not folder.is_dir():
        raise UsageError(f"--resume: the run was started in {folder}, which no longer exists")
    with contextlib.chdir(folder):
        yield


def _so_far(run: Run) -> SoFar:
    """What is kept of a run: its complete rounds."""
    rounds = complete_rounds(run)
    trials = tuple(trial for trial in run.trials if trial.round < rounds)
    elapsed_s = round_ends_s(trials, rounds)[-1] if rounds else 0.0
    return SoFar(rounds, trials, run.behaviours, elapsed_s)


def _refuse(folder: Path, found: Differences) -> None:
    """Raise UsageError or BenchError where anything differs, naming it."""
    told = (*found.plan, *found.surroundings)
    if not told:
        return
    more = f"; and {len(told) - MOST_DIFFERENCES} more" if len(told) > MOST_DIFFERENCES else ""
    words = f"{'; '.join(told[:MOST_DIFFERENCES])}{more}"
    kind = UsageError if found.plan else BenchError
    raise kind(
        f"--resume: {folder} can't be continued, because its rounds would not be comparable: "
        f"{words}"
    )
