"""`asgi-bench recommend`: what to deploy, by a stored run."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from asgi_bench.analysis.recommendation import recommend as recommended
from asgi_bench.cli.report import print_document
from asgi_bench.definitions.loads import parse_objective
from asgi_bench.reporting.recommendations import command_line, recommendation_document
from asgi_bench.reporting.wording import plain
from asgi_bench.store.folders import find_run
from asgi_bench.store.runs import read_run


def recommend(
    run: Annotated[
        str | None, typer.Argument(help="A run folder or its id. Without it: the newest run.")
    ] = None,
    slo: Annotated[
        str | None,
        typer.Option(
            "--slo",
            metavar="PNN=TIME",
            help="Of those that keep this, as p99=10ms, under a sweep or at a fixed rate.",
        ),
    ] = None,
    cpus: Annotated[
        int | None,
        typer.Option(
            "--cpus",
            metavar="N",
            min=1,
            help="With at most so many workers. Else as many as the servers had CPUs.",
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="The folder that runs lie in.")
    ] = Path("results"),
) -> None:
    """Say which server to deploy and why; the last line is the command line."""
    objective = None if slo is None else parse_objective(slo, "--slo")
    stored = read_run(find_run(run, output))
    for damage in stored.damage:
        print(f"warning: {plain(damage)}", file=sys.stderr)
    found = recommended(stored, objective=objective, workers_most=cpus)
    print_document(recommendation_document(found))
    print(f"\n{command_line(found.planned)}")
