"""What no file of a run contains: the values of variables and headers that may be secrets."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

import msgspec

from asgi_bench.model import Plan, PlannedCell, Request, RunHeader, Scenario
from asgi_bench.secret_names import NOT_STORED, is_secret, is_secret_header

RequestT = TypeVar("RequestT", bound=Request)

_VARIABLE_FLAGS = ("--env",)
_HEADER_FLAGS = ("--header",)


def without_values(header: RunHeader) -> RunHeader:
    """Return a header as files have it: secrets by name only. Repeating it changes nothing."""
    plan, preparation = header.plan, header.preparation
    replace = msgspec.structs.replace
    return replace(
        header,
        plan=replace(
            plan,
            cells=tuple(replace(one, env=_variables(one.env)) for one in plan.cells),
            scenarios=tuple(map(_asked_without, plan.scenarios)),
            setups=tuple(replace(one, env=_variables(one.env)) for one in plan.setups),
        ),
        preparation=replace(
            preparation, scenarios=tuple(map(_asked_without, preparation.scenarios))
        ),
        command_line=tuple(_words(header.command_line)),
        resumed=tuple(
            replace(part, command_line=tuple(_words(part.command_line))) for part in header.resumed
        ),
    )


def with_values(stored: Plan, told: Plan) -> Plan:
    """Return a stored plan with the values that no file has, from the same plan as given anew."""
    env = {planned.cell.key: planned.env for planned in told.cells}
    scenarios = {scenario.name: scenario for scenario in told.scenarios}
    return msgspec.structs.replace(
        stored,
        cells=tuple(_cell_with(one, env.get(one.cell.key, {})) for one in stored.cells),
        scenarios=tuple(_asked_with(one, scenarios.get(one.name, one)) for one in stored.scenarios),
    )


def names_without_value(words: Iterable[str]) -> tuple[str, ...]:
    """Return the variables and headers of a stored command line whose values it lacks."""
    return tuple(
        re.sub(r"^--[a-z]+=", "", word).removesuffix(NOT_STORED).rstrip("=: ")
        for word in words
        if word.endswith(NOT_STORED)
    )


def _variables(env: Mapping[str, str]) -> dict[str, str]:
    return {name: NOT_STORED if is_secret(name) else value for name, value in env.items()}


def _headers(headers: Mapping[str, str]) -> dict[str, str]:
    return {
        name: NOT_STORED if is_secret_header(name) else value for name, value in headers.items()
    }


def _asked_without(request: RequestT) -> RequestT:
    """A request, or a scenario with all it asks for, without the values of its secret headers."""
    plain = msgspec.structs.replace(request, headers=_headers(request.headers))
    if isinstance(plain, Scenario) and plain.requests:
        return msgspec.structs.replace(plain, requests=tuple(map(_asked_without, plain.requests)))
    return plain


def _cell_with(planned: PlannedCell, told: Mapping[str, str]) -> PlannedCell:
    return msgspec.structs.replace(planned, env=_filled(planned.env, told))


def _asked_with(request: RequestT, told: Request) -> RequestT:
    whole = msgspec.structs.replace(request, headers=_filled(request.headers, told.headers))
    if isinstance(whole, Scenario) and isinstance(told, Scenario) and whole.requests:
        pairs = zip(whole.requests, told.requests, strict=True)
        return msgspec.structs.replace(
            whole, requests=tuple(_asked_with(mine, theirs) for mine, theirs in pairs)
        )
    return whole


def _filled(stored: Mapping[str, str], told: Mapping[str, str]) -> dict[str, str]:
    return {
        name: told.get(name, value) if value == NOT_STORED else value
        for name, value in stored.items()
    }


def _words(command_line: Sequence[str]) -> Iterator[str]:
    """A command line with secrets by their names alone."""
    flag = ""
    for word in command_line:
        name, equals, value = word.partition("=")
        if flag in (*_VARIABLE_FLAGS, *_HEADER_FLAGS):
            yield _word(flag, word)
            flag = ""
        elif equals and name in (*_VARIABLE_FLAGS, *_HEADER_FLAGS):
            yield f"{name}={_word(name, value)}"
        else:
            flag = word
            yield word


def _word(flag: str, given: str) -> str:
    """`NAME=VALUE` of a variable or `Name: value` of a header, without a secret's value."""
    if flag in _VARIABLE_FLAGS:
        name, sign, _ = given.partition("=")
        return f"{name}={NOT_STORED}" if sign and is_secret(name) else given
    name, sign, _ = given.partition(":")
    return f"{name}: {NOT_STORED}" if sign and is_secret_header(name.strip()) else given
