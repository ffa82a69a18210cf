"""A conformance matrix as JUnit XML: one suite per server, one case per check."""

from xml.etree import ElementTree

from asgi_bench.analysis.matrix import MatrixVerdict
from asgi_bench.model.matrix import CheckEntry, Matrix, MatrixResult
from asgi_bench.reporting.exports.junit import DECLARATION, xml_text


def matrix_junit(matrix: Matrix, verdict: MatrixVerdict) -> str:
    """A failure is a `no` that counts; accepted ones, and unknown results, are skipped.

    A `no` that doesn't count passes, with the evidence. A server that didn't start is an error.
    """
    entries = {entry.id: entry for entry in matrix.checks}
    root = ElementTree.Element("testsuites", {"name": "asgi-bench check --matrix"})
    suites: dict[str, ElementTree.Element] = {}
    for result in matrix.results:
        if result.setting not in suites:
            names = {"name": xml_text(result.setting), "timestamp": matrix.checked_at}
            suites[result.setting] = ElementTree.SubElement(root, "testsuite", names)
        suites[result.setting].append(_case(result, entries.get(result.check), verdict))
    for one in matrix.unchecked:
        name = f"{one.server}/{one.variant}"
        suite = ElementTree.SubElement(root, "testsuite", {"name": xml_text(name)})
        case = ElementTree.SubElement(
            suite, "testcase", {"classname": xml_text(name), "name": "start"}
        )
        tag = "error" if one.is_failed else "skipped"
        ElementTree.SubElement(case, tag, {"message": xml_text(one.reason)})
    for suite in (*root, root):
        for tag, name in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
            suite.set(name, str(len(suite.findall(f".//{tag}"))))
        suite.set("tests", str(len(suite.findall(".//testcase"))))
    ElementTree.indent(root)
    return DECLARATION + ElementTree.tostring(root, "unicode") + "\n"


def _case(
    result: MatrixResult, entry: CheckEntry | None, verdict: MatrixVerdict
) -> ElementTree.Element:
    names = {"classname": xml_text(result.setting), "name": xml_text(result.check), "time": "0"}
    case = ElementTree.Element("testcase", names)
    seen = result.evidence or ""
    if result in verdict.failures:
        ElementTree.SubElement(case, "failure", {"type": result.level, "message": xml_text(seen)})
    elif result in verdict.accepted:
        ElementTree.SubElement(case, "skipped", {"message": xml_text(f"accepted: {seen}")})
    elif result.result in ("not offered", "can't tell"):
        message = f"{result.result}: {seen}"
        ElementTree.SubElement(case, "skipped", {"message": xml_text(message)})
    if result.result == "no":
        says = "" if entry is None else f"{entry.says}\n{entry.link}\n"
        known = f"\nknown: {result.known_issue}" if result.known_issue else ""
        lines = f"{says}{result.level}: {seen}{known}".splitlines()
        ElementTree.SubElement(case, "system-out").text = "\n".join(map(xml_text, lines))
    return case
