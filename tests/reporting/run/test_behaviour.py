import csv
import io

import msgspec

from asgi_bench.analysis.summary import summarize
from asgi_bench.reporting.run.behaviour import COLUMNS, sentences
from asgi_bench.reporting.run.report import render_report
from tests.synthetic_behaviour import BADLY, BEHAVIOURS, ENDED, WELL
from tests.synthetic_run import synthetic_run

REPORT = summarize(msgspec.structs.replace(synthetic_run(), behaviours=BEHAVIOURS))


def test_what_went_well_is_said_in_plain_words() -> None:
    """Each part has one sentence with its figures."""
    assert sentences(WELL) == (
        "stop under load: the 64 requests in flight were all answered (691 connections refused); "
        "it ended after 0.20 s with exit code 0",
        "overload: offered 175% of its own throughput it kept answering, 90% of it, responses "
        "within 41.0 ms of sending (p99); normal again after 0.12 s",
        "idle connections: still open after 10 s",
        "restart: 1 of 2 workers killed, another served after 0.73 s; 32 requests lost (32 reset)",
    )


def test_what_went_badly_is_said_in_plain_words() -> None:
    """Losses are told by kind, limits as limits, and a part that is missing with its reason."""
    assert sentences(BADLY) == (
        "stop under load: 60 of the 64 requests in flight were lost, 4 sent after the signal "
        "were lost (61 reset, 3 truncated); it did not end within 10 s and had to be killed",
        "overload: offered 175% of its own throughput it broke down, 25% of it, and lost 500 "
        "requests (400 wrong, 100 without a response in time); not normal again within 10 s",
        "idle connections: closed after 5.0 s; of 12 requests sent near that moment, 1 were lost",
        "restart: does not apply: a single process serves | alone",
    )
    assert "ended the whole server; 64 requests lost (64 reset" in sentences(ENDED)[0]


def test_a_table_has_a_figure_or_a_dash_for_each_part() -> None:
    """What is beyond a limit is written as such."""
    rows = [[column.text(each) for column in COLUMNS] for each in BEHAVIOURS]
    assert rows[0][1:] == ["0", "0.20", "0", "90", "0", "0.12", "5.0", "> 10", "0.73", "32"]
    assert rows[1][1:] == ["64", "> 10", "–", "25", "500", "> 10", "–", "5.0", "–", "–"]  # noqa: RUF001
    assert rows[2][1:] == ["–"] * 8 + ["ended", "64"]  # noqa: RUF001


def test_the_section_is_there_where_behaviour_was_watched() -> None:
    """All settings and all sentences stand there, escaped; without behaviour there is none."""
    text = render_report(REPORT, "markdown")
    section = " ".join(text.partition("Behaviour")[2].split())
    for each in BEHAVIOURS:
        assert each.setting in section
    assert "kept answering, 90% of it" in section
    assert "\x1b" not in section
    assert "serves \\| alone" in section
    without = summarize(synthetic_run())
    assert "Behaviour" not in render_report(without, "markdown")


def test_json_and_csv_have_every_figure() -> None:
    """JSON has the stored entries, CSV a line for each setting."""
    document = msgspec.json.decode(render_report(REPORT, "json"))
    assert document["behaviour"] == list(msgspec.to_builtins(BEHAVIOURS))
    lines = list(csv.DictReader(io.StringIO(render_report(REPORT, "csv"))))
    (line,) = [line for line in lines if line["cell"] == WELL.setting]
    assert line["server"] == "uvicorn"
    assert line["behaviour.stop.losses.refused"] == "691"
    assert line["behaviour.overload.recovery_s"] == "0.12"
    assert line["outcome"] == ""
    (line,) = [line for line in lines if line["cell"] == ENDED.setting]
    assert line["behaviour.missing"] == "stop: not ready within 30 s; overload: gone; idle: gone"


def test_a_worker_that_is_not_replaced_is_told_with_the_limit() -> None:
    """How long was waited stands where the time would, in words and in the table."""
    assert WELL.restart is not None
    restart = msgspec.structs.replace(WELL.restart, replaced_after_s=None)
    alone = msgspec.structs.replace(WELL, restart=restart)
    assert (
        "1 of 2 workers killed and not replaced within 10 s; 32 requests lost"
        in (sentences(alone)[-1])
    )
    assert [column.text(alone) for column in COLUMNS][-2:] == ["> 10", "32"]


def test_idle_connections_that_nobody_used_lost_nothing() -> None:
    """Where no request was near the moment of closing there is nothing to say of losses."""
    assert BADLY.idle is not None
    quiet = msgspec.structs.replace(BADLY.idle, sent_near=0, lost_near=0)
    assert sentences(msgspec.structs.replace(BADLY, idle=quiet))[2] == (
        "idle connections: closed after 5.0 s"
    )
