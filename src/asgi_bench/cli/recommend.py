"""`asgi-bench recommend`: what to deploy, according to a stored run."""

import sys
from typing import Annotated

import msgspec

from asgi_bench.analysis.recommendation import recommend as recommended
from asgi_bench.cli.flags import DEFAULT_OUTPUT, Output, StoredRun
from asgi_bench.cli.report import print_document
from asgi_bench.definitions.selection import OBJECTIVE
from asgi_bench.flags import OUTPUT, Flag, whole
from asgi_bench.model import Objective
from asgi_bench.reporting.recommendations import command_line, recommendation_document
from asgi_bench.reporting.wording import plain
from asgi_bench.store.folders import find_run
from asgi_bench.store.runs import read_run


class RecommendFlags(msgspec.Struct, frozen=True, kw_only=True):
    """The flags of `recommend`."""

    run: StoredRun = None
    objective: Annotated[
        Objective | None,
        Flag(
            "--slo",
            OUTPUT,
            OBJECTIVE,
            "Consider only settings that met this objective, such as p99=10ms, in a sweep or at "
            "a fixed rate.",
        ),
    ] = None
    cpus: Annotated[
        int | None,
        Flag(
            "--cpus",
            OUTPUT,
            whole(),
            "Consider at most N workers. Default: as many as the servers had CPUs.",
        ),
    ] = None
    output: Output = DEFAULT_OUTPUT


def recommend(asked: RecommendFlags) -> None:
    """Say which server to deploy and why; the last line is the command line."""
    stored = read_run(find_run(asked.run, asked.output))
    for damage in stored.damage:
        print(f"warning: {plain(damage)}", file=sys.stderr)
    found = recommended(stored, objective=asked.objective, workers_most=asked.cpus)
    print_document(recommendation_document(found))
    print(f"\n{command_line(found.planned)}")
