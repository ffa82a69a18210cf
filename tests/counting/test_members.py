"""How servers are started to be counted, in which layouts of memory, and with what."""

from asgi_bench.counting.members import layout_variables
from asgi_bench.model import Cell, ClosedLoop, PlannedCell

CELL = Cell("uvicorn", "default", 1, "hello", ClosedLoop(1))


def test_layouts_are_environments() -> None:
    """The first adds nothing but a fixed hash seed; another is the same each time it is made."""
    assert layout_variables(0) == {"PYTHONHASHSEED": "0", "ASGI_BENCH_LAYOUT": ""}
    assert layout_variables(3) == layout_variables(3)
    assert len({repr(layout_variables(layout)) for layout in range(50)}) == 50
    assert all(len(layout_variables(layout)) > 2 for layout in range(1, 50))


def test_what_a_runner_adds_yields_to_a_flag_of_the_users() -> None:
    """A flag that stands in the command already is left as it is."""
    added = ("--http-parser", "python")
    plain = PlannedCell(CELL, ("python", "server"), count_args=added)
    chosen = PlannedCell(CELL, ("python", "server", "--http-parser=fast"), count_args=added)
    assert plain.counting_command == ("python", "server", *added)
    assert chosen.counting_command == chosen.command
