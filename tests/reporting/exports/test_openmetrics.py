from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import pytest
from prometheus_client import parser
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from asgi_bench.analysis.summary import Survey, survey
from asgi_bench.reporting.exports.figures import cell_figures, exported, is_usable
from asgi_bench.reporting.exports.openmetrics import openmetrics
from asgi_bench.reporting.wording import plain
from tests.synthetic_sides import ab_run


def samples(subject: Survey) -> dict[tuple[str, str, str], float]:
    """Values by metric, server and load, as Prometheus's own parser reads them."""
    (document,) = openmetrics(exported(subject))
    return {
        (sample.name, sample.labels.get("server", ""), sample.labels.get("load", "")): sample.value
        for family in text_string_to_metric_families(document.text)  # type: ignore[no-untyped-call]
        for sample in family.samples
    }


def test_prometheus_reads_the_values(subject: Survey) -> None:
    """Each figure of a usable cell is a sample with its value, times in seconds."""
    found = samples(subject)
    key = "uvicorn/default/w1/hello/c64"
    (cell,) = (c for c in subject.report.cells if c.cell == key)
    place = ("uvicorn", "c64")
    assert found["asgi_bench_throughput_rps", *place] == cell.throughput_rps.value
    assert found["asgi_bench_throughput_rps_lower", *place] == cell.throughput_rps.lower
    cpu = found["asgi_bench_server_cpu_seconds_per_request", *place]
    assert cpu == cell.server_cpu_s_per_request.value
    assert found["asgi_bench_response_time_p99_seconds", *place] == cell.response_time_s.p99
    assert found["asgi_bench_run_started_timestamp_seconds", "", ""] == 1795374000


@pytest.mark.parametrize(
    "read", [text_string_to_metric_families, parser.text_string_to_metric_families]
)
def test_both_formats_have_the_same_gauges(
    subject: Survey, read: Callable[[str], Iterable[Any]]
) -> None:
    """Readers of either format find every value, and no type that the older one doesn't know."""
    (document,) = openmetrics(exported(subject))
    lines = [line for line in document.text.splitlines() if not line.startswith("#")]
    families = list(read(document.text))
    assert {family.type for family in families} == {"gauge"}
    assert sum(len(family.samples) for family in families) == len(lines)
    (about,) = (each for each in families if each.name == "asgi_bench_run_info")
    assert [sample.labels["run"] for sample in about.samples] == [subject.report.run.id]
    types = [line.split()[-1] for line in document.text.splitlines() if line.startswith("# TYPE")]
    assert set(types) <= {"counter", "gauge", "untyped"}


def test_unusable_cells_are_states_and_no_values(subject: Survey) -> None:
    """An alarm sees that a cell is not usable; there is no figure it could take for one."""
    found = samples(subject)
    usable = [value for (name, *_), value in found.items() if name == "asgi_bench_cell_usable"]
    assert usable == [float(is_usable(cell)) for cell in subject.report.everything]
    values = [
        name
        for name, server, _ in found
        if server in ("granian", "daphne", "gunicorn-asgi") and name != "asgi_bench_cell_usable"
    ]
    assert values == []


def test_hostile_names_come_back_as_text(subject: Survey) -> None:
    """Quotes, braces, backslashes and line breaks in a name break neither line nor label."""
    (hostile,) = (c for c in subject.report.cells if c.server.startswith("evil"))
    assert cell_figures(hostile)
    assert ("asgi_bench_throughput_rps", plain(hostile.server), "c64") in samples(subject)


def test_sides_of_an_ab_are_told_apart() -> None:
    """Baseline, control and candidate are series of their own, by a label."""
    run = ab_run(0.05, blocks=4)
    header = msgspec.structs.replace(run.header, started_at="2026-11-24T07:00:00Z")
    (document,) = openmetrics(exported(survey(msgspec.structs.replace(run, header=header))))
    families = list(text_string_to_metric_families(document.text))  # type: ignore[no-untyped-call]
    (usable,) = (family for family in families if family.name == "asgi_bench_cell_usable")
    sides = [sample.labels["side"] for sample in usable.samples]
    assert sorted(sides) == ["baseline", "candidate", "control"]
