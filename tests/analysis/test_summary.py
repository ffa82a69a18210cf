import math
from collections.abc import Callable

import msgspec
import pytest

from asgi_bench.analysis.estimates import Percentiles
from asgi_bench.analysis.report import CellReport, Rank, Report
from asgi_bench.analysis.summary import summarize
from asgi_bench.analysis.validity.trial import RULES_VERSION
from asgi_bench.errors import BenchError
from asgi_bench.model import RESPONSE_TIME, SERVICE_TIME, ErrorCounts, Run, Trial
from tests.synthetic_run import (
    SERVERS,
    failed,
    plan_of,
    planned_cells,
    synthetic_run,
    troubled_run,
    with_errors,
)

replace = msgspec.structs.replace
UVICORN = "uvicorn/default/w1/hello/c64"
DAPHNE = "daphne/default/w1/hello/c64"


@pytest.fixture(scope="module")
def healthy() -> Report:
    """The report of a run in which all went well."""
    return summarize(synthetic_run())


@pytest.fixture(scope="module")
def troubled() -> Report:
    """The report of a run with every kind of trouble."""
    return summarize(troubled_run())


def cell_of(report: Report, key: str) -> CellReport:
    """The entry of one cell."""
    (found,) = (cell for cell in report.cells if cell.cell == key)
    return found


def edited(edit: Callable[[Trial], Trial], key: str = DAPHNE) -> tuple[CellReport, CellReport]:
    """A cell's entry without and with an edit of its trials."""

    def edit_one(trial: Trial) -> Trial:
        return edit(trial) if trial.cell == key else trial

    cells = planned_cells(worker_counts=(1,))
    plain, changed = synthetic_run(cells), synthetic_run(cells, edit=edit_one)
    return cell_of(summarize(plain), key), cell_of(summarize(changed), key)


def test_every_planned_cell_has_its_row(troubled: Report) -> None:
    """Whatever became of it, a planned cell is in the report, in the plan's order."""
    assert [c.cell for c in troubled.cells] == [p.cell.key for p in planned_cells()]
    assert {cell.outcome for cell in troubled.cells} == {"ok", "failed", "skipped"}


def test_ratios_find_the_truth(healthy: Report) -> None:
    """Under 18 % noise of the machine, ratios are found within their few percent."""
    for cell in healthy.cells:
        truth = SERVERS[cell.server, cell.variant][0] * (1 if cell.workers == 1 else 0.96)
        ratio = cell.throughput_ratio
        assert ratio is not None
        assert ratio.lower is not None
        assert ratio.upper is not None
        assert ratio.reference == UVICORN
        assert math.log(ratio.value / truth) == pytest.approx(0, abs=0.06)
        assert ratio.upper / ratio.lower < 1.2


def test_reference_is_one(healthy: Report) -> None:
    """The reference's ratio to itself is 1, without any width."""
    ratio = cell_of(healthy, UVICORN).throughput_ratio
    assert ratio is not None
    assert (ratio.lower, ratio.value, ratio.upper) == pytest.approx((1, 1, 1))


def test_throughput_is_the_geometric_mean_of_its_own_block() -> None:
    """Only trials of a cell's own block count: the reference's others serve the ratios alone."""
    run = synthetic_run()
    own = [t.throughput_rps for t in run.trials if t.cell == UVICORN and t.block == 0]
    assert len(own) == 5
    expected = math.exp(sum(math.log(rps) for rps in own if rps) / 5)
    found = cell_of(summarize(run), UVICORN)
    assert found.throughput_rps.value == pytest.approx(expected)
    assert found.rounds == 5


def test_ratio_pairs_within_round_and_block() -> None:
    """A block in which the machine ran at half speed changes no ratio of its cells."""

    def slow_block(trial: Trial) -> Trial:
        if trial.block == 0:
            return trial
        pieces = tuple(
            replace(piece, duration_s=piece.duration_s * 2, server_cpu_s=piece.server_cpu_s * 2)
            for piece in trial.slices
        )
        return replace(trial, slices=pieces, server_cpu_s=trial.server_cpu_s * 2)

    plain, slowed = summarize(synthetic_run()), summarize(synthetic_run(edit=slow_block))
    key = "granian/default/w2/hello/c64"
    before, after = cell_of(plain, key), cell_of(slowed, key)
    assert before.throughput_rps.value == pytest.approx(2 * (after.throughput_rps.value or 0))
    assert before.throughput_ratio is not None
    assert after.throughput_ratio is not None
    assert before.throughput_ratio.value == pytest.approx(after.throughput_ratio.value)


def test_everything_sent_is_counted_over_all_blocks() -> None:
    """`sent_total` holds what the reference was sent in every block, `requests` its own."""
    run = synthetic_run()
    mine = [trial for trial in run.trials if trial.cell == UVICORN]
    found = cell_of(summarize(run), UVICORN)
    assert found.sent_total == sum(trial.sent_total for trial in mine)
    assert found.requests == sum(trial.requests for trial in mine if trial.block == 0)


def test_invalid_trial_leaves_the_estimates_but_is_counted() -> None:
    """A round with 2 % errors moves no estimate, yet its requests and errors are in the counts."""

    def spoil(trial: Trial) -> Trial:
        if trial.round != 2:
            return trial
        pieces = tuple(replace(piece, duration_s=piece.duration_s / 9) for piece in trial.slices)
        return with_errors(replace(trial, slices=pieces), 0.02)

    plain, spoilt = edited(spoil)
    assert spoilt.validity == "suspect"
    assert {reason.code for reason in spoilt.validity_reasons} >= {"bad-rounds", "errors"}
    assert spoilt.throughput_rps.value == pytest.approx(plain.throughput_rps.value, rel=0.1)
    assert spoilt.rounds == 5
    assert spoilt.errors.total > 0
    assert spoilt.errors_total.total == spoilt.errors.total
    assert spoilt.requests + spoilt.errors.total == plain.requests


def test_cell_without_a_usable_round_keeps_its_figures_as_invalid() -> None:
    """Wrong under load: the figures are kept, and the cell is invalid."""
    _, spoilt = edited(lambda trial: with_errors(trial, 0.02))
    assert (spoilt.outcome, spoilt.validity) == ("ok", "invalid")
    assert spoilt.throughput_rps.value is not None
    assert spoilt.response_time_s.p50 is not None


def test_server_that_answers_nothing_right_has_no_rate() -> None:
    """Without one right answer there is no throughput: null, not zero."""

    def silence(trial: Trial) -> Trial:
        pieces = tuple(replace(p, requests=0, errors=p.sent) for p in trial.slices)
        return replace(trial, slices=pieces, requests=0, errors=ErrorCounts(status=9), times_hdr={})

    _, silent = edited(silence)
    assert (silent.outcome, silent.validity) == ("ok", "invalid")
    assert silent.throughput_rps.value is None
    assert silent.throughput_ratio is None
    assert silent.response_time_s == Percentiles()


def test_failed_and_skipped_cells_have_reasons_and_no_figures(troubled: Report) -> None:
    """A cell that failed or was skipped says why, and gives no number one might rely on."""
    absent = [cell for cell in troubled.cells if cell.outcome != "ok"]
    assert {cell.outcome for cell in absent} == {"failed", "skipped"}
    for cell in absent:
        assert cell.reason
        assert cell.throughput_rps.value is None
        assert cell.throughput_ratio is None
        assert cell.server_cpu_s_per_request.value is None
        assert cell.server_pss_bytes is None
        assert cell.response_time_s == Percentiles()


def test_few_rounds_claim_no_order(healthy: Report) -> None:
    """Five rounds compare every pair, and claim nothing: any cell may hold any place."""
    assert {each.distinguishable for each in healthy.comparisons} == {False}
    assert {each.reason for each in healthy.comparisons} == {
        "5 common rounds are too few: an order needs 6"
    }
    ranks = {(cell.workers, cell.rank) for cell in healthy.cells}
    assert ranks == {(1, Rank(1, 11)), (2, Rank(1, 6))}


def test_cpu_ratio_is_to_the_same_reference(healthy: Report) -> None:
    """The cost of a request over the reference's, in the same rounds: here 1 over the rate's."""
    for cell in healthy.cells:
        assert cell.throughput_ratio is not None
        assert cell.server_cpu_ratio is not None
        assert cell.server_cpu_ratio.reference == UVICORN
        product = cell.server_cpu_ratio.value * cell.throughput_ratio.value
        assert product == pytest.approx(1, rel=1e-3)


@pytest.mark.parametrize("spoil", ["invalid", "failed"])
def test_unbelievable_reference_gives_no_ratio(spoil: str) -> None:
    """An invalid or failed reference is no reference in that block; in another it may be."""

    def spoil_reference(trial: Trial) -> Trial:
        if trial.cell != UVICORN or trial.block != 0 or trial.round > 2:
            return trial
        return with_errors(trial, 0.1) if spoil == "invalid" else failed(trial, "exited")

    report = summarize(synthetic_run(edit=spoil_reference))
    with_ratio = {cell.workers for cell in report.cells if cell.throughput_ratio}
    assert with_ratio == {2}


@pytest.mark.parametrize("spoil", ["invalid", "failed"])
def test_round_without_reference_drops_out_of_the_ratio(spoil: str) -> None:
    """Where the reference failed or was invalid once, the ratio rests on the other rounds."""

    def spoil_once(trial: Trial) -> Trial:
        if trial.cell != UVICORN or trial.round != 0:
            return trial
        return with_errors(trial, 0.5) if spoil == "invalid" else failed(trial, "exited")

    run = synthetic_run(planned_cells(worker_counts=(1,)), edit=spoil_once)
    kept = replace(run, trials=tuple(t for t in run.trials if t.round != 0))
    key = "granian/default/w1/hello/c64"
    expected = cell_of(summarize(kept), key).throughput_ratio
    assert cell_of(summarize(run), key).throughput_ratio == expected


@pytest.mark.parametrize("reference", [None, "nginx/default/w1"])
def test_no_reference_no_ratio(reference: str | None) -> None:
    """Without a reference, or with one that wasn't planned, ratios are null."""
    run = synthetic_run(planned_cells(worker_counts=(1,)), rounds=3)
    plan = replace(run.header.plan, reference=reference)
    report = summarize(replace(run, header=replace(run.header, plan=plan)))
    assert report.run.reference == reference
    assert {cell.throughput_ratio for cell in report.cells} == {None}


@pytest.mark.parametrize("rounds", [0, 1, 2, 3])
def test_few_rounds(rounds: int) -> None:
    """Bounds appear with the third round; before it that is noted, before the first skipped."""
    report = summarize(synthetic_run(planned_cells()[:1], rounds=rounds))
    (cell,) = report.cells
    assert cell.rounds == rounds
    assert (cell.throughput_rps.value is None) == (rounds == 0)
    assert (cell.throughput_rps.lower is None) == (rounds < 3)
    assert cell.outcome == ("skipped" if rounds == 0 else "ok")
    assert cell.validity == "valid"
    codes = {reason.code for reason in cell.validity_reasons}
    assert ("few-rounds" in codes) == (rounds in (1, 2))


def test_older_verdicts_are_given_again() -> None:
    """A trial that older rules let pass is judged by today's; one of today's stands."""

    def lost(trial: Trial) -> Trial:
        return replace(trial, workers_lost=1, validity="valid", rules_version=RULES_VERSION - 1)

    def stored(trial: Trial) -> Trial:
        return replace(trial, workers_lost=1, validity="valid", rules_version=RULES_VERSION)

    assert edited(lost)[1].validity == "invalid"
    assert edited(stored)[1].validity == "valid"


def test_costs_are_over_all_that_was_sent() -> None:
    """CPU per request divides by right and wrong answers alike, for the server worked on both."""

    def spoil(trial: Trial) -> Trial:
        return with_errors(trial, 0.0005)

    plain, spoilt = edited(spoil)
    assert spoilt.requests < plain.requests
    assert spoilt.server_cpu_s_per_request == plain.server_cpu_s_per_request
    assert spoilt.load_cpu_s_per_request == plain.load_cpu_s_per_request


def test_memory_is_the_median_of_rounds() -> None:
    """One round with a swollen server moves the memory no further than to the next round's."""

    def swell(trial: Trial) -> Trial:
        return replace(trial, server_pss_bytes=10**10) if trial.round == 4 else trial

    plain, swollen = edited(swell)
    assert swollen.server_pss_bytes == plain.server_pss_bytes


def test_oversubscribed_is_more_workers_than_server_cpus() -> None:
    """It is a property of the cell, and no fault of it."""
    report = summarize(synthetic_run(rounds=3))
    for cell in report.cells:
        assert cell.oversubscribed == (cell.workers == 2)
        assert cell.validity == "valid"


@pytest.mark.parametrize(("quota_cpus", "is_over"), [(2.0, False), (1.5, True), (0.5, True)])
def test_a_quota_is_so_many_cpus(quota_cpus: float, is_over: bool) -> None:
    """Two workers are too many for a CPU and a half; one is never too many."""
    run = synthetic_run(rounds=1)
    plan = replace(run.header.plan, server_cpus=(0, 1), quota_cpus=quota_cpus)
    report = summarize(replace(run, header=replace(run.header, plan=plan)))
    for cell in report.cells:
        assert cell.oversubscribed == (is_over and cell.workers == 2)


def test_without_known_cpus_nothing_is_oversubscribed() -> None:
    """Where the CPU split wasn't stored, nothing is claimed about it."""
    run = synthetic_run(rounds=1)
    plan = replace(plan_of(run.header.plan.cells), server_cpus=())
    report = summarize(replace(run, header=replace(run.header, plan=plan)))
    assert not any(cell.oversubscribed for cell in report.cells)


def test_broken_histogram_names_the_cell() -> None:
    """A histogram that can't be read is an error with the cell and the field."""
    with pytest.raises(BenchError, match=r"daphne/default/w1/hello/c64: service_time is not"):
        edited(lambda trial: replace(trial, times_hdr={SERVICE_TIME: "nonsense"}))


def test_histogram_broken_for_the_rules_names_the_cell() -> None:
    """So is one that the rules stumble over first."""
    with pytest.raises(BenchError, match=r"daphne/default/w1/hello/c64, round 0: a histogram is"):
        edited(lambda trial: replace(trial, times_hdr={RESPONSE_TIME: "nonsense"}))


def test_trials_of_unplanned_cells_are_left_out() -> None:
    """A line of a cell that the plan doesn't know has no row to go to."""
    run = synthetic_run(planned_cells()[:1], rounds=3)
    stray = replace(run.trials[0], cell="other/default/w1/hello/c64")
    more: Run = replace(run, trials=(*run.trials, stray))
    assert summarize(more) == summarize(run)


def test_document_has_the_keys_of_the_interface(healthy: Report) -> None:
    """The JSON document has exactly the promised keys, in their order."""
    document = msgspec.to_builtins(healthy)
    keys = "schema version run cells comparisons sweeps behaviour latency_comparisons scaling"
    more_keys = "ways levels settings interpreters setup_ratios"
    assert list(document) == f"{keys} {more_keys}".split()
    assert (document["schema"], document["version"]) == ("asgi-bench/report", 1)
    run_keys = "id label started_at tool_version machine seed reference goal reached resumed"
    assert list(document["run"]) == run_keys.split()
    cell_keys = """
        cell server server_version variant workers scenario load http transport client
        outcome reason validity validity_reasons oversubscribed rounds requests errors
        sent_total errors_total wrong_answers unanswered_connections throughput_rps
        throughput_ratio server_cpu_s_per_request server_pss_bytes load_cpu_s_per_request
        load_cpu_share response_time_s service_time_s generator_lag_s offered_rps rate_ratio
        overloaded in_flight_max rank server_cpu_ratio tied_with costs by_request
        sent_bytes_per_s received_bytes_per_s messages_per_s first_byte_time_s handshake_time_s
        gap_time_s pss_bytes_per_connection server_cpu_share_per_stream leftovers
        growth_bytes_per_1000_requests network compared_rounds
    """
    cell = document["cells"][0]
    assert list(cell) == cell_keys.split()
    assert cell["load"] == {"loop": "closed", "connections": 64, "streams": 1}
    assert list(cell["errors"]) == ["total", "status", "body", "connect", "reset", "timeout"]
    assert list(cell["errors_total"]) == list(cell["errors"])
    assert list(cell["throughput_rps"]) == ["value", "lower", "upper"]
    assert list(cell["throughput_ratio"]) == ["reference", "value", "lower", "upper"]
    comparison = document["comparisons"][0]
    assert list(comparison)[:6] == ["a", "b", "metric", "ratio", "p_adjusted", "distinguishable"]
    assert list(comparison["ratio"]) == ["value", "lower", "upper"]
    assert list(cell["response_time_s"]) == ["p50", "p90", "p99", "p999", "p9999", "max"]


def test_document_is_finite_json(troubled: Report) -> None:
    """What JSON can't hold never gets into the document: it reads back as it was."""
    assert msgspec.json.decode(msgspec.json.encode(troubled), type=Report) == troubled
