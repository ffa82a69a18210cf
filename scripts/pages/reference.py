"""Reference pages, made from the code: the command line, runner files and scenarios."""

from collections.abc import Callable, Iterable, Iterator, Mapping

import click

from asgi_bench.cli.command import VerbCommand, help_of, usage_of
from asgi_bench.cli.main import VERBS, command
from asgi_bench.definitions.servers import FEATURES, Server, Variant
from asgi_bench.flags import GROUPS
from asgi_bench.model import Scenario
from asgi_bench.model.request import Request
from pages.notes import notes

MADE = "This page is made from the code."


def cli_page() -> str:
    """Return every verb with its flags, as `--help` has them."""
    parts = [
        "# Command line",
        f"{MADE} [Commands by example](../commands.md) shows how they are used. Most flags of "
        "`run` can be set for a project, in the table `[tool.asgi-bench]` of its `pyproject.toml`.",
    ]
    for name, verb in VERBS.items():
        made = command(name)
        assert isinstance(made, VerbCommand)
        usage = " ".join(made.collect_usage_pieces(click.Context(made, info_name=name)))
        parts += [
            f"## asgi-bench {name}",
            " ".join(filter(None, (verb.help, verb.more))),
            f"```console\n$ asgi-bench {name} {usage}\n```",
            *_flag_tables(made),
        ]
    return "\n\n".join(parts) + "\n"


def _flag_tables(verb: VerbCommand) -> Iterator[str]:
    """A table of flags for each group."""
    for group in GROUPS:
        rows = [(usage_of(one), help_of(one)) for one in verb.flags if one.flag.group == group]
        if rows:
            yield f"**{group}**"
            yield table("Flag", "What it does", rows)


def runner_page() -> str:
    """Return the keys of a runner file."""
    own = {key: note for key, note in notes(Server).items() if key not in _NOT_KEYS}
    return (
        "\n\n".join(
            [
                "# Runner files",
                f"{MADE} [Add a server](../add-a-server.md) shows a whole file. The file's name is "
                "the server's name. Only `command` is required.",
                "## Keys",
                table("Key", "Meaning", own.items()),
                "## `[variants.NAME]`",
                table("Key", "Meaning", _without(notes(Variant), "name").items()),
                "## Placeholders in `command`",
                table("Placeholder", "Stands for", _PLACEHOLDERS.items()),
                "## Features in `supports`",
                f"{', '.join(f'`{name}`' for name in sorted(FEATURES))}.",
            ]
        )
        + "\n"
    )


_NOT_KEYS = frozenset(("name", "here", "pinned_version"))
_PLACEHOLDERS: Mapping[str, str] = {
    "{python}": "The servers' interpreter.",
    "{app}": "The app as `module:attribute`.",
    "{app_dir}": "The app's folder.",
    "{host}": "The address to listen on.",
    "{port}": "The port to listen on.",
    "{fd}": 'The number of the inherited socket, with `workers = "shared-socket"`.',
    "{workers}": "The number of workers.",
    "{here}": "The runner file's folder, where a config file or script may lie.",
    "{bind}": "The arguments of the table `[bind]` for the transport.",
    "{http}": "The arguments of the table `[http]` for the HTTP version.",
    "{interface}": "The arguments of the table `[interface]` for the kind of app.",
    "{cert}": "The certificate, a PEM file made for the run.",
    "{key}": "Its key, a PEM file in PKCS#8.",
    "{socket}": "The path of the Unix socket, a short one.",
}


def scenario_page() -> str:
    """Return the keys of a scenario."""
    keys = {**notes(Scenario), **notes(Request)}
    return (
        "\n\n".join(
            [
                "# Scenarios",
                f"{MADE} [Add a scenario](../add-a-scenario.md) shows a whole one. Each table of "
                "`apps/scenarios.toml` is a scenario; its name is the scenario's name.",
                table("Key", "Meaning", _without(keys, "name", "requests").items()),
            ]
        )
        + "\n"
    )


PAGES: Mapping[str, Callable[[], str]] = {
    "reference/cli.md": cli_page,
    "reference/runner-keys.md": runner_page,
    "reference/scenario-keys.md": scenario_page,
}


def table(key: str, meaning: str, rows: Iterable[tuple[str, str]]) -> str:
    """Return a table of two columns, the first as code."""
    lines = [f"| {key} | {meaning} |", "|---|---|"]
    lines += [f"| `{_cell(name)}` | {_cell(text)} |" for name, text in rows]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _without(found: Mapping[str, str], *names: str) -> dict[str, str]:
    return {name: text for name, text in found.items() if name not in names}
