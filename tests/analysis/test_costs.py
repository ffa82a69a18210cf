from collections.abc import Callable

import msgspec
import pytest

from asgi_bench.analysis.estimates import Costs, Interval
from asgi_bench.analysis.summary import costs_of, summarize
from asgi_bench.model import Trial
from asgi_bench.model.figures import sent_in_slices
from tests.synthetic_run import planned_cells, synthetic_run, with_errors

replace = msgspec.structs.replace


@pytest.fixture(scope="module")
def trials() -> list[Trial]:
    """Five rounds of one cell."""
    run = synthetic_run(planned_cells())
    return [trial for trial in run.trials if trial.cell == "granian/default/w1/hello/c64"]


def edited(trials: list[Trial], edit: Callable[[Trial], Trial]) -> Costs:
    """The costs of those trials, changed."""
    return costs_of([edit(trial) for trial in trials])


def test_user_and_system_time_add_up_to_the_exact_clock(trials: list[Trial]) -> None:
    """The kernel's ticks part the time; how much it is in all the process clock tells."""
    costs = costs_of(trials)
    whole = [trial.server_cpu_s / sent_in_slices(trial) for trial in trials]
    user, system = costs.server_user_s_per_request, costs.server_system_s_per_request
    assert user.value is not None and system.value is not None
    # 1.4 s and 0.6 s of ticks, whatever the clock says.
    assert user.value / system.value == pytest.approx(1.4 / 0.6)
    assert min(whole) < user.value + system.value < max(whole)


def test_requests_per_core_are_over_the_cpu_time_that_was_used(trials: list[Trial]) -> None:
    """Wrong answers cost CPU time and are no requests."""
    per_core = costs_of(trials).throughput_rps_per_core.value
    spoilt = edited(trials, lambda t: with_errors(t, 0.5)).throughput_rps_per_core.value
    rates = [trial.requests / trial.server_cpu_s for trial in trials]
    assert per_core is not None and min(rates) <= per_core <= max(rates)
    assert spoilt == pytest.approx(per_core / 2, rel=1e-3)


def test_switches_are_counted_over_all_rounds(trials: list[Trial]) -> None:
    """Rounds without a single switch count too: they are what a server may be proud of."""
    still, *moved = trials
    costs = costs_of([replace(still, voluntary_switches=0, involuntary_switches=0), *moved])
    sent = sum(map(sent_in_slices, trials))
    assert costs.voluntary_switches_per_request == pytest.approx(1200 * len(moved) / sent)
    assert costs.involuntary_switches_per_request == pytest.approx(90 * len(moved) / sent)


def test_what_was_not_measured_is_null(trials: list[Trial]) -> None:
    """Runs of earlier versions, a server that had to be killed, a machine without energy."""

    def bare(trial: Trial) -> Trial:
        return replace(
            trial,
            server_user_s=None,
            server_system_s=None,
            server_pss_idle_bytes=None,
            server_pss_peak_bytes=None,
            voluntary_switches=None,
            involuntary_switches=None,
            startup_s=None,
            stop_s=None,
            response_bytes=None,
        )

    costs = edited(trials, bare)
    assert costs == Costs(throughput_rps_per_core=costs.throughput_rps_per_core)
    assert costs_of([]) == Costs()
    assert costs_of(trials).machine_energy_j_per_request == Interval()


def test_energy_is_shared_out_over_the_requests(trials: list[Trial]) -> None:
    """Joules of all CPUs over what was sent while they were taken."""
    costs = edited(trials, lambda t: replace(t, machine_energy_j=sent_in_slices(t) * 2e-4))
    assert costs.machine_energy_j_per_request.value == pytest.approx(2e-4)


def test_memory_is_the_median_of_rounds(trials: list[Trial]) -> None:
    """One round with a leak does not make the figure."""
    leak = replace(trials[0], server_pss_peak_bytes=10 * 2**30)
    costs = costs_of([leak, *trials[1:]])
    assert costs.server_pss_peak_bytes == trials[1].server_pss_peak_bytes
    assert costs.server_pss_idle_bytes == trials[1].server_pss_idle_bytes


def test_the_report_holds_them_and_a_failed_cell_none() -> None:
    """Every cell of the document has its costs; one that failed has nothing but nulls."""
    run = synthetic_run(
        edit=lambda trial: (
            replace(trial, outcome="failed", reason="exit code 1")
            if trial.cell.startswith("daphne")
            else trial
        )
    )
    for cell in summarize(run).cells:
        assert (cell.costs == Costs()) == (cell.server == "daphne")
