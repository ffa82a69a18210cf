from collections import Counter
from pathlib import Path

import msgspec
import pytest

from asgi_bench.analysis.ab.report import ab_report
from asgi_bench.model import Gate, Reason, Role, Trial
from gate.missing import next_kind
from gate.records import (
    SHARES,
    Kind,
    Record,
    read_records,
    record_of,
    run_of,
    write_record,
)
from gate.replay import Pseudo, pseudo_aas
from gate.section import pseudo_line
from gate.table import bounds, replayed, table
from gate.verdicts import GATED
from tests.synthetic_sides import ab_run

# A real one: uvicorn against itself on two shared CPUs.
RECORDED = Path(__file__).with_name("records") / "uvicorn"
GATE = Gate()


def synthetic(kind: Kind, number: int = 1) -> Record:
    """A repetition that was never measured, with the effect it should have."""
    run = ab_run(SHARES[kind], gate=Gate(looks=(1.0,)))
    record = record_of(run, kind, number, 100, {"load": 57.0})
    return msgspec.structs.replace(record, started_at=f"{number:02}")


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    """What was measured comes back whole, in the order of measuring, in some tens of kB."""
    records = [synthetic("slow3", 2), synthetic("aa", 1)]
    paths = [write_record(tmp_path, record) for record in records]
    assert read_records(tmp_path) == records[::-1]
    assert all(path.stat().st_size < 50_000 for path in paths)
    assert not list(tmp_path.glob("*.partial"))


def test_a_record_is_judged_as_the_run_it_came_from() -> None:
    """Slices in whole microseconds lose nothing that a verdict hangs on."""
    assert replayed(synthetic("aa"), GATE).verdict == "pass"
    assert replayed(synthetic("slow5"), GATE).verdict == "regression"


def broken(trial: Trial, role: Role) -> Trial:
    """A candidate that answers wrongly."""
    if role != "candidate":
        return trial
    found = (
        Reason("steal", "suspect", 0.1, 0.05, "stolen"),
        Reason("errors", "invalid", 0.2, 0.001, "a fifth of the answers were wrong"),
    )
    return msgspec.structs.replace(trial, validity="invalid", validity_reasons=found)


@pytest.mark.parametrize("has_codes_alone", [False, True])
def test_a_side_that_failed_has_failed_in_a_replay(has_codes_alone: bool) -> None:
    """What a side did wrong is kept: a live `failed` is no `invalid` machine in the table."""
    run = ab_run(0.0, gate=Gate(looks=(1.0,)), edit=broken)
    assert ab_report(run).verdict == "failed"
    record = record_of(run, "aa", 1, 0, {})
    if has_codes_alone:
        trials = tuple(
            msgspec.structs.replace(
                one, findings=(), codes=tuple(reason.code for reason in one.findings)
            )
            for one in record.trials
        )
        record = msgspec.structs.replace(record, trials=trials, version=1)
    read = msgspec.json.decode(msgspec.json.encode(record), type=Record)
    assert replayed(read, GATE).verdict == "failed"
    (row,) = (line for line in table([read], GATE) if line.startswith("| A/A"))
    assert "| 0 | 1 | unknown |" in row


def test_a_replay_stops_where_the_rule_would_have() -> None:
    """Measured to the end of its budget, a clear repetition counts as ended at the first look."""
    judged = replayed(synthetic("slow5"), GATE)
    assert judged.blocks == 15
    assert judged.ended_s == pytest.approx(15 * 3.5)
    one_look = replayed(synthetic("slow5"), Gate(looks=(1.0,)))
    assert one_look.blocks == 28


@pytest.mark.parametrize("already", [0, 1, 7])
def test_any_prefix_is_balanced(already: int) -> None:
    """Kinds come in the proportions that are asked for, wherever the measuring is broken off."""
    wanted: dict[Kind, int] = {"aa": 30, "slow3": 15, "slow5": 15}
    done: list[Record] = [synthetic("aa", number + 1) for number in range(already)]
    empty = msgspec.structs.replace(synthetic("aa"), trials=())
    while (todo := next_kind(done, wanted)) is not None:
        kind, number = todo
        done.append(msgspec.structs.replace(empty, kind=kind, number=number))
        counts = Counter(record.kind for record in done)
        if len(done) > 4 * already:
            shares = [counts[kind] / wanted[kind] for kind in wanted]
            assert max(shares) - min(shares) <= 1 / 15 + 1e-9
    assert Counter(record.kind for record in done) == wanted
    assert len({(record.kind, record.number) for record in done}) == 60


def test_the_table_counts_verdicts_with_exact_bounds() -> None:
    """A row for each kind, with the exact binomial interval, and what was really injected."""
    records = [synthetic("aa"), synthetic("slow3"), synthetic("slow5")]
    text = "\n".join(table(records, GATE))
    assert "| A/A | 1 | 0 | 0% [0.0%, 97.5%] |" in text
    assert "| 5 % slower | 1 | 1 | 100% [2.5%, 100.0%] |" in text
    assert "meant 3%, pooled over all blocks throughput +3." in text


@pytest.mark.parametrize(("hits", "tries", "high"), [(0, 30, 0.1157), (13, 15, 0.9834)])
def test_bounds_are_those_of_clopper_and_pearson(hits: int, tries: int, high: float) -> None:
    """They agree with the figures of the textbook (0 of 30: at most 11.6 %)."""
    low, found = bounds(hits, tries)
    assert found == pytest.approx(high, abs=5e-4)
    assert 0 <= low <= hits / tries


def test_a_committed_record_is_replayed() -> None:
    """A real A/A is judged from its record alone: no false alarm, by the current rule."""
    (record,) = read_records(RECORDED)
    judged = replayed(record, GATE)
    assert judged.verdict in ("pass", "undecided")
    assert all(0 < judged.standard_errors[metric.name] < 0.0055 for metric in GATED)


def test_pseudo_aas_of_a_real_record_raise_few_alarms() -> None:
    """Blocks drawn anew with their sides relabelled are called regressions in 1 % at most."""
    found = pseudo_aas(read_records(RECORDED), GATE, runs=200, seed=5)
    assert sum(found.verdicts.values()) == 200
    assert found.verdicts.get("regression", 0) <= 2


def test_pseudo_aas_would_notice_a_rule_that_cries_wolf() -> None:
    """A rule that calls everything above 0 a regression is found out."""
    eager = Gate(min_change=1e-9, alpha=0.9)
    found = pseudo_aas(read_records(RECORDED), eager, runs=100, seed=5)
    assert found.verdicts.get("regression", 0) > 10


def test_repetitions_that_differ_widen_the_bound() -> None:
    """Alarms that all come from one repetition are known less well than those of any."""
    alike = Pseudo({"regression": 60, "pass": 5940}, 6000, 16, 60, ((1000, 10),) * 6)
    one = msgspec.structs.replace(alike, without=((1000, 0), *((1000, 12),) * 5))
    assert alike.standard_error() == 0
    # The deviations from 1 % are -1 % once and 0.2 % five times: 5/6 of the sum of their squares.
    assert one.standard_error() == pytest.approx((5 / 6 * (0.01**2 + 5 * 0.002**2)) ** 0.5)


def test_pseudo_aas_count_those_without_a_repetition() -> None:
    """Each repetition is left out by runs that drew none of its blocks; one alone by none."""
    records = [synthetic("aa", number) for number in (1, 2)]
    found = pseudo_aas([*records, *records], GATE, runs=20, seed=5)
    assert len(found.without) == 4
    assert all(0 <= alarms <= runs <= 20 for runs, alarms in found.without)
    alone = pseudo_aas(records[:1], GATE, runs=5, seed=5)
    assert alone.without == ((0, 0),)
    assert alone.standard_error() is None


def test_few_repetitions_make_no_pseudo_aas() -> None:
    """Blocks of one or two repetitions are no sample of what repetitions are like."""
    assert pseudo_line([synthetic("aa")]) == ""
    assert pseudo_line([]) == ""


def test_a_record_holds_what_judging_takes_and_no_more() -> None:
    """The run that a record becomes has its slices, ends and verdicts of validity."""
    record = synthetic("slow3")
    run = run_of(record, GATE)
    assert len(run.trials) == 28 * 3
    assert run.header.plan.gate is not None
    assert run.header.plan.gate.looks == GATE.looks
    assert run.header.plan.gate.budget_s == record.gate.budget_s
