import time

from asgi_bench.measurement.events import Event, PhaseBegun, SliceDone
from asgi_bench.measurement.watch import Watch


def test_the_phases_share_out_the_whole_time() -> None:
    """Every moment of a run belongs to one phase, and phases that come again are added up."""
    events: list[Event] = []
    watch = Watch(events.append, planned_s=4.0)
    for round in range(2):
        watch.enter(round, 0, "start")
        watch.enter(round, 0, "load")
        end_s = time.perf_counter() + 0.01
        while time.perf_counter() < end_s:
            pass
    least_s = time.perf_counter() - watch.epoch_s
    watch.leave()
    most_s = time.perf_counter() - watch.epoch_s
    assert set(watch.phases_s) == {"prepare", "start", "load"}
    assert watch.phases_s["load"] >= 0.02
    assert least_s <= sum(watch.phases_s.values()) + 1e-9 <= most_s + 2e-9
    assert events == [
        PhaseBegun(round, 0, phase) for round in range(2) for phase in ("start", "load")
    ]


def test_load_is_counted_against_the_plan() -> None:
    """Each slice tells how much of all the load is done."""
    events: list[Event] = []
    watch = Watch(events.append, planned_s=4.0)
    watch.loaded("a", 0.5, 1000.0)
    watch.loaded("b", 1.0, 2000.0)
    assert events == [SliceDone("a", 1000.0, 0.5, 4.0), SliceDone("b", 2000.0, 1.5, 4.0)]
