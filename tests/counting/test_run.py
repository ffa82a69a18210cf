"""What a run that counts takes on, and which cells are counted side by side."""

import msgspec
import pytest

from asgi_bench.counting import run
from asgi_bench.counting.backends.valgrind import Valgrind
from asgi_bench.counting.run import (
    SYSCALL_LAYOUTS,
    Pass,
    backend_words,
    check_countable,
    chunks,
    counted_cells,
    exact,
    passes,
)
from asgi_bench.errors import BenchError
from asgi_bench.model import (
    Cell,
    ClosedLoop,
    Plan,
    PlannedCell,
    Scenario,
    Stream,
    WeightedRequest,
)
from asgi_bench.model.counts import Life, Tally

HELLO = Scenario(name="hello", app="hello:app")


def _plan(*cells: PlannedCell, scenario: Scenario = HELLO) -> Plan:
    return Plan(cells, (scenario,), rounds=1, duration_s=1, seed=1, reference="a/default/w1")


def _sides(server: str, *sides: str | None) -> list[PlannedCell]:
    return [
        PlannedCell(Cell(server, "default", 1, "hello", ClosedLoop(1), side), ("serve",))
        for side in sides
    ]


def _names(plan: Plan, failed: set[str], layout: int) -> list[list[str]]:
    """The cells of each chunk, as server and side."""
    return [
        [f"{one.cell.server}-{one.cell.setup}" for one in chunk]
        for chunk in chunks(plan, failed, layout)
    ]


@pytest.mark.parametrize(
    "scenario",
    [
        msgspec.structs.replace(HELLO, is_broadcast=True),
        msgspec.structs.replace(HELLO, stream=Stream(leave_after=2)),
        msgspec.structs.replace(HELLO, requests=(WeightedRequest(name="a"),)),
    ],
)
def test_what_a_plain_client_can_not_repeat_is_refused(scenario: Scenario) -> None:
    """In one line with the scenario's name; a stream that ends by itself is like any response."""
    with pytest.raises(BenchError, match=r"^hello: counting repeats a single request"):
        check_countable(_plan(scenario=scenario))
    check_countable(_plan(scenario=HELLO))
    check_countable(_plan(scenario=msgspec.structs.replace(HELLO, stream=Stream())))


def test_what_is_skipped_or_only_repeats_is_not_counted() -> None:
    """A count has no noise that a control would measure."""
    skipped = msgspec.structs.replace(_sides("b", None)[0], skip_reason="not installed")
    plan = _plan(*_sides("a", "baseline", "control", "candidate"), skipped)
    assert [one.cell.setup for one in counted_cells(plan)] == ["baseline", "candidate"]


def test_sides_stay_together_and_swap_places(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as there are CPUs at once; a cell with a side that has failed is left out."""
    monkeypatch.setattr(run, "usable_count", lambda: 3)
    cells = [one for name in "abc" for one in _sides(name, "baseline", "candidate")]
    plan = _plan(*cells, *_sides("d", None))
    assert _names(plan, set(), 0) == [
        ["a-baseline", "a-candidate"],
        ["b-baseline", "b-candidate"],
        ["c-baseline", "c-candidate", "d-None"],
    ]
    assert _names(plan, set(), 1)[0] == ["a-candidate", "a-baseline"]
    failed = {cells[0].cell.key, cells[2].cell.key, cells[3].cell.key}
    assert _names(plan, failed, 0) == [
        ["c-baseline", "c-candidate", "d-None"],
    ]
    assert _names(plan, {one.cell.key for one in plan.cells}, 0) == []


def test_two_cpus_hold_the_sides_of_one_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    """And a single one does too: sides are compared in the same state of the machine."""
    for count in (1, 2):
        monkeypatch.setattr(run, "usable_count", lambda count=count: count)
        plan = _plan(*_sides("a", "baseline", "candidate"), *_sides("b", "baseline", "candidate"))
        assert [len(chunk) for chunk in chunks(plan, set(), 0)] == [2, 2]


def test_everything_that_is_missing_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One installation is enough to go on."""
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("asgi_bench.counting.backends.hardware.why_not", lambda *_: "no counters")
    with pytest.raises(BenchError) as fault:
        passes(5)
    assert [text.rpartition(" ")[2] for text in str(fault.value).split("; ")] == [
        "valgrind",
        "strace",
    ]
    assert backend_words(Valgrind()) == "valgrind counts instructions: no counters"


def test_a_cpu_s_own_counters_take_the_place_of_valgrind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the machine has them; system calls are counted in few layouts all the same."""
    monkeypatch.setattr("asgi_bench.counting.backends.hardware.why_not", lambda *_: None)
    monkeypatch.setattr("asgi_bench.counting.backends.strace.shutil.which", lambda name: name)
    found: tuple[Pass, ...] = passes(10)
    assert [(one.backend.backend, one.layouts) for one in found] == [
        ("hardware", 10),
        ("strace", SYSCALL_LAYOUTS),
    ]
    assert passes(2)[1].layouts == 2
    assert backend_words(found[0].backend).startswith("the CPU's own counters count instructions")


def test_what_is_to_be_explained_valgrind_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The CPU's counters don't know where an instruction stands."""
    monkeypatch.setattr("asgi_bench.counting.backends.hardware.why_not", lambda *_: None)
    for module in ("strace", "valgrind"):
        backend = f"asgi_bench.counting.backends.{module}.shutil.which"
        monkeypatch.setattr(backend, lambda name: name)
    judging = passes(10, explains=True)[0].backend
    assert judging.backend == "valgrind"
    assert backend_words(judging).endswith("the CPU's own counters don't know where they are")


def _window(cell: PlannedCell, *by_part: int) -> list[Life]:
    """A window of 100 requests in these parts, and one of none."""
    tallies = (Tally(sum(by_part)), Tally(0))
    return [
        Life(cell.cell.key, "instructions", "valgrind", 0, requests, 1.0, 0.0, tally)
        for requests, tally in zip((100, 0), tallies, strict=True)
    ]


def test_a_window_is_as_long_as_its_parts_scatter() -> None:
    """By the side that scatters more; within bounds."""
    steady, scattered = _sides("a", "baseline", "candidate")
    cells = (steady, scattered)

    def count(*by_part: int) -> int:
        lives = [
            msgspec.structs.replace(life, by_part=parts if life.requests else ())
            for cell, parts in ((steady, (250_000,) * 4), (scattered, by_part))
            for life in _window(cell, *parts)
        ]
        return exact(cells, lives)[steady.cell.without_setup]

    # 4e7 instructions.
    assert count(250_000, 250_000, 250_000, 250_000) == 4_000
    # They scatter by 5.8 requests.
    assert count(300_000, 200_000, 300_000, 200_000) == pytest.approx(5.7735 / 0.0005, abs=1)
    # As many as are 1e9 instructions.
    assert count(1_000_000, 0, 1_000_000, 0) == 50_000


def test_without_parts_nothing_is_known_of_them() -> None:
    """A life, a later layout or another counter leaves the number as it was."""
    (cell,) = _sides("a", None)
    assert exact([cell], _window(cell, 1_000_000)) == {}
    calls = [
        msgspec.structs.replace(life, counter="syscalls", by_part=(75, 75, 75, 75))
        for life in _window(cell, 300)
    ]
    assert exact([cell], calls) == {}
