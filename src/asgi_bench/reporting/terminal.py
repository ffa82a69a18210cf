"""Text for a terminal: how it is printed, and its tables."""

from collections.abc import Callable, Iterable
from io import StringIO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from asgi_bench.reporting.columns import Column


def printed(draw: Callable[[Console], None], *, width: int, color: bool) -> str:
    """What `draw` prints on a terminal of so many columns, as lines of text."""
    console = Console(
        file=StringIO(),
        width=width,
        color_system="standard" if color else None,
        no_color=False,  # who calls has asked the environment
        highlight=False,
        legacy_windows=False,
    )
    with console.capture() as capture:
        draw(console)
    return "\n".join(line.rstrip() for line in capture.get().splitlines()) + "\n"


def empty_table(columns: Iterable[Column]) -> Table:
    """A table with its columns and no rows."""
    table = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False, show_edge=False)
    for column in columns:
        title = Text(f"{column.title}\n{column.unit}" if column.unit else column.title)
        # Only names may be folded in a narrow terminal: half a number is a wrong number.
        is_name = column.align == "left"
        table.add_column(
            title,
            justify=column.align,
            no_wrap=not is_name,
            overflow="fold" if is_name else "ellipsis",
            vertical="bottom",
        )
    return table
