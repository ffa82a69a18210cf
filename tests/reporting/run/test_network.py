"""The section on the network to load hosts."""

import csv
import json
from io import StringIO

import msgspec
import pytest

from asgi_bench.analysis.summary import summarize
from asgi_bench.analysis.validity.trial import judge_trial
from asgi_bench.model import NEARBY_TIME, Link, LoadHost, Run, Trial
from asgi_bench.reporting.document import Notes, Table
from asgi_bench.reporting.render.terminal import WIDTH
from asgi_bench.reporting.run.network import network_section
from asgi_bench.reporting.run.report import Format, render_report
from asgi_bench.reporting.run.source import Source
from tests.synthetic_histograms import histogram_blob
from tests.synthetic_run import planned_cells, synthetic_run

HOSTS = (
    LoadHost("near", 0.0002, 5.0, "10.0.0.2", Link(0.0002, 120e6, 110e6), Link(0.0003, 118e6)),
    LoadHost("far", 0.0031, -2.0, "10.0.0.3", Link(0.0031, 12e6, 12e6), Link(0.0030, 11e6)),
)


def far_run() -> Run:
    """A run whose load came from two hosts."""
    return synthetic_run(planned_cells(worker_counts=(1,)), rounds=3, edit=from_afar)


def from_afar(trial: Trial) -> Trial:
    """The trial as if two hosts had loaded it, in slices of which one was left out."""
    times = {NEARBY_TIME: histogram_blob(0.0005, 4000, spread=0.3)}
    slices = tuple(
        msgspec.structs.replace(piece, received_bytes=150 * piece.requests)
        for piece in trial.slices
    )
    return msgspec.structs.replace(
        trial,
        load_hosts=HOSTS,
        late_slices=1,
        left_out_slices=1,
        slices=slices,
        times_hdr={**trial.times_hdr, **times},
    )


def test_times_are_told_with_the_round_trip_and_without_it() -> None:
    """Beside them the bandwidth, how much of it was used, and what was left out."""
    section = network_section(Source(summarize(far_run())))
    (table,) = [block for block in section.blocks if isinstance(block, Table)]
    titles = [head.title for head in table.columns]
    row = next(row.cells for row in table.rows if row.cells[:2] == ("uvicorn", "default"))
    told = {title: str(row[titles.index(title)]) for title in titles if title}
    assert float(told["round trip"]) == 3.0
    assert float(told["without"]) == pytest.approx(0.5, rel=0.05)
    assert float(told["link"]) == 12.0
    assert told["left out"] == "3"
    (notes,) = [block for block in section.blocks if isinstance(block, Notes)]
    assert "less the round trip" in notes.texts[0]


def test_load_from_this_machine_has_no_network() -> None:
    """Neither a table nor a note, and null in JSON."""
    report = summarize(synthetic_run())
    assert network_section(Source(report)).blocks == (Notes(()),)
    assert all(cell.network is None for cell in report.cells)


@pytest.mark.parametrize("format", ["text", "markdown"])
def test_every_format_has_the_section(format: Format) -> None:
    """In text it fits the width."""
    text = render_report(summarize(far_run()), format)
    assert "Network · " in text
    if format == "text":
        assert all(len(line) <= WIDTH for line in text.splitlines())


def test_json_and_csv_have_the_same_figures() -> None:
    """By one key of a cell, and by columns named after it."""
    report = summarize(far_run())
    cells = json.loads(render_report(report, "json"))["cells"]
    (cell,) = [one for one in cells if one["cell"] == "uvicorn/default/w1/hello/c64"]
    network = cell["network"]
    assert network["load_processes"] == 2
    assert network["longest_round_trip_s"] == 0.003
    assert network["to_host_bytes_per_s"] == 12e6
    assert network["response_time_less_round_trip_s"]["p50"] == pytest.approx(0.0005, rel=0.1)
    rows = csv.DictReader(StringIO(render_report(report, "csv")))
    (row,) = [one for one in rows if one["cell"] == "uvicorn/default/w1/hello/c64"]
    assert float(row["network.link_share"]) == pytest.approx(network["link_share"])


@pytest.mark.parametrize("slices", [0, 2])
@pytest.mark.parametrize("format", ["text", "markdown", "json", "csv"])
def test_a_lost_load_is_told_in_every_format(format: Format, slices: int) -> None:
    """Whatever was measured until then, in the only round."""

    def lost(trial: Trial) -> Trial:
        return msgspec.structs.replace(
            from_afar(trial),
            slices=trial.slices[:slices],
            requests=sum(piece.requests for piece in trial.slices[:slices]),
            times_hdr={},
            load_fault="load host far is gone: it gave no sign for 3 s",
        )

    cells = planned_cells(worker_counts=(1,))[-2:]
    run = synthetic_run(cells, rounds=1, edit=lost)
    plan = run.header.plan
    judged = tuple(judge_trial(trial, plan) for trial in run.trials)
    assert {trial.validity for trial in judged} == {"invalid"}
    report = summarize(msgspec.structs.replace(run, trials=judged))
    assert {cell.validity for cell in report.cells} == {"invalid"}
    assert "load host far is gone" in render_report(report, format, width=1000)
