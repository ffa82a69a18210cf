"""`asgi-bench plot`: the charts of a stored run."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from asgi_bench.analysis.references import with_reference
from asgi_bench.analysis.summary import survey
from asgi_bench.cli.goal_options import OtherReference
from asgi_bench.reporting.wording import plain
from asgi_bench.store.folders import CHARTS_FOLDER, find_run
from asgi_bench.store.runs import read_run


def plot(
    run: Annotated[
        str | None, typer.Argument(help="A run folder or its id. Without it: the newest run.")
    ] = None,
    against: OtherReference = None,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="The folder that runs lie in.")
    ] = Path("results"),
) -> None:
    """Draw a run's charts as SVG and PNG into its folder `charts`."""
    # matplotlib takes most of a second to import, which no other verb should pay for.
    from asgi_bench.reporting.charts import draw

    folder = find_run(run, output)
    stored = with_reference(read_run(folder), against)
    for damage in stored.damage:
        print(f"warning: {plain(damage)}", file=sys.stderr)
    for drawing in draw(survey(stored), folder / CHARTS_FOLDER):
        if drawing.fault is not None:
            print(f"warning: {plain(drawing.account)}", file=sys.stderr)
        for file in drawing.files:
            print(file)
    print(folder / CHARTS_FOLDER)
