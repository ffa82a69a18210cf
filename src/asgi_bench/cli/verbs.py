"""The verbs by name, each imported when it is asked for: no verb waits for what another needs.

Those that measure need Linux. CPU clocks, affinity, epoll and /proc are Linux's, and some of their
modules can't even be imported elsewhere; the verbs that read stored runs work there all the same.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from asgi_bench.cli.streams import with_enduring_streams
from asgi_bench.errors import BenchError
from asgi_bench.measurement.interruption import orderly_interruption

# The modules beside this one, and the verbs' functions in them, in the order of `--help`.
_FUNCTIONS = {
    "list": ("list_", "list_"),
    "check": ("check", "check"),
    "run": ("run", "run"),
    "ab": ("ab", "ab"),
    "calibrate": ("calibrate", "calibrate_"),
    "report": ("report", "report"),
    "plot": ("plot", "plot"),
    "recommend": ("recommend", "recommend"),
    "compare": ("compare", "compare"),
    "history": ("history", "history"),
    "export": ("export", "export_"),
}
_MEASURING = frozenset({"check", "run", "ab", "calibrate"})
# A verb is refused whatever its flags are.
_ANY_FLAGS = {"ignore_unknown_options": True, "allow_extra_args": True}


class Verbs(Mapping[str, Any]):
    """All verbs as commands; one is made, and its module imported, when it is first looked up."""

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        """The command of that name; raises KeyError where there is none."""
        if name not in self._made:
            self._made[name] = _command(name, *_FUNCTIONS[name])
        return self._made[name]

    def get(self, name: str, default: Any = None) -> Any:
        """The command of that name; a KeyError of its module's own is no missing verb."""
        if name not in self:
            return default
        return self[name]

    def __contains__(self, name: object) -> bool:
        """Whether there is such a verb; nothing is imported to tell."""
        return name in _FUNCTIONS

    def __iter__(self) -> Iterator[str]:
        return iter(_FUNCTIONS)

    def __len__(self) -> int:
        return len(_FUNCTIONS)


class VerbsGroup(TyperGroup):
    """The command line's group: its commands are the verbs."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings | {"commands": {}})
        # Only read by Typer, and Click's own way of loading late overrides no less:
        # https://click.palletsprojects.com/en/stable/complex/#lazily-loading-subcommands
        self.commands = Verbs()  # type: ignore[assignment]


def _command(name: str, module: str, function: str) -> Any:
    """A verb as Typer makes it of its function."""
    one = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    if name in _MEASURING and sys.platform != "linux":
        one.command(name, context_settings=_ANY_FLAGS)(_refuse)
    else:
        verb: Callable[..., None] = getattr(import_module(f"asgi_bench.cli.{module}"), function)
        one.command(name)(_measuring(verb) if name in _MEASURING else verb)
    return typer.main.get_command(one)


def _measuring(verb: Callable[..., None]) -> Callable[..., None]:
    """A verb that starts processes: a signal ends them in order, at whatever moment it comes."""
    return with_enduring_streams(orderly_interruption()(verb))


def _refuse() -> NoReturn:
    """Measure, which needs Linux."""
    raise BenchError(
        f"measuring needs Linux, this is {sys.platform}; "
        "report, plot and the other reading verbs work here"
    )
