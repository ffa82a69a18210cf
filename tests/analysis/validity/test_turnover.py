"""Processes that came and went, judged."""

import pytest
from msgspec.structs import replace

from asgi_bench.analysis.summary import costs_of
from asgi_bench.analysis.validity.trial import judge_trial
from asgi_bench.model import Plan, Trial
from asgi_bench.model.figures import server_cpu_s_per_request
from tests.synthetic_run import metered, synthetic_run


@pytest.fixture
def sound() -> tuple[Trial, Plan]:
    """A trial without a fault, with its plan."""
    run = synthetic_run()
    return run.trials[0], run.header.plan


def codes(trial: Trial, plan: Plan) -> dict[str, str]:
    """The findings on a trial and their levels."""
    return {one.code: one.level for one in judge_trial(trial, plan).validity_reasons}


def test_recycled_workers_are_a_note_and_lost_ones_a_fault(sound: tuple[Trial, Plan]) -> None:
    """Whose place another took is no death; who died beside them still is."""
    trial, plan = sound
    assert codes(replace(trial, workers_replaced=2), plan)["workers-replaced"] == "valid"
    both = codes(replace(trial, workers_replaced=1, workers_lost=1), plan)
    assert (both["workers-replaced"], both["worker-died"]) == ("valid", "invalid")
    assert not {"workers-replaced", "worker-died"} & codes(trial, plan).keys()


@pytest.mark.parametrize(("other_cpu_s", "is_known"), [(0.0, True), (0.5, False), (None, False)])
def test_cpu_time_that_nobody_inherited_has_no_figure(
    sound: tuple[Trial, Plan], other_cpu_s: float | None, is_known: bool
) -> None:
    """Unless nothing else used the server's CPUs: then none is missing."""
    trial, plan = sound
    slices = tuple(metered(piece, other_cpu_s=other_cpu_s) for piece in trial.slices)
    trial = replace(trial, has_untold_cpu=True, slices=slices)
    assert ("untold-cpu" in codes(trial, plan)) != is_known
    assert (server_cpu_s_per_request(trial) is not None) == is_known
    assert (costs_of([trial]).throughput_rps_per_core.value is not None) == is_known
    assert server_cpu_s_per_request(replace(trial, has_untold_cpu=False)) is not None
