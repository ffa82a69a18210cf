"""Groups of flags that a verb takes as one argument, the same wherever they are taken."""

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any


def with_group(
    verb: Callable[..., None],
    argument: str,
    parse: Callable[..., Any],
    flags: Iterable[inspect.Parameter],
) -> Callable[..., None]:
    """Give a verb some flags; it takes what `parse` makes of them as `argument`.

    So the flags are the same everywhere, and a verb's signature holds what is its own.
    """
    group = list(flags)
    own = [
        parameter
        for name, parameter in inspect.signature(verb).parameters.items()
        if name != argument
    ]

    @functools.wraps(verb)
    def command(**values: Any) -> None:
        parsed = parse(**{parameter.name: values.pop(parameter.name) for parameter in group})
        verb(**{argument: parsed}, **values)

    parameters = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in (*own, *group)
    ]
    # What typer reads the flags from.
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {one.name: one.annotation for one in parameters}
    return command
