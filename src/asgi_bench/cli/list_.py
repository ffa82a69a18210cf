"""`asgi-bench list`: which servers and scenarios exist, and what is missing."""

import os
from collections.abc import Iterable, Sequence
from typing import Annotated

import msgspec
from rich.console import Console
from rich.table import Table

from asgi_bench.definitions.availability import ListedServer, ListedVariant, list_server
from asgi_bench.definitions.folders import runner_folders, shipped_apps
from asgi_bench.definitions.installed import Installation
from asgi_bench.definitions.scenarios import load_scenarios
from asgi_bench.definitions.selection import Runners
from asgi_bench.definitions.server_environments import homes_apart
from asgi_bench.definitions.servers import load_servers
from asgi_bench.flags import OUTPUT, SWITCH, Flag
from asgi_bench.model import Scenario
from asgi_bench.plain_text import plain
from asgi_bench.secret_names import without_secrets


class ListFlags(msgspec.Struct, frozen=True, kw_only=True):
    """The flags of `list`."""

    runner_folders: Runners = ()
    as_json: Annotated[bool, Flag("--json", OUTPUT, SWITCH, "Print JSON.", is_key=False)] = False


def list_(asked: ListFlags) -> None:
    """Show servers, variants, versions and scenarios, and how to install what is missing."""
    apps, packages = shipped_apps(), Installation()
    apart = homes_apart(packages.python)
    env = without_secrets(os.environ, ())
    servers = [
        list_server(server, packages, apart(server), working_dir=str(apps), env=env)
        for server in load_servers(runner_folders(asked.runner_folders)).values()
    ]
    scenarios = list(load_scenarios(apps / "scenarios.toml").values())
    if asked.as_json:
        print(_as_json(servers, scenarios))
    else:
        _print_tables(servers, scenarios)


def _as_json(servers: Sequence[ListedServer], scenarios: Sequence[Scenario]) -> str:
    document = {"servers": servers, "scenarios": scenarios}
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()


def _print_tables(servers: Sequence[ListedServer], scenarios: Iterable[Scenario]) -> None:
    console = Console(highlight=False, markup=False)
    reasons = []
    # Variants stand below their server: beside it there is no room for what they are.
    table = _table("server", "version", "variants")
    for server in servers:
        table.add_row(server.name, server.version or "unknown", "")
        for variant in server.variants:
            table.add_row(f"  {variant.name}", _state(server, variant), plain(variant.description))
            if variant.reason is not None:
                reasons.append(f"{server.name}/{variant.name}: {variant.reason}")
    console.print(table)
    # Outside the table, because a command line that is wrapped can't be copied.
    for line in reasons:
        console.print(plain(line), soft_wrap=True)
    if any(server.installed == "own" for server in servers):
        console.print("own: runs in its own environment, built by `asgi-bench install`")
    console.print()
    # What all servers can isn't told, nor what is sent and has to come: JSON has both.
    table = _table("scenario", "needs", "description")
    for one in scenarios:
        needs = ", ".join(name for name in one.needs if name != "asgi3")
        table.add_row(plain(one.name), needs, plain(one.description))
    console.print(table)


def _state(server: ListedServer, variant: ListedVariant) -> str:
    """Whether a variant can be started here, in one word or two."""
    if variant.reason is None:
        return "ready" if server.installed != "own" else "ready (own)"
    return "missing" if server.fault is None else "unusable"


def _table(*columns: str) -> Table:
    """A table without frames; only its last column is wrapped, and nothing is cut."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(column, no_wrap=column != columns[-1], overflow="fold")
    return table
