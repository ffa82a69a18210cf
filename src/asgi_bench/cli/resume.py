"""`asgi-bench run --resume RUN`: the flags of the run's first command, and what is left of it."""

import contextlib
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from asgi_bench import __version__
from asgi_bench.analysis.continuation import complete_rounds, is_complete
from asgi_bench.cli.flags import RunFlags
from asgi_bench.cli.streams import say
from asgi_bench.errors import BenchError, UsageError
from asgi_bench.flags import DURATION
from asgi_bench.measurement.resume import started_in
from asgi_bench.model import SCHEMA_VERSION, Run
from asgi_bench.store.folders import find_run
from asgi_bench.store.runs import read_run
from asgi_bench.store.withheld import names_without_value

Told = Mapping[str, Any]


def flags_of_run(
    told: Told, told_by: Callable[[list[str]], Told], read: Callable[[Told], RunFlags]
) -> RunFlags:
    """Return the flags of a stored run's own command line, except those given anew.

    `told_by` takes a command line apart, `read` turns the result into flags. A budget that is given
    anew is for this part alone; otherwise this part has as long as the first.

    Raises:
        UsageError: it is no run, or one that can't be continued.
        BenchError: another version of asgi-bench measured it.
    """
    output = read({key: value for key, value in told.items() if key == "output"}).output
    folder = find_run(told["resume"], output)
    run = read_run(folder)
    _check(folder, run)
    with started_in(run):
        before = told_by(list(run.header.command_line[1:]))
        # What its budget was decides how many rounds it has at most.
        anew = {key: value for key, value in told.items() if key != "budget"}
        kept = {key: value for key, value in before.items() if key not in ("label", *anew)}
        _check_values(folder, kept)
        asked = read(kept | anew)
    budget_s = None if asked.goal is None else asked.goal.budget_s
    if "budget" in told:
        budget_s = DURATION.read(told["budget"], "--budget")
    seed = run.header.plan.seed if asked.seed is None else asked.seed
    return msgspec.structs.replace(
        asked, resume=str(folder), part_budget_s=budget_s, output=output, seed=seed
    )


def _check_values(folder: Path, kept: Told) -> None:
    """Raise UsageError where a flag of the first command has a value that no file keeps."""
    for key, value in kept.items():
        words = (value,) if isinstance(value, str) else value
        lacking = names_without_value(words) if isinstance(words, list | tuple) else ()
        if lacking:
            raise UsageError(
                f"--resume: {folder} doesn't store the value of {', '.join(lacking)}, which may "
                f"be secret: give each --{key} of the run again"
            )


def say_complete(run: Run) -> None:
    """Say that nothing is left of a run."""
    rounds = complete_rounds(run)
    say(f"{run.folder} is complete: {_rounds(rounds)}, nothing left to measure")


def say_what_is_left(folder: Path, *, has_behaviour: bool) -> None:
    """Say how to continue a run that was cut short or out of budget; nothing for a complete one."""
    with contextlib.suppress(BenchError):
        run = read_run(folder)
        if not is_complete(run, has_behaviour=has_behaviour):
            done, most = complete_rounds(run), run.header.plan.most_rounds
            measured = _rounds(done) if most is None else f"{done} of {_rounds(most)}"
            say(
                f"{measured} measured; continue with: asgi-bench run --resume "
                f"{shlex.quote(str(folder))}"
            )


def _rounds(number: int) -> str:
    return f"{number} round{'' if number == 1 else 's'}"


def _check(folder: Path, run: Run) -> None:
    """Raise UsageError or BenchError for a run that can't go on, whatever is installed."""
    header = run.header
    if header.plan.gate is not None:
        raise UsageError(
            f"--resume: {folder} is an A/B, whose interim looks are planned for one budget, so "
            "it can't be continued: measure it again"
        )
    if run.stored_version != SCHEMA_VERSION:
        raise UsageError(
            f"--resume: {folder} has schema version {run.stored_version}, which this asgi-bench "
            f"can read but no longer write (it writes {SCHEMA_VERSION}): measure it again"
        )
    if header.tool_version != __version__:
        raise BenchError(
            f"--resume: {folder} can't be continued: tool asgi-bench: {header.tool_version} is "
            f"now {__version__}"
        )
    if header.command_line[:1] != ("run",):
        raise UsageError(f"--resume: {folder} does not record the command that measured it")
