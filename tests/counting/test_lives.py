"""How lives are started: the same memory on both sides."""

from asgi_bench.counting.lives import padding_of, stack_bytes
from asgi_bench.model import Cell, ClosedLoop, PlannedCell

CELL = Cell("uvicorn", "default", 1, "hello", ClosedLoop(1))


def test_what_a_side_takes_of_the_stack_is_known() -> None:
    """A longer path and a variable more are known to the byte, so they can be made up for."""
    short = PlannedCell(CELL, ("python", "app"), {"A": "1"})
    long = PlannedCell(CELL, ("python", "longer/app"), {"A": "1", "MORE": "22"})
    # Seven letters; and NAME=VALUE, the byte that ends it, and where it lies.
    assert stack_bytes(long) - stack_bytes(short) == 7 + len("MORE=22") + 1 + 8


def test_layouts_differ_by_length() -> None:
    """The first layout adds nothing, another the same each time; what is missing comes on top."""
    assert padding_of(0) == ""
    assert len(padding_of(0, 5)) == 5
    assert len(padding_of(3, 5)) == len(padding_of(3)) + 5 > 5


def test_what_a_runner_adds_yields_to_a_flag_of_the_users() -> None:
    """A flag that stands in the command already is left as it is."""
    added = ("--http-parser", "python")
    plain = PlannedCell(CELL, ("python", "server"), count_args=added)
    chosen = PlannedCell(CELL, ("python", "server", "--http-parser=fast"), count_args=added)
    assert plain.counting_command == ("python", "server", *added)
    assert chosen.counting_command == chosen.command
