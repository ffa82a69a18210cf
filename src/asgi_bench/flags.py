"""A flag, declared once, at the field that holds its value.

    duration_s: Annotated[
        float, Flag("--duration", HOW_LONG, DURATION, "Measured time per cell and round.")
    ] = 2.0

The command line, its help and the table `[tool.asgi-bench]` of a project are made from it. If the
struct is part of the plan (`model.Knobs`, `Goal`, `Gate`), so is the value.
"""

import functools
import inspect
import shlex
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from asgi_bench.errors import UsageError
from asgi_bench.quantities import (
    duration_text,
    parse_changes,
    parse_counts,
    parse_duration,
    parse_number,
    parse_share,
    parse_size,
    parse_whole,
    share_text,
    size_text,
)

StructT = TypeVar("StructT", bound=msgspec.Struct)

# The groups of `--help`, in its order; a verb of few flags shows none.
SIDES = "Baseline and candidate"
WHAT = "What to measure"
LOAD = "Load"
HOW_LONG = "How long"
APP = "Your app"
VERDICT = "Verdict"
OUTPUT = "Output"
MACHINE = "Machine"
GROUPS = (SIDES, WHAT, LOAD, HOW_LONG, APP, VERDICT, OUTPUT, MACHINE)


class Kind(msgspec.Struct, frozen=True):
    """What the values of a flag look like, and how to read them."""

    metavar: str
    read: Callable[[Any, str], Any]
    """Turns a text, or all texts of a repeatable flag, into the value; the second argument is what
    to blame. Raises UsageError."""
    toml: Any = str
    """The type that the key of a project may have."""
    is_repeatable: bool = False
    show: Callable[[Any], str] = str
    """Writes a value as users do, for the default in the help."""
    locate: Callable[[str, Path], str] | None = None
    """Resolves a path within the text against the folder of the project's file."""

    @property
    def is_switch(self) -> bool:
        """Whether the flag takes no value."""
        return self.toml is bool


class Flag(msgspec.Struct, frozen=True):
    """A flag of the command line and a key of `[tool.asgi-bench]`."""

    name: str
    """`--startup-timeout`, or `APP` for an argument."""
    group: str
    kind: Kind
    help: str
    """One sentence or two. The default is added, unless the field has none or one that is empty."""
    short: str | None = None
    is_common: bool = False
    """Common ones come first in their group."""
    needs: tuple[str, ...] = ()
    """Keys of flags without which this one changes nothing: one of them has to be given."""
    needs_words: str = ""
    """The message if none is given."""
    conflicts: Mapping[str, str] = {}
    """Keys of flags that exclude this one, with the message if the command line has both. If it has
    one, the project's value of the other doesn't count."""
    is_key: bool = True
    """Whether a project may set it."""

    @property
    def is_argument(self) -> bool:
        """Whether it is a positional argument."""
        return not self.name.startswith("--")

    @property
    def key(self) -> str:
        """Its name in `[tool.asgi-bench]`."""
        return self.name.removeprefix("--").lower()


class Nested(msgspec.Struct, frozen=True):
    """Marks a field that holds a struct of flags."""

    key: str | None = None
    """The flag without which this struct doesn't exist, and the others mean nothing."""
    words: str = ""
    """What is said of the others then, after their name."""
    others: tuple[str, ...] = ()
    """Keys of flags outside of it that do as well as `key`."""
    side: str = ""
    """What `SIDE` means in the names and helps of its flags."""

    def has_use(self, given: Collection[str]) -> bool:
        """Whether its flags have any effect beside those that are given."""
        return self.key is None or any(key in given for key in (self.key, *self.others))


class Declared(msgspec.Struct, frozen=True):
    """A flag in its place: `path` lists the names of the fields that lead to its value."""

    path: tuple[str, ...]
    flag: Flag
    default: Any
    nested: Nested | None = None

    @property
    def is_required(self) -> bool:
        """Whether it must be given whenever its struct must be."""
        return self.default is msgspec.NODEFAULT and self.nested is None


@functools.cache
def declared(struct: type[msgspec.Struct]) -> tuple[Declared, ...]:
    """Return the flags of a struct as `--help` shows them.

    They are sorted by group: arguments first, then common ones, those of the struct itself before
    those it inherits.
    """

    def place(one: Declared) -> tuple[int, bool, bool]:
        flag = one.flag
        return GROUPS.index(flag.group), not flag.is_argument, not flag.is_common

    return tuple(sorted(_declared(struct), key=place))


def _declared(struct: type[msgspec.Struct], nested: Nested | None = None) -> Iterator[Declared]:
    """Yield the flags of a struct, those it declares itself before those it inherits."""
    hints = get_type_hints(struct, include_extras=True)
    defaults = {field.name: _default(field) for field in msgspec.structs.fields(struct)}
    names = [name for one in struct.__mro__ for name in inspect.get_annotations(one)]
    for name in (name for name in dict.fromkeys(names) if name in defaults):
        for mark in get_args(hints[name])[1:] if get_origin(hints[name]) is Annotated else ():
            if isinstance(mark, Flag):
                yield Declared((name,), mark, defaults[name], nested)
            elif isinstance(mark, Nested):
                for one in _declared(_struct_in(hints[name]), mark):
                    flag = msgspec.structs.replace(
                        one.flag,
                        name=one.flag.name.replace("SIDE", mark.side),
                        help=one.flag.help.replace("SIDE", mark.side),
                    )
                    yield msgspec.structs.replace(one, path=(name, *one.path), flag=flag)


def _default(field: msgspec.structs.FieldInfo) -> Any:
    """The default of a field; of an empty dict a struct keeps what makes one."""
    made = field.default_factory
    return field.default if made is msgspec.NODEFAULT else made()


def _struct_in(hint: Any) -> type[msgspec.Struct]:
    kind = get_args(hint)[0]
    parts = (one for one in (kind, *get_args(kind)) if isinstance(one, type))
    return next(one for one in parts if issubclass(one, msgspec.Struct))


def read_flags(
    struct: type[StructT], told: Mapping[str, Any], project: Mapping[str, tuple[Any, str]]
) -> StructT:
    """Return the struct, filled from the command line and otherwise from the project.

    Both map a flag's key to its text: all its texts if it is repeatable, True if it is a switch.
    `project` also says what to blame for a wrong value.

    Raises:
        UsageError: a value can't be read, or a flag changes nothing beside the others.
    """
    flags = {one.flag.key: one for one in declared(struct)}
    given = {key: (value, flags[key].flag.name) for key, value in told.items()}
    given = _unless_excluded(flags, told, project) | given
    _check_company(flags, told, given)
    values: dict[str, Any] = {}
    inner: dict[str, dict[str, Any]] = {}
    for key, (value, where) in given.items():
        one = flags[key]
        if one.nested is not None and not one.nested.has_use(given):
            if key in told:
                raise UsageError(f"{where} {one.nested.words}")
            continue
        *outer, name = one.path
        holder = inner.setdefault(outer[0], {}) if outer else values
        holder[name] = one.flag.kind.read(value, where)
    return struct(**values, **{name: _built(struct, name, inner[name]) for name in inner})


def _built(struct: type[msgspec.Struct], name: str, values: Mapping[str, Any]) -> msgspec.Struct:
    """The struct in a field, with some values for others than its default has."""
    default = next(one.default for one in msgspec.structs.fields(struct) if one.name == name)
    if isinstance(default, msgspec.Struct):
        return msgspec.structs.replace(default, **values)
    hint = get_type_hints(struct, include_extras=True)[name]
    return _struct_in(hint)(**values)


def _unless_excluded(
    flags: Mapping[str, Declared],
    told: Mapping[str, Any],
    project: Mapping[str, tuple[Any, str]],
) -> dict[str, tuple[Any, str]]:
    """What the project says of these flags, but for what the command line has chosen against."""
    excluded = {other for key in told for other in flags[key].flag.conflicts}
    excluded |= {key for key, one in flags.items() if one.flag.conflicts.keys() & told.keys()}
    return {
        key: value
        for key, value in project.items()
        if key in flags and key not in excluded and flags[key].flag.is_key and value[0] is not False
    }


def _check_company(
    flags: Mapping[str, Declared], told: Mapping[str, Any], given: Mapping[str, Any]
) -> None:
    """Raise UsageError for a flag that excludes another one, or needs one that isn't given.

    What a project sets may wait for the runs that have use for it.
    """
    for key in given:
        flag = flags[key].flag
        for other, words in flag.conflicts.items():
            if other in given:
                raise UsageError(words)
        if key in told and flag.needs and not given.keys() & set(flag.needs):
            raise UsageError(flag.needs_words)


def text(metavar: str) -> Kind:
    """Any text."""
    return Kind(metavar, lambda given, where: given)


def choice(*words: str, metavar: str | None = None) -> Kind:
    """One of these words."""

    def read(given: str, where: str) -> str:
        if given not in words:
            raise UsageError(f"{where}: {given!r} must be one of {', '.join(words)}")
        # The word itself may be an enumeration's.
        return words[words.index(given)]

    return Kind(metavar or "|".join(words), read, toml=Literal[words])


def choices(*words: str, metavar: str) -> Kind:
    """Some of these words, each once, in the order given."""

    def read(given: str, where: str) -> tuple[str, ...]:
        parts = [part.strip() for part in given.split(",")]
        wrong = next((part for part in parts if part not in words), None)
        if wrong is not None:
            raise UsageError(f"{where}: {wrong!r} must be one of {', '.join(words)}")
        return tuple(dict.fromkeys(parts))

    return Kind(metavar, read, toml=tuple[str | int, ...] | str | int, show=",".join)


def whole(metavar: str = "N", *, least: int = 1, most: int | None = None) -> Kind:
    """A whole number within bounds."""
    read = functools.partial(parse_whole, least=least, most=most)
    return Kind(metavar, read, toml=Annotated[int, msgspec.Meta(ge=least, le=most)])


def many(metavar: str, read: Callable[[Any, str], Any] | None = None, **more: Any) -> Kind:
    """A repeatable flag: all its texts."""
    kept: Callable[[Any, str], Any] = read or (lambda given, where: tuple(given))
    toml = more.pop("toml", tuple[str, ...] | str)
    return Kind(metavar, kept, toml, is_repeatable=True, show=", ".join, **more)


def within(given: str, folder: Path) -> str:
    """A path relative to a folder."""
    return str(folder / given)


def _split(given: str, where: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(given))
    except ValueError as fault:
        raise UsageError(f"{where}: {given!r} can't be split: {fault}") from None


def _assignments(given: tuple[str, ...], where: str) -> dict[str, str]:
    for one in given:
        name, equals, _ = one.partition("=")
        if not (name and equals):
            raise UsageError(f"{where}: {one!r} must be NAME=VALUE")
    return {name: value for name, _, value in (one.partition("=") for one in given)}


def _file(given: str, where: str) -> str:
    if not Path(given).is_file():
        raise UsageError(f"{where}: {given} is not a file")
    return str(Path(given).resolve())


SWITCH = Kind("", lambda given, where: given, toml=bool)
DURATION = Kind("TIME", parse_duration, show=duration_text)
SIZE = Kind("SIZE", parse_size, show=size_text)
SHARE = Kind("SHARE", parse_share, show=share_text)
CHANGES = Kind("SHARE", parse_changes)
COUNTS = Kind("N,…", parse_counts, toml=tuple[int, ...] | int | str)
ARGUMENTS = Kind("ARGS", _split, show=shlex.join)
ASSIGNMENTS = many("K=V", _assignments, toml=dict[str, str])
FOLDER = Kind("DIR", lambda given, where: Path(given), locate=within)
FOLDERS = many("DIR", lambda given, where: tuple(map(Path, given)), locate=within)
FILE = Kind("FILE", _file, locate=within)
CALLS = Kind("N", parse_number, toml=Annotated[float, msgspec.Meta(ge=0)])
RATE = Kind(
    "RPS", functools.partial(parse_number, least=0.1), toml=Annotated[float, msgspec.Meta(ge=0.1)]
)
