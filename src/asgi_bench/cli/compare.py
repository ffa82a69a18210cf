"""`asgi-bench compare`: two stored runs against each other."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from asgi_bench.analysis.comparison import compare_runs
from asgi_bench.analysis.history import MIN_CHANGE
from asgi_bench.cli.ab_options import FailOnUndecided, MinChange, exit_code_of
from asgi_bench.cli.report import print_document
from asgi_bench.errors import UsageError
from asgi_bench.model import Machine, Run
from asgi_bench.quantities import parse_share
from asgi_bench.reporting.compared import compared_document
from asgi_bench.reporting.render.post import render_post
from asgi_bench.reporting.wording import plain
from asgi_bench.store.folders import find_run
from asgi_bench.store.runs import read_run


def compare(
    base: Annotated[str, typer.Argument(metavar="BASE_RUN", help="A run folder or its id.")],
    candidate: Annotated[str, typer.Argument(metavar="CAND_RUN", help="The other one.")],
    min_change: MinChange = f"{MIN_CHANGE:.0%}",
    force: Annotated[
        bool, typer.Option("--force", help="Compare runs of different machines all the same.")
    ] = False,
    fail_on_undecided: FailOnUndecided = False,
    format: Annotated[
        Literal["text", "markdown"], typer.Option("--format", help="How to print it.")
    ] = "text",
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="The folder that runs lie in.")
    ] = Path("results"),
) -> None:
    """Tell what changed from one run to another, as ratios to a server that both have."""
    least = parse_share(min_change, "--min-change")
    runs = [_read(name, output) for name in (base, candidate)]
    machines = [run.header.machine for run in runs]
    if machines[0].fingerprint != machines[1].fingerprint and not force:
        raise UsageError(
            f"the runs are of different machines, {' and '.join(map(_machine_words, machines))}: "
            f"servers' ratios move with the machine; measure both on one, or --force"
        )
    found = compare_runs(*runs, min_change=least)
    document = compared_document(found)
    if format == "markdown":
        sys.stdout.write(render_post(document))
    else:
        print_document(document)
        print()
    print(plain(found.text))
    raise typer.Exit(exit_code_of(found.verdict, fail_on_undecided=fail_on_undecided))


def _read(name: str, parent: Path) -> Run:
    run = read_run(find_run(name, parent))
    for damage in run.damage:
        print(f"warning: {plain(damage)}", file=sys.stderr)
    return run


def _machine_words(machine: Machine) -> str:
    facts = (machine.cpu_model, *machine.processor_facts, machine.kernel)
    return f"{plain(machine.fingerprint)} ({', '.join(map(plain, facts))})"
