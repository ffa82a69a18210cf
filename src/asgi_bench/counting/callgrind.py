"""The files that callgrind writes: instructions by shared object and by C function.

The format is documented: valgrind's manual, "Callgrind Format Specification".
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from asgi_bench.model.counts import UNPLACED, Breakdown

_PACKAGES = re.compile(r".*/(?:site|dist)-packages/")
# A name once told is a number from then on; objects, files and functions are numbered apart.
_NUMBERED = re.compile(r"\((\d+)\)(?: (.*))?")
_OBJECTS = ("ob", "cob")
_FUNCTIONS = ("fn", "cfn")
# Callgrind calls a recursion by a name of its own: `deep'2`.
_RECURSION = re.compile(r"'\d+$")
_NAMELESS = re.compile(r"\s*|\?\?\?|0x[0-9a-f]+")
_COST_STARTS = tuple("0123456789+-*")
_EVENT = "Ir"
# Names of Rust and C++ spell out their types.
_LONGEST_NAME = 100


class BadProfile(ValueError):
    """A file that isn't callgrind's, or that is incomplete; the text says what is wrong."""


class CFunction(NamedTuple):
    """A function in a shared object; each is `?` if valgrind had no name for it."""

    object: str
    """The path of the file that was mapped."""
    name: str
    """Its symbol."""


class Profile(NamedTuple):
    """What one process executed: instructions, each counted in the function that contains it."""

    total: int
    by_function: Mapping[CFunction, int]

    @property
    def by_object(self) -> dict[str, int]:
        """Instructions by shared object."""
        found: dict[str, int] = defaultdict(int)
        for function, count in self.by_function.items():
            found[function.object] += count
        return dict(found)

    def parts(self) -> dict[Breakdown, dict[str, int]]:
        """Instructions by object and by function, under names that don't depend on file paths."""
        objects: dict[str, int] = defaultdict(int)
        functions: dict[str, int] = defaultdict(int)
        for (path, name), count in self.by_function.items():
            shared = object_name(path)
            objects[shared] += count
            functions[f"{name[:_LONGEST_NAME]} [{shared}]"] += count
        return {"object": dict(objects), "function": dict(functions)}


def object_name(path: str) -> str:
    """Name a shared object as it is called in any environment: `uvloop/loop.so`, `libc.so.6`."""
    inner = _PACKAGES.sub("", path)
    return inner if inner != path else path.rpartition("/")[2]


def read_profile(text: str) -> Profile:
    """Read one file, adding up several parts in it.

    Raises BadProfile if it isn't such a file, or is incomplete.
    """
    return read_lines(text.splitlines())


def read_lines(lines: Iterable[str]) -> Profile:
    """Read one file's lines, with or without their ends; raises as `read_profile`."""
    reader = _Reader()
    for number, line in enumerate(lines, start=1):
        try:
            reader.read(line.rstrip("\r\n"))
        except (ValueError, IndexError):
            raise BadProfile(f"line {number} can't be read: {line[:80]!r}") from None
    return reader.profile()


def merged(profiles: Iterable[Profile]) -> Profile:
    """Several processes added up."""
    total = 0
    by_function: dict[CFunction, int] = defaultdict(int)
    for profile in profiles:
        total += profile.total
        for function, count in profile.by_function.items():
            by_function[function] += count
    return Profile(total, dict(by_function))


class _Reader:
    """Reads line by line; what it doesn't need it passes over."""

    def __init__(self) -> None:
        self._object = self._function = UNPLACED
        self._names: dict[str, dict[str, str]] = {"object": {}, "function": {}}
        self._positions = 1
        self._event: int | None = None
        self._is_call = False
        self._costs: dict[CFunction, int] = defaultdict(int)
        self._stated: dict[str, list[int]] = {"totals": [], "summary": []}

    def read(self, line: str) -> None:
        """Take one line."""
        if line.startswith(_COST_STARTS):
            self._cost(line)
            return
        key, mark, value = line.partition("=")
        if mark and key.isalpha():
            self._specification(key, value)
            return
        key, mark, value = line.partition(":")
        if mark:
            self._header(key, value.split())

    def profile(self) -> Profile:
        """What was read: its parts must come to the total that it states."""
        # Callgrind states both: a summary at the head, and totals when all is written.
        stated = self._stated["totals"] or self._stated["summary"]
        if not stated:
            raise BadProfile("no total: the file is incomplete")
        total, counted = sum(stated), sum(self._costs.values())
        if counted != total:
            raise BadProfile(f"its parts add up to {counted}, but it states {total}")
        return Profile(total, dict(self._costs))

    def _cost(self, line: str) -> None:
        """A line of costs; the one after `calls=` is what the callee cost, and counts there."""
        if self._is_call:
            self._is_call = False
            return
        if self._event is None:
            # Of the command, which the head tells as it is: a word of it may have several lines.
            return
        words = line.split()
        place = self._positions + self._event
        # Zeros at the end are left out.
        if place < len(words):
            self._costs[CFunction(self._object, self._function)] += int(words[place])

    def _specification(self, key: str, value: str) -> None:
        if key in _OBJECTS:
            name = self._name("object", value)
            if key == "ob":
                self._object = name
        elif key in _FUNCTIONS:
            name = self._name("function", value)
            if key == "fn":
                self._function = name
        elif key == "calls":
            self._is_call = True

    def _name(self, space: str, value: str) -> str:
        numbered = _NUMBERED.fullmatch(value)
        if numbered is None:
            return _known(value)
        number, name = numbered.groups()
        if name is not None:
            self._names[space][number] = _known(name)
        return self._names[space].get(number, UNPLACED)

    def _header(self, key: str, words: list[str]) -> None:
        match key:
            case "positions":
                self._positions = len(words)
            case "events":
                if _EVENT not in words:
                    raise ValueError
                self._event = words.index(_EVENT)
            case "totals" | "summary":
                if self._event is None:
                    raise ValueError
                self._stated[key].append(int(words[self._event]))


def _known(name: str) -> str:
    """A name, or `?` for none: an address alone is another one in every build."""
    name = _RECURSION.sub("", name)
    return UNPLACED if _NAMELESS.fullmatch(name) else name
