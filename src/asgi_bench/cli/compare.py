"""`asgi-bench compare`: two stored runs."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from asgi_bench.analysis.history.comparison import RunComparison, compare_runs
from asgi_bench.analysis.history.counted import Counted, compare_counts
from asgi_bench.analysis.history.series import MIN_CHANGE
from asgi_bench.cli.flags import DEFAULT_OUTPUT, FailOnUndecided, MinChange, Output
from asgi_bench.cli.report import exit_code_of, print_document
from asgi_bench.errors import UsageError
from asgi_bench.flags import OUTPUT, SWITCH, Flag, choice, text
from asgi_bench.model import Machine, Run
from asgi_bench.model.metrics import LEAST_INSTRUCTIONS_CHANGE
from asgi_bench.reporting.compared import compared_document
from asgi_bench.reporting.render.post import render_post
from asgi_bench.reporting.wording import plain
from asgi_bench.store.counts import has_counts, read_lives
from asgi_bench.store.folders import find_run
from asgi_bench.store.runs import read_run


class CompareFlags(msgspec.Struct, frozen=True, kw_only=True):
    """The flags of `compare`."""

    base: Annotated[
        str, Flag("BASE_RUN", OUTPUT, text("BASE_RUN"), "Folder or id of the earlier run.")
    ]
    candidate: Annotated[
        str, Flag("CAND_RUN", OUTPUT, text("CAND_RUN"), "Folder or id of the later run.")
    ]
    min_change: MinChange = None
    force: Annotated[
        bool,
        Flag(
            "--force", OUTPUT, SWITCH, "Compare the runs even if they are from different machines."
        ),
    ] = False
    fail_on_undecided: FailOnUndecided = False
    format: Annotated[
        Literal["text", "markdown"],
        Flag("--format", OUTPUT, choice("text", "markdown"), "Output format."),
    ] = "text"
    output: Output = DEFAULT_OUTPUT


def compare(asked: CompareFlags) -> None:
    """Say what changed from one run to another, as ratios to a server that both have; if both
    counted, in counts.
    """
    runs = [_read(name, asked.output) for name in (asked.base, asked.candidate)]
    counted = [has_counts(Path(run.folder)) for run in runs]
    if any(counted) and not all(counted):
        raise UsageError(
            f"{runs[counted.index(True)].header.run_id} counted and the other run timed: there "
            "is nothing to compare"
        )
    found = _by_counts(runs, asked) if all(counted) else _by_time(runs, asked)
    document = compared_document(found)
    if asked.format == "markdown":
        sys.stdout.write(render_post(document))
    else:
        print_document(document)
        print()
    print(plain(found.text))
    sys.exit(exit_code_of(found.verdict, fail_on_undecided=asked.fail_on_undecided))


def _by_counts(runs: list[Run], asked: CompareFlags) -> RunComparison:
    """Counts travel from machine to machine, where they were made in the same."""
    base, candidate = (Counted(run.header, read_lives(Path(run.folder))) for run in runs)
    least = LEAST_INSTRUCTIONS_CHANGE if asked.min_change is None else asked.min_change
    return compare_counts(base, candidate, min_change=least)


def _by_time(runs: list[Run], asked: CompareFlags) -> RunComparison:
    machines = [run.header.machine for run in runs]
    if machines[0].fingerprint != machines[1].fingerprint and not asked.force:
        raise UsageError(
            "the runs are from different machines, "
            f"{' and '.join(map(_machine_words, machines))}, and ratios between servers depend "
            "on the machine: measure both on one machine, or add --force"
        )
    least = MIN_CHANGE if asked.min_change is None else asked.min_change
    return compare_runs(*runs, min_change=least)


def _read(name: str, parent: Path) -> Run:
    run = read_run(find_run(name, parent))
    for damage in run.damage:
        print(f"warning: {plain(damage)}", file=sys.stderr)
    return run


def _machine_words(machine: Machine) -> str:
    facts = (machine.cpu_model, *machine.processor_facts, machine.kernel)
    return f"{plain(machine.fingerprint)} ({', '.join(map(plain, facts))})"
