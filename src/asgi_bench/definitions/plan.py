"""From a selection to a plan: which cells, started how, in which blocks, or skipped and why."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

import msgspec

from asgi_bench.definitions.app_import import style_of
from asgi_bench.definitions.assembly import (
    asked_loads,
    assembled,
    check_goal,
    on_this_machine,
)
from asgi_bench.definitions.availability import (
    Home,
    Packages,
    home_of,
    missing_of,
    unavailable,
)
from asgi_bench.definitions.chosen import chosen_servers, matching
from asgi_bench.definitions.folders import runner_folders, shipped_apps
from asgi_bench.definitions.installed import Installation
from asgi_bench.definitions.loads import DEFAULT_CONNECTIONS
from asgi_bench.definitions.own_app import OwnApp, scenario_of
from asgi_bench.definitions.scenarios import load_scenarios
from asgi_bench.definitions.selection import Selection
from asgi_bench.definitions.server_environments import homes_apart
from asgi_bench.definitions.servers import (
    TRANSPORT_WORDS,
    Server,
    Variant,
    by_reference,
    fill,
    interface_of,
    load_servers,
)
from asgi_bench.definitions.targets import plan_of_targets
from asgi_bench.errors import UsageError
from asgi_bench.model import (
    HOST,
    Cell,
    Load,
    OpenLoop,
    Plan,
    PlannedCell,
    Scenario,
)
from asgi_bench.model.endpoint import HttpVersion
from asgi_bench.model.plan import load_time_s
from asgi_bench.secret_names import check_passed, without_secrets

# Six rounds of it at 500/s are samples enough for p99, and `make bench` keeps its 5 minutes.
COMMON_RATE_S = 1.0
# Locust's own: one user has one connection, kept alive.
STOCK_CLIENTS = ("http", "fasthttp")
SCENARIOS_FILE = "scenarios.toml"
# Tells from inside what really runs, with the app in the process that the variable names.
PROOF_APP = "asgi_bench_proof:app"
PROVEN_VARIABLE = "ASGI_BENCH_PROVEN"


def load_plan(selection: Selection) -> Plan:
    """Return the plan on this machine's CPUs, from the shipped and the user's own runner files.

    The user's own app takes the place of the scenarios; the servers' interpreter imports it once.

    Raises:
        UsageError: an invalid definition, a glob that matches nothing, an interpreter that doesn't
            run, or an app that can't be imported (AppFault).
    """
    if len(selection.interpreters) > 1:
        raise UsageError("--python: only `run` accepts several interpreters")
    check_passed(selection.passed, os.environ)
    selection = on_this_machine(selection)
    if selection.targets:
        return plan_of_targets(selection)
    own = selection.own_app
    packages = Installation(selection.python)
    if own is None:
        scenarios, app_dir = load_scenarios(shipped_apps() / SCENARIOS_FILE), shipped_apps()
        working_dir = app_dir
        if selection.stand_in is not None:
            app, app_dir, working_dir = selection.stand_in
            replace = msgspec.structs.replace
            scenarios = {name: replace(one, app=app) for name, one in scenarios.items()}
    else:
        scenario, app_dir = _own_scenario(own, selection, packages), own.app_dir
        scenarios, working_dir = {scenario.name: scenario}, own.starts_in
        selection = msgspec.structs.replace(selection, scenarios=(scenario.name,))
    plan = build_plan(
        selection,
        servers=load_servers(runner_folders(selection.runner_folders)),
        scenarios=scenarios,
        app_dir=app_dir,
        working_dir=working_dir,
        packages=packages,
        apart=homes_apart(selection.python),
        environ=without_secrets(os.environ, selection.passed),
    )
    check_goal(plan)
    return plan


def requirements_of(selection: Selection, *, only_shared: bool = False) -> tuple[str, ...]:
    """Return what the chosen servers, variants and shipped apps require, each line once.

    With `only_shared`, without servers that get an environment of their own.

    Raises:
        UsageError: a file can't be understood, or a glob matches nothing.
    """
    servers = load_servers(runner_folders(selection.runner_folders))
    settings = _server_settings(selection, servers)
    lines = _required(one for one in settings if _is_shared(one.server) or not only_shared)
    if selection.own_app is None:
        scenarios = load_scenarios(shipped_apps() / SCENARIOS_FILE)
        for name in matching(selection.scenarios, scenarios, "--scenario"):
            lines += scenarios[name].requires
    return tuple(dict.fromkeys(lines))


def installed_requirements(folders: Iterable[Path], packages: Packages) -> tuple[str, ...]:
    """Return the requirements of all runner files' servers that are installed."""
    servers = load_servers(runner_folders(folders))
    lines = tuple(dict.fromkeys(_required(_server_settings(Selection(), servers))))
    absent = packages.missing(lines)
    return tuple(line for line in lines if line not in absent)


def _own_scenario(own: OwnApp, selection: Selection, packages: Installation) -> Scenario:
    """The scenario of an app that was imported: it says what a server must support."""
    packages.check_interpreter()
    env = {**without_secrets(os.environ, selection.passed), **selection.env}
    env["PYTHONPATH"] = _module_path([str(own.app_dir)], env.get("PYTHONPATH", ""))
    style = style_of(own, selection.python, env, selection.startup_timeout_s)
    return scenario_of(own, needs=(style,))


def build_plan(
    selection: Selection,
    *,
    servers: Mapping[str, Server],
    scenarios: Mapping[str, Scenario],
    app_dir: Path,
    packages: Packages,
    environ: Mapping[str, str],
    working_dir: Path | None = None,
    apart: Callable[[Server], Home | None] = lambda server: None,
) -> Plan:
    """Return every cell of the selection; those that can't be measured with the reason.

    `app_dir` has the scenarios' applications, `working_dir` is where servers start (None: the
    same); `environ` is what they will inherit; `apart` returns a server's own environment.

    Raises:
        UsageError: a glob that matches nothing.
    """
    chosen = [scenarios[name] for name in matching(selection.scenarios, scenarios, "--scenario")]
    if selection.random_masks:
        chosen = _with_random_masks(chosen)
    if selection.client in STOCK_CLIENTS:
        _check_stock(selection.client, chosen)
    planned = [
        _planned(
            Cell(
                *(one.server.name, one.variant.name, one.workers, scenario.name, load),
                http=http,
                transport=transport,
            ),
            selection=selection,
            server=one.server,
            scenario=scenario,
            app_dir=app_dir,
            working_dir=working_dir or app_dir,
            home=home_of(one.server, one.variant, packages, apart(one.server)),
            python=packages.python,
            environ=environ,
            duration_s=duration_s,
        )
        for one in _server_settings(selection, servers)
        for http, transport in product(selection.http, selection.transports)
        for scenario in chosen
        for load, duration_s in _loads(selection, scenario, one, http)
    ]
    unset = tuple(sorted({pattern for server in servers.values() for pattern in server.unset}))
    planned = [
        msgspec.structs.replace(one, unset=unset, passed=selection.passed) for one in planned
    ]
    return assembled(selection, planned, chosen, by_reference(servers.values()))


def _with_random_masks(scenarios: Sequence[Scenario]) -> list[Scenario]:
    """Those over WebSocket with a mask for each frame; raises UsageError where there are none."""
    if not any(scenario.messages for scenario in scenarios):
        names = ", ".join(scenario.name for scenario in scenarios)
        raise UsageError(
            f"--random-masks needs a WebSocket scenario, and none of these is one: {names}"
        )
    return [
        msgspec.structs.replace(scenario, random_masks=bool(scenario.messages))
        for scenario in scenarios
    ]


def _check_stock(client: str, scenarios: Sequence[Scenario]) -> None:
    """Raise UsageError where Locust's own client would send anything else than a scenario."""
    for scenario in scenarios:
        beyond = {
            "uses WebSocket": scenario.messages,
            "pipelines requests": scenario.pipeline,
            "times a response part by part": scenario.stream,
            "closes connections after a number of responses": scenario.conversations,
            "sends a body in chunks": scenario.chunked,
        }
        for what in (what for what, is_asked in beyond.items() if is_asked):
            raise UsageError(
                f"--client {client}: {scenario.name} {what}, and only the client `fast` can do that"
            )


def unable(server: Server, cell: Cell, scenario: Scenario) -> str | None:
    """Return what a server can't do, whatever is installed, or None."""
    unsupported = [feature for feature in scenario.needs if feature not in server.features]
    if unsupported:
        return f"does not support: {', '.join(unsupported)}"
    lack = server.lack(cell.http, cell.transport)
    if lack is not None:
        return lack
    if cell.http != "1" and scenario.messages:
        return "WebSocket works over HTTP/1.1 only"
    if cell.workers > 1 and scenario.is_broadcast:
        return "this scenario's chat room exists within one worker only"
    if cell.workers > 1 and server.workers == "single":
        return "takes no worker count"
    argv = server.argv(server.variants[cell.variant], cell.http, cell.transport, scenario.needs)
    if cell.workers > 1 and server.workers == "shared-socket" and not _inherits(argv):
        return f"takes no worker count over {TRANSPORT_WORDS[cell.transport]}"
    return None


def _inherits(argv: Sequence[str]) -> bool:
    """Whether a command is handed a listening socket."""
    return any("{fd}" in word for word in argv)


class _ServerSetting(NamedTuple):
    """What will be started. `is_plain`: of its server the one that further loads are for."""

    server: Server
    variant: Variant
    workers: int
    is_plain: bool


def _server_settings(
    selection: Selection, servers: Mapping[str, Server]
) -> Iterator[_ServerSetting]:
    """Yield what will be started, the worker counts in ascending order."""
    chosen = chosen_servers(selection.servers, servers)
    names = matching(
        selection.variants, (name for server in chosen for name in server.variants), "--variant"
    )
    counts = sorted(selection.workers or (1, 2))
    for workers, server in product(counts, chosen):
        variants = [variant for variant in server.variants.values() if variant.name in names]
        for variant in variants:
            asked = selection.workers is not None or workers == 1 or variant.name == "default"
            if asked:
                is_plain = workers == counts[0] and variant is _plain(variants)
                yield _ServerSetting(server, variant, workers, is_plain)


def _plain(variants: Sequence[Variant]) -> Variant:
    """The `default` variant, or the first where that isn't among those chosen."""
    return next((one for one in variants if one.name == "default"), variants[0])


def _is_shared(server: Server) -> bool:
    """Whether it is installed beside others: a pinned version is not."""
    return server.environment == "shared" and server.pinned_version is None


def _required(settings: Iterable[_ServerSetting]) -> list[str]:
    """What servers and variants require."""
    return [line for one in settings for line in (*one.server.requires, *one.variant.requires)]


def _loads(
    selection: Selection, scenario: Scenario, setting: _ServerSetting, http: HttpVersion
) -> list[tuple[Load, float | None]]:
    """Return the loads of one server setting, that at the common rate last, with its own time.

    A scenario's own number of connections is for closed loops, and where none was asked for.
    """
    connections = selection.connections
    if connections is None and scenario.connections is not None and not selection.is_open:
        connections = (scenario.connections,)
    further = (selection.also_connections or ()) if setting.is_plain else ()
    asked = asked_loads(selection, http, connections=connections, further=further)
    as_asked: list[tuple[Load, float | None]] = [(load, None) for load in asked]
    rate_rps = selection.common_rate_rps
    if rate_rps is None or setting.variant.name != "default" or setting.workers != 1:
        return as_asked
    common = OpenLoop(
        rate_rps,
        arrivals=selection.arrivals,
        connections=DEFAULT_CONNECTIONS,
        streams=selection.streams if http == "2" else 1,
    )
    if any(load.key == common.key for load in asked):
        # --rate has it too: a second cell of the same name would be one too many.
        return as_asked
    return [*as_asked, (common, min(selection.duration_s, COMMON_RATE_S))]


def _planned(
    cell: Cell,
    *,
    selection: Selection,
    server: Server,
    scenario: Scenario,
    app_dir: Path,
    working_dir: Path,
    home: Home,
    python: str,
    environ: Mapping[str, str],
    duration_s: float | None,
) -> PlannedCell:
    variant = server.variants[cell.variant]
    reason = unable(server, cell, scenario)
    argv = server.argv(variant, cell.http, cell.transport, scenario.needs)
    values = {
        "python": python if home.environment is None else home.environment.python,
        "host": HOST if selection.listen is None else selection.listen.partition(":")[0],
        "workers": str(cell.workers),
        "here": server.here,
    }

    def command(app: str, folder: Path) -> tuple[str, ...]:
        filled = fill(argv, {**values, "app": app, "app_dir": str(folder)})
        return (*filled, *selection.server_args)

    own = selection.own_app
    env = {**server.env, **variant.env, **selection.env, **(own.env if own else {})}
    inherited = env.get("PYTHONPATH", environ.get("PYTHONPATH", ""))
    env["PYTHONPATH"] = _module_path(own.folders if own else [str(app_dir)], inherited)
    load_s = load_time_s(cell.load, duration_s or selection.duration_s)
    reason = (
        reason
        or scenario.refusal(cell.load.connections, load_s, cell.http, cell.transport)
        or unavailable(
            server,
            variant,
            home,
            working_dir=str(working_dir),
            env={**environ, **env},
            app_requires=scenario.requires,
        )
    )
    return PlannedCell(
        cell=cell,
        duration_s=duration_s,
        command=command(scenario.app, app_dir),
        env=env,
        working_dir=str(working_dir),
        app_dir=str(app_dir),
        socket_sharing="inherited" if _inherits(argv) else "own",
        server_version=home.packages.version(server) if reason is None and home.packages else None,
        skip_reason=reason,
        environment=home.environment,
        worker_timeout_flag=server.worker_timeout_flag,
        count_args=fill(server.count.get("args", ()), values),
        has_lifespan="lifespan" in server.features,
        idles=server.idles,
        missing=_missing(server, variant, home, scenario) if reason is not None else (),
        proof_command=command(PROOF_APP, app_dir) if _proves(argv, scenario) else (),
        # Flags of the user's may mean another loop or parser than the variant's own.
        proves={} if selection.server_args else _provable(variant, cell),
        proof_env=_proof_env(env["PYTHONPATH"], scenario, is_own=bool(own or selection.stand_in)),
    )


def _missing(server: Server, variant: Variant, home: Home, scenario: Scenario) -> tuple[str, ...]:
    """What pip can install for all: what a server needs for itself has a command of its own."""
    if home.packages is None or server.environment == "own":
        return ()
    return missing_of(server, variant, home.packages, scenario.requires)


def _provable(variant: Variant, cell: Cell) -> dict[str, str]:
    """What a variant states, as far as it holds for HTTP/2, which has parsers of its own."""
    if cell.http == "1":
        return variant.proves
    return {part: name for part, name in variant.proves.items() if part == "loop"}


def _proof_env(module_path: str, scenario: Scenario, *, is_own: bool) -> dict[str, str]:
    """What a proof's start has beside the cell's own variables: the shipped apps change nothing."""
    env = {"PYTHONPATH": _module_path([module_path], str(shipped_apps() / "proof"))}
    return env | ({PROVEN_VARIABLE: scenario.app} if is_own else {})


def _proves(argv: Sequence[str], scenario: Scenario) -> bool:
    """Whether a command serves an ASGI app: others have nothing to tell from inside."""
    return any("{app}" in word for word in argv) and interface_of(scenario.needs) == "asgi"


def _module_path(folders: Sequence[str], inherited: str) -> str:
    return os.pathsep.join([*folders, inherited] if inherited else folders)
