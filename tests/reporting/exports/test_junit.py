from xml.etree import ElementTree

import msgspec
import pytest
from junitparser import Error, Failure, JUnitXml, Skipped

from asgi_bench.analysis.summary import Survey, survey
from asgi_bench.reporting.exports.junit import junit
from asgi_bench.reporting.wording import plain
from tests.synthetic_sides import ab_run


def test_junitparser_reads_a_case_for_each_cell(subject: Survey) -> None:
    """Failed cells are errors, invalid ones failures, skipped ones skipped; others pass."""
    (document,) = junit(subject)
    (suite,) = JUnitXml.fromstring(document.text.encode())
    kinds = {"failed": Error, "invalid": Failure, "skipped": Skipped}
    cells = subject.report.everything
    assert len(cells) == len(suite) == suite.tests
    for case, cell in zip(suite, cells, strict=True):
        verdict = cell.outcome if cell.outcome != "ok" else cell.validity
        expected = [kinds[verdict]] if verdict in kinds else []
        assert [type(result) for result in case.result] == expected
    verdicts = [cell.outcome if cell.outcome != "ok" else cell.validity for cell in cells]
    assert suite.errors == verdicts.count("failed") > 0
    assert suite.failures == verdicts.count("invalid") > 0
    assert suite.skipped == verdicts.count("skipped") > 0


def test_reasons_are_the_messages(subject: Survey) -> None:
    """What a failed cell's server said last stands in the message, as text."""
    (document,) = junit(subject)
    (suite,) = JUnitXml.fromstring(document.text.encode())
    messages = [result.message for case in suite for result in case.result]
    assert any("exited with 1: <OSError> & more" in message for message in messages)
    assert any("errors: " in message for message in messages)
    assert "not installed: pip install 'gunicorn'" in messages


def test_structure_is_the_common_one(subject: Survey) -> None:
    """Attributes that CI systems ask for are there, the counts of the root those of the suite."""
    (document,) = junit(subject)
    root = ElementTree.fromstring(document.text)
    suite = root.find("testsuite")
    assert suite is not None
    for name in ("tests", "failures", "errors", "skipped", "time"):
        assert root.get(name) == suite.get(name)
    assert all(case.get("name") and case.get("classname") for case in suite)
    assert all(float(case.get("time", "-1")) >= 0 for case in suite)


def test_hostile_names_are_text(subject: Survey) -> None:
    """Markup, control characters and what XML can't hold neither break nor add anything."""
    (document,) = junit(subject)
    root = ElementTree.fromstring(document.text)
    names = [case.get("name", "") for case in root.iter("testcase")]
    (hostile,) = (name for name in names if name.startswith("evil"))
    assert "<b>&'" in hostile
    assert hostile == " ".join(plain(hostile).split())
    assert {element.tag for element in root.iter()} == {
        *("testsuites", "testsuite", "testcase"),
        *("system-out", "error", "failure", "skipped"),
    }


@pytest.mark.parametrize(("effect", "kind"), [(0.08, Failure), (0.0, None)])
def test_ab_is_a_case_for_each_metric(effect: float, kind: type | None) -> None:
    """A regression fails its gated metrics; an equal candidate passes; p99 never fails."""
    run = ab_run(effect)
    header = msgspec.structs.replace(run.header, started_at="2026-11-24T07:00:00Z")
    (document,) = junit(survey(msgspec.structs.replace(run, header=header)))
    (suite,) = JUnitXml.fromstring(document.text.encode())
    results = {case.name: [type(result) for result in case.result] for case in suite}
    assert {"throughput", "CPU per request"} <= set(results)
    for name, found in results.items():
        gated = name in ("throughput", "CPU per request")
        assert found == ([kind] if kind is not None and gated else [])
    assert suite.failures == (2 if kind else 0)


def test_an_open_verdict_fails_nothing() -> None:
    """What is undecided is told as skipped, without a type, beside what it was found to be."""
    run = ab_run(0.0, blocks=12, noise=0.05)
    header = msgspec.structs.replace(run.header, started_at="2026-11-24T07:00:00Z")
    (document,) = junit(survey(msgspec.structs.replace(run, header=header)))
    root = ElementTree.fromstring(document.text)
    skipped = [found for case in root.iter("testcase") for found in case if found.tag == "skipped"]
    assert skipped and all(found.get("type") is None for found in skipped)
    assert all(found.get("message", "").startswith("undecided: ") for found in skipped)
    assert not list(root.iter("failure"))
