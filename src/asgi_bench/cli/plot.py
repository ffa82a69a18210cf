"""`asgi-bench plot`: the charts of a stored run."""

import sys

import msgspec

from asgi_bench.analysis.samples import with_reference
from asgi_bench.analysis.summary import survey
from asgi_bench.cli.flags import DEFAULT_OUTPUT, OtherReference, Output, StoredRun
from asgi_bench.reporting.wording import plain
from asgi_bench.store.folders import CHARTS_FOLDER, find_run
from asgi_bench.store.runs import read_run


class PlotFlags(msgspec.Struct, frozen=True, kw_only=True):
    """The flags of `plot`."""

    run: StoredRun = None
    reference: OtherReference = None
    output: Output = DEFAULT_OUTPUT


def plot(asked: PlotFlags) -> None:
    """Draw a run's charts as SVG and PNG into its folder `charts`."""
    # matplotlib takes most of a second to import, which no other verb should pay for.
    from asgi_bench.reporting.charts import draw

    folder = find_run(asked.run, asked.output)
    stored = with_reference(read_run(folder), asked.reference)
    for damage in stored.damage:
        print(f"warning: {plain(damage)}", file=sys.stderr)
    for drawing in draw(survey(stored), folder / CHARTS_FOLDER):
        if drawing.fault is not None:
            print(f"warning: {plain(drawing.account)}", file=sys.stderr)
        for file in drawing.files:
            print(file)
    print(folder / CHARTS_FOLDER)
