"""The filters and knobs, the same in every verb that takes them."""

import inspect
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from asgi_bench.cli.app_options import Python, interpreter_of, overrule_defaults, own_app_of
from asgi_bench.cli.flag_groups import with_group
from asgi_bench.cli.load_options import (
    ArrivalsChoice,
    ClientChoice,
    Closed,
    CommonRate,
    Connections,
    Duration,
    LoadProcesses,
    Locustfile,
    Rates,
    RequestTimeout,
    Rounds,
    Slo,
    Sweep,
    WebUi,
    check_load_processes,
    check_other_client,
)
from asgi_bench.cli.moot_flags import check_moot_flags
from asgi_bench.definitions.loads import parse_objective, parse_rates
from asgi_bench.definitions.project import project_defaults
from asgi_bench.definitions.selection import DEFAULT_SCENARIOS, Selection
from asgi_bench.errors import UsageError
from asgi_bench.machine.affinity import parse_cpus
from asgi_bench.quantities import parse_counts, parse_duration

Servers = Annotated[
    list[str] | None,
    typer.Option("--server", "-s", metavar="GLOB", help="Servers to take; repeatable."),
]
Variants = Annotated[
    list[str] | None,
    typer.Option("--variant", metavar="GLOB", help="Variants to take; repeatable."),
]
Workers = Annotated[
    str | None,
    typer.Option(
        "--workers",
        "-w",
        metavar="N,…",
        help="Worker counts, as in 1,2. Else all variants with 1, and `default` with 2 too.",
    ),
]
Scenarios = Annotated[
    list[str] | None,
    typer.Option("--scenario", metavar="GLOB", help="Scenarios to take; repeatable. Else `hello`."),
]
Seed = Annotated[
    int | None,
    typer.Option("--seed", min=0, help="Seed of every random order. Else drawn; always stored."),
]
StartupTimeout = Annotated[
    str, typer.Option("--startup-timeout", metavar="TIME", help="The longest wait for a start.")
]
Runners = Annotated[
    list[Path] | None,
    typer.Option("--runners", metavar="DIR", help="A folder of your own runner files; repeatable."),
]
ServerCpus = Annotated[
    str | None,
    typer.Option("--server-cpus", metavar="CPUS", help="CPUs of the servers, as in 0,2-3."),
]
LoadCpus = Annotated[
    str | None,
    typer.Option("--load-cpus", metavar="CPUS", help="CPUs of the load generator."),
]
ServerArgs = Annotated[
    str, typer.Option("--server-args", metavar="ARGS", help="Appended to every server's command.")
]
Env = Annotated[
    list[str] | None,
    typer.Option("--env", metavar="K=V", help="A variable for every server; repeatable."),
]
# Flags of single verbs; they stand here because a project's defaults may set them.
Label = Annotated[str | None, typer.Option("--label", help="A word that ends the run's id.")]
Output = Annotated[
    Path, typer.Option("--output", "-o", metavar="DIR", help="The folder that holds the runs.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print cells, commands and time; measure nothing.")
]
Strict = Annotated[
    bool, typer.Option("--strict", help="Exit with 5 if a cell's measurement is invalid.")
]
Wait = Annotated[
    str | None,
    typer.Option(
        "--wait",
        metavar="TIME",
        help="Where another run measures on this machine: wait so long for its end.",
    ),
]
Behaviour = Annotated[
    bool,
    typer.Option(
        "--behaviour",
        help="After the rounds: stop each server under load, overload it, let it idle, kill a "
        "worker; some 20 s each.",
    ),
]
IdleWatch = Annotated[
    str,
    typer.Option(
        "--idle-watch",
        metavar="TIME",
        help="With --behaviour: how long idle connections are watched.",
    ),
]
FailFast = Annotated[bool, typer.Option("--fail-fast", help="Stop after the first failed trial.")]

DEFAULT_OUTPUT = Path("results")
# A project sets them for its runs. How an A/B divides its time is the rule's, not the project's,
# and what an A/B can't do must not make every one a fault of usage.
NO_DEFAULTS = frozenset(
    ("ab", name)
    for name in ("rounds", "duration", "budget", "sweep", "slo", "client", "locustfile")
)


def selection_of(
    server: Servers = None,
    variant: Variants = None,
    workers: Workers = None,
    scenario: Scenarios = None,
    connections: Connections = None,
    rate: Rates = None,
    arrivals: ArrivalsChoice = "poisson",
    closed: Closed = False,
    common_rate: CommonRate = None,
    sweep: Sweep = False,
    slo: Slo = None,
    rounds: Rounds = None,
    duration: Duration = "2s",
    seed: Seed = None,
    timeout: RequestTimeout = "5s",
    startup_timeout: StartupTimeout = "30s",
    runners: Runners = None,
    client: ClientChoice = "fast",
    server_cpus: ServerCpus = None,
    load_cpus: LoadCpus = None,
    load_processes: LoadProcesses = 1,
    locustfile: Locustfile = None,
    web_ui: WebUi = False,
    server_args: ServerArgs = "",
    env: Env = None,
    python: Python = None,
) -> Selection:
    """Return what the flags ask for.

    Raises:
        UsageError: a flag's text can't be read; the text names the flag.
    """
    offered = () if rate is None else parse_rates(rate, "--rate")
    counts = None if connections is None else parse_counts(connections, "--connections")
    if client == "fast" and locustfile is None:
        check_load_processes(load_processes, counts)
    else:
        check_other_client(
            client,
            locustfile,
            load_processes=load_processes,
            has_open_loops=bool(offered or common_rate or sweep),
        )
    return Selection(
        servers=tuple(server or ()),
        variants=tuple(variant or ()),
        workers=None if workers is None else parse_counts(workers, "--workers"),
        scenarios=tuple(scenario or DEFAULT_SCENARIOS),
        connections=counts,
        rates=offered,
        arrivals=arrivals,
        closed=closed,
        common_rate_rps=common_rate,
        sweep=sweep,
        objective=parse_objective(slo, "--slo") if slo is not None and sweep else None,
        rounds=rounds,
        duration_s=parse_duration(duration, "--duration"),
        seed=seed,
        request_timeout_s=parse_duration(timeout, "--timeout"),
        startup_timeout_s=parse_duration(startup_timeout, "--startup-timeout"),
        runner_folders=tuple(runners or ()),
        client=client if locustfile is None else "locustfile",
        server_cpus=parse_cpus(server_cpus, "--server-cpus") if server_cpus is not None else (),
        load_cpus=parse_cpus(load_cpus, "--load-cpus") if load_cpus is not None else (),
        load_processes=load_processes,
        locustfile=None if locustfile is None else str(locustfile.resolve()),
        web_ui=web_ui,
        server_args=_split(server_args, "--server-args"),
        env=dict(_assignment(text) for text in env or ()),
        python=interpreter_of(python),
    )


def with_selection(
    verb: Callable[..., None], defaults: Mapping[str, Any] | None = None
) -> Callable[..., None]:
    """Give a verb all filters and knobs as flags; it takes them as its argument `selection`.

    `defaults` are those of the verb's own, by name of the argument.
    """
    about_app = inspect.signature(own_app_of).parameters
    about_run = {
        name: parameter.replace(default=(defaults or {}).get(name, parameter.default))
        for name, parameter in inspect.signature(selection_of).parameters.items()
    }

    def selection(context: typer.Context, **values: Any) -> Selection:
        check_moot_flags(context)
        overrule_defaults(context, values)
        own_app = own_app_of(**{name: values.pop(name) for name in about_app})
        if own_app is not None and values["scenario"]:
            raise UsageError("--scenario chooses among the shipped ones: leave it out with APP")
        chosen = selection_of(**values)
        if own_app is not None and own_app.requests and chosen.client != "fast":
            raise UsageError("--requests needs the fast client: others send one request alone")
        return msgspec.structs.replace(chosen, own_app=own_app)

    about_call = inspect.signature(selection).parameters["context"]
    flags = (about_call, *about_run.values(), *about_app.values())
    return with_group(verb, "selection", selection, flags)


def take_project_defaults(context: typer.Context, folder: Path) -> None:
    """Let the project's pyproject.toml set the defaults of flags; the command line wins.

    Raises:
        UsageError: the file has a key or a value that is not understood.
    """
    defaults = project_defaults(folder)
    name = context.invoked_subcommand
    commands: Mapping[str, Any] = getattr(context.command, "commands", {})
    # Of the others nothing is asked: to look one up is to import it.
    if name is None or name not in commands:
        return
    context.default_map = {
        name: {
            parameter.name: defaults[parameter.name]
            for parameter in commands[name].params
            if parameter.name in defaults and (name, parameter.name) not in NO_DEFAULTS
        }
    }


def _split(text: str, flag: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text))
    except ValueError as fault:
        raise UsageError(f"{flag}: {text!r} can't be split: {fault}") from None


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise UsageError(f"--env: {text!r} must be NAME=VALUE")
    return name, value
