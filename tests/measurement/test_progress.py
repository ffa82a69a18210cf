import time

import pytest

from asgi_bench.measurement.progress import Event, PhaseBegun, Progress, SliceDone


def test_the_phases_share_out_the_whole_time() -> None:
    """Every moment of a run belongs to one phase, and phases that come again are added up.

    Of the time under load only what lay within slices counts as load.
    """
    events: list[Event] = []
    watch = Progress(events.append, planned_s=4.0)
    for round in range(2):
        watch.enter(round, 0, "start")
        watch.enter(round, 0, "load")
        end_s = time.perf_counter() + 0.01
        while time.perf_counter() < end_s:
            pass
        watch.loaded("a", 0.5, 1000.0, 0.004)
        watch.loaded("b", 0.5, 1000.0, 0.002)
    least_s = time.perf_counter() - watch.epoch_s
    watch.leave()
    most_s = time.perf_counter() - watch.epoch_s
    assert set(watch.phases_s) == {"prepare", "start", "load", "between"}
    assert watch.phases_s["load"] == pytest.approx(0.012)
    assert watch.phases_s["load"] + watch.phases_s["between"] >= 0.02
    assert least_s <= sum(watch.phases_s.values()) + 1e-9 <= most_s + 2e-9
    begun = [event for event in events if isinstance(event, PhaseBegun)]
    assert begun == [
        PhaseBegun(round, 0, phase) for round in range(2) for phase in ("start", "load")
    ]


def test_slices_can_not_take_longer_than_their_phase() -> None:
    """What a load process tells is not trusted with more time than there was."""
    watch = Progress(lambda event: None, planned_s=4.0)
    watch.enter(0, 0, "load")
    watch.loaded("a", 0.5, 1000.0, 3600.0)
    watch.leave()
    assert watch.phases_s["load"] < 60
    assert watch.phases_s["between"] == 0


def test_load_is_counted_against_the_plan() -> None:
    """Each slice tells how much of all the load is done."""
    events: list[Event] = []
    watch = Progress(events.append, planned_s=4.0)
    watch.loaded("a", 0.5, 1000.0, 0.49)
    watch.loaded("b", 1.0, 2000.0, 0.98)
    assert events == [SliceDone("a", 1000.0, 0.5, 4.0), SliceDone("b", 2000.0, 1.5, 4.0)]
