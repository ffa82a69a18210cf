"""A verb as a command of Click's, made from the struct that declares its flags."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_type_hints

import click
import msgspec
from click.core import ParameterSource

from asgi_bench.cli.flags import RunFlags
from asgi_bench.definitions.project import project_defaults
from asgi_bench.definitions.selection import Selection, settled
from asgi_bench.flags import Declared, declared, read_flags

# A verb of fewer flags shows them in one list.
MANY_FLAGS = 16


class VerbCommand(click.Command):
    """A command whose help shows flags by their groups, the common ones first."""

    def __init__(self, name: str, verb: Callable[[Any], None], help: str) -> None:
        (self.struct,) = (kind for name, kind in get_type_hints(verb).items() if name != "return")
        self.flags = declared(self.struct)
        super().__init__(
            name,
            params=[_parameter(one) for one in self.flags],
            callback=click.pass_context(lambda context, **_: verb(self.asked(context))),
            help=help,
        )

    def asked(self, context: click.Context) -> Any:
        """Return what the command line and the project set; raises UsageError."""
        told = self._told(context)
        if "resume" in told:
            from asgi_bench.cli.resume import flags_of_run

            return flags_of_run(told, self._told_by, self._read)
        return self._read(told)

    def _told(self, context: click.Context) -> dict[str, Any]:
        """What a command line says, by key."""
        return {
            one.flag.key: context.params[_name(one)]
            for one in self.flags
            if context.get_parameter_source(_name(one)) is ParameterSource.COMMANDLINE
        }

    def _told_by(self, arguments: list[str]) -> dict[str, Any]:
        """What another command line of this verb says."""
        with self.make_context(str(self.name), arguments) as context:
            return self._told(context)

    def _read(self, told: Mapping[str, Any]) -> Any:
        """The struct of what is told, and what the project says of the rest."""
        keys = {one.flag.key: one.flag for one in declared(RunFlags) if one.flag.is_key}
        project = project_defaults(Path.cwd(), keys)
        for key in getattr(self.struct, "not_from_project", ()):
            project.pop(key, None)
        asked = read_flags(self.struct, told, project)
        return settled(asked) if isinstance(asked, Selection) else asked

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the flags, including the verb's arguments."""
        groups: dict[str, list[tuple[str, str]]] = {}
        is_long = len(self.flags) >= MANY_FLAGS
        for one in self.flags:
            group = one.flag.group if is_long else "Options"
            groups.setdefault(group, []).append((usage_of(one), help_of(one)))
        help_option = self.get_help_option(ctx)
        record = help_option.get_help_record(ctx) if help_option is not None else None
        if record is not None:
            groups.setdefault("Other" if is_long else "Options", []).append(record)
        for group, rows in groups.items():
            with formatter.section(group):
                formatter.write_dl(rows)


def _parameter(one: Declared) -> click.Parameter:
    flag, kind = one.flag, one.flag.kind
    if flag.is_argument:
        return click.Argument(
            [_name(one)],
            required=one.is_required,
            metavar=kind.metavar,
            nargs=-1 if kind.is_repeatable else 1,
        )
    return click.Option(
        [*([flag.short] if flag.short else []), flag.name, _name(one)],
        metavar=kind.metavar,
        multiple=kind.is_repeatable,
        is_flag=kind.is_switch,
        required=one.is_required,
        default=None if not kind.is_switch else False,
        help=flag.help,
    )


def _name(one: Declared) -> str:
    return one.flag.key.replace("-", "_")


def usage_of(one: Declared) -> str:
    """How a flag is written: `-c, --connections N,…`."""
    flag = one.flag
    short = f"{flag.short}, " if flag.short else ""
    return f"{short}{'' if flag.is_argument else flag.name} {flag.kind.metavar}".strip()


def help_of(one: Declared) -> str:
    """What a flag does, then its default if it has one."""
    has_default = one.default is not msgspec.NODEFAULT and one.default
    shown = one.flag.kind.show(one.default) if has_default else ""
    return f"{one.flag.help} Default: {shown}." if shown else one.flag.help
