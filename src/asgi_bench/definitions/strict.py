"""Strict reading of TOML: anything invalid is an error that says what is allowed."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from asgi_bench.errors import UsageError
from asgi_bench.regular_files import read_regular

StructT = TypeVar("StructT", bound=msgspec.Struct)

LONGEST_NAME = 100


def read_toml(path: Path) -> dict[str, Any]:
    """Return the tables of a TOML file.

    Raises:
        UsageError: the file can't be read, or is no TOML.
    """
    try:
        return tomllib.loads(read_regular(path).decode())
    except OSError as fault:
        raise UsageError(f"{path}: can't read it: {fault.strerror}") from None
    except UnicodeDecodeError as fault:
        raise UsageError(f"{path}: not UTF-8 at byte {fault.start}") from None
    except RecursionError:
        raise UsageError(f"{path}: not valid TOML: it is nested too deeply") from None
    # A number of thousands of digits is Python's fault to tell.
    except ValueError as fault:
        raise UsageError(f"{path}: not valid TOML: {fault}") from None


def check_keys(table: Mapping[str, Any], allowed: Iterable[str], where: str) -> None:
    """Refuse unknown keys.

    Raises:
        UsageError: names the key and those that are allowed.
    """
    names = sorted(allowed)
    for key in table:
        if key not in names:
            raise UsageError(f"{where}: unknown key {key!r}; allowed: {', '.join(names)}")


def check_name(name: str, where: str) -> None:
    """Refuse a name that can't be part of a table, a file name or a line of a terminal.

    Raises:
        UsageError: says what a name may be.
    """
    if not name.strip() or not name.isprintable() or len(name) > LONGEST_NAME:
        raise UsageError(
            f"{where}: a name must have 1 to {LONGEST_NAME} characters, without control characters"
        )


def check_values(values: Iterable[str], allowed: Iterable[str], where: str) -> None:
    """Refuse values outside a fixed list.

    Raises:
        UsageError: names the value and those that are allowed.
    """
    names = tuple(allowed)
    for value in values:
        if value not in names:
            raise UsageError(f"{where}: unknown value {value!r}; allowed: {', '.join(names)}")


def convert(table: Mapping[str, Any], struct: type[StructT], where: str) -> StructT:
    """Return `table` as `struct`.

    Raises:
        UsageError: a required key is missing, or a value has the wrong type.
    """
    try:
        return msgspec.convert(table, struct)
    except msgspec.ValidationError as fault:
        raise UsageError(f"{where}: {_in_plain_words(str(fault), struct)}") from None


def _in_plain_words(message: str, struct: type[msgspec.Struct]) -> str:
    """Turn ``Expected `str`, got `int` - at `$.env[...]` `` into ``env: expected str, got int``.

    Of a key that takes one of some words they are named.
    """
    text, _, path = message.partition(" - at ")
    text = text.replace("`", "").replace("Object missing required field", "missing required key")
    text = text[0].lower() + text[1:]
    key = path.strip("`").removeprefix("$").removeprefix(".").replace("[...]", "")
    allowed = _words_allowed(struct, key) if text.startswith("invalid enum value") else ()
    if allowed:
        text = f"{text}; allowed: {', '.join(allowed)}"
    return f"{key}: {text}" if key else text


def _words_allowed(struct: type[msgspec.Struct], key: str) -> tuple[str, ...]:
    """The words that a key of the struct itself may hold, as its type lists them."""
    names = {field.encode_name: field.name for field in msgspec.structs.fields(struct)}
    if key not in names:
        return ()
    hint = get_type_hints(struct)[names[key]]
    literals = [part for part in (hint, *get_args(hint)) if get_origin(part) is Literal]
    return tuple(word for literal in literals for word in get_args(literal))


def checked_pattern(pattern: str, where: str) -> str:
    """Return a regular expression; raises UsageError if invalid."""
    try:
        re.compile(pattern)
    except re.error as fault:
        raise UsageError(f"{where}: {pattern!r} is not a regular expression: {fault}") from None
    return pattern
