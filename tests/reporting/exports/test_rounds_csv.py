import csv
import io

import pytest

from asgi_bench.analysis.summary import Survey
from asgi_bench.model import Run
from asgi_bench.reporting.exports.rounds_csv import FIGURES, WHAT, rounds_csv


def rows(subject: Survey) -> list[dict[str, str]]:
    """The lines as a spreadsheet has them."""
    (document,) = rounds_csv(subject)
    return list(csv.DictReader(io.StringIO(document.text, newline="")))


def test_every_round_is_a_line(subject: Survey, exported_run: Run) -> None:
    """Each trial has one with its own figures; a cell that was skipped has one with the reason."""
    found = rows(subject)
    skipped = [row for row in found if row["outcome"] == "skipped"]
    assert len(found) - len(skipped) == len(exported_run.trials)
    assert {row["cell"].split("/")[0] for row in skipped} == {"gunicorn-asgi"}
    assert all(row["reason"].startswith("not installed") for row in skipped)
    key = "uvicorn/default/w1/hello/c64"
    rates = [float(row["throughput_rps"]) for row in found if row["cell"] == key]
    assert rates == pytest.approx(
        [t.throughput_rps or 0 for t in exported_run.trials if t.cell == key]
    )
    assert list(found[0]) == [*WHAT, *FIGURES]


def test_what_can_not_be_believed_has_no_figures(subject: Survey) -> None:
    """Lines of invalid and failed rounds state it and leave the figures empty."""
    for row in rows(subject):
        sound = row["outcome"] == "ok" and row["cell_validity"] != "invalid"
        assert any(row[name] for name in FIGURES) == sound


def test_names_stay_text(subject: Survey) -> None:
    """A hostile name is one field, without what would drive a terminal."""
    (hostile, *_) = (row for row in rows(subject) if row["server"].startswith("evil"))
    assert hostile["workers"] == "1"
    assert "\x1b" not in hostile["server"]
