"""JUnit XML, which every CI shows: a test case per cell, which passes if it was measured validly.

A failed cell is an error, an invalid one a failure, a skipped one skipped, each with its reason.
In an A/B a case is a cell and a metric: a regression is a failure, undecided is skipped, invalid
and failed are errors.
"""

import re
from collections.abc import Mapping
from xml.etree import ElementTree

from asgi_bench.analysis.ab.report import ab_report
from asgi_bench.analysis.report import CellReport, SweepReport
from asgi_bench.analysis.summary import Survey
from asgi_bench.model.metrics import metric_of
from asgi_bench.reporting import numbers
from asgi_bench.reporting.ab import COLUMNS, AbRow, ab_rows
from asgi_bench.reporting.exports.figures import ExportFile, cell_figures
from asgi_bench.reporting.wording import plain

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
# What XML 1.0 can't hold even escaped, beside the control characters that `plain` replaces.
NO_CHARACTER = re.compile("[\ufffe\uffff]")
TAGS: Mapping[str, str] = {"failed": "error", "skipped": "skipped", "invalid": "failure"}
AB_TAGS: Mapping[str, str] = {
    "regression": "failure",
    "undecided": "skipped",
    "invalid": "error",
    "failed": "error",
}


def junit(surveyed: Survey) -> tuple[ExportFile, ...]:
    """`junit.xml`: one suite, a case for each cell."""
    run = surveyed.report.run
    loaded_s: dict[str, float] = {}
    for trial in surveyed.run.trials:
        loaded_s[trial.cell] = loaded_s.get(trial.cell, 0.0) + trial.duration_s
    if surveyed.run.header.plan.gate is not None:
        cases = [_ab_case(row) for row in ab_rows(ab_report(surveyed.run))]
    else:
        cases = [_case(cell, loaded_s.get(cell.cell, 0.0)) for cell in surveyed.report.everything]
    counts = {
        "tests": len(cases),
        "errors": sum(case.find("error") is not None for case in cases),
        "failures": sum(case.find("failure") is not None for case in cases),
        "skipped": sum(case.find("skipped") is not None for case in cases),
    }
    total_s = f"{sum(loaded_s.values()):.3f}"
    summary = {**{name: str(count) for name, count in counts.items()}, "time": total_s}
    root = ElementTree.Element("testsuites", {"name": "asgi-bench", **summary})
    about = {
        "name": xml_text(run.id),
        "timestamp": xml_text(run.started_at),
        "hostname": xml_text(run.machine.hostname),
    }
    suite = ElementTree.SubElement(root, "testsuite", {**about, **summary})
    suite.extend(cases)
    ElementTree.indent(root)
    return (ExportFile("junit.xml", DECLARATION + ElementTree.tostring(root, "unicode") + "\n"),)


def _case(cell: CellReport | SweepReport, loaded_s: float) -> ElementTree.Element:
    """One cell: what went wrong with it, or its figures."""
    names = {
        "classname": xml_text(f"{cell.server}.{cell.variant}"),
        "name": xml_text(cell.cell),
        "time": f"{loaded_s:.3f}",
    }
    case = ElementTree.Element("testcase", names)
    verdict = cell.outcome if cell.outcome != "ok" else cell.validity
    reasons = [f"{reason.level}, {reason.code}: {reason.text}" for reason in cell.validity_reasons]
    if verdict in TAGS:
        message = cell.reason if cell.outcome != "ok" else "; ".join(reasons)
        words = {"message": xml_text(message or "no reason was recorded")}
        if verdict != "skipped":
            words["type"] = verdict
        ElementTree.SubElement(case, TAGS[verdict], words)
    figures = [
        f"{figure.metric.title}: "
        f"{numbers.significant(figure.value * figure.metric.unit.factor)} "
        f"{figure.metric.unit.shown}"
        for figure in cell_figures(cell)
    ]
    said = [*figures, *reasons]
    if said:
        ElementTree.SubElement(case, "system-out").text = "\n".join(map(xml_text, said))
    return case


def _ab_case(row: AbRow) -> ElementTree.Element:
    """One metric of one cell of an A/B; what isn't gated passes."""
    metric = "measured" if row.metric is None else metric_of(row.metric.metric).label
    names = {"classname": xml_text(row.cell.cell), "name": xml_text(metric), "time": "0"}
    case = ElementTree.Element("testcase", names)
    figures = " ".join(column.text(row) for column in COLUMNS[1:-1])
    reasons = [reason.text for reason in row.cell.reasons]
    if row.verdict in AB_TAGS:
        words = {"message": xml_text("; ".join([f"{row.verdict}: {figures}", *reasons]))}
        if row.verdict != "undecided":
            words["type"] = row.verdict
        ElementTree.SubElement(case, AB_TAGS[row.verdict], words)
    said = [f"{row.verdict}: {figures}", *reasons]
    ElementTree.SubElement(case, "system-out").text = "\n".join(map(xml_text, said))
    return case


def xml_text(text: str) -> str:
    """Text that XML can contain."""
    return NO_CHARACTER.sub(" ", plain(text))
