"""The flags that verbs share, and those of `run`, which a project may set too."""

from pathlib import Path
from typing import Annotated

from asgi_bench.definitions.load_hosts import parse_listen, read_token_file
from asgi_bench.definitions.selection import Selection
from asgi_bench.definitions.targets import parse_hosts, parse_targets
from asgi_bench.flags import (
    DURATION,
    FOLDER,
    HOW_LONG,
    LOAD,
    MACHINE,
    OUTPUT,
    SHARE,
    SWITCH,
    VERDICT,
    WHAT,
    Flag,
    Kind,
    Nested,
    many,
    text,
    whole,
)
from asgi_bench.model import Goal
from asgi_bench.model.endpoint import Target

DEFAULT_OUTPUT = Path("results")

Output = Annotated[
    Path,
    Flag("--output", OUTPUT, FOLDER, "Folder that holds the runs.", short="-o", is_common=True),
]
Wait = Annotated[
    float | None,
    Flag(
        "--wait",
        MACHINE,
        DURATION,
        "If another run holds this machine, wait up to TIME for it to finish. Default: don't wait.",
    ),
]
# Of verbs that read. A project's doesn't count: it may not be in the run at hand.
OtherReference = Annotated[
    str | None,
    Flag(
        "--reference",
        OUTPUT,
        text("SERVER/VARIANT"),
        "Server that ratios refer to. Default: the run's own reference.",
        is_key=False,
    ),
]
StoredRun = Annotated[
    str | None,
    Flag("RUN", OUTPUT, text("[RUN]"), "Folder or id of the run. Default: the newest run."),
]
MinChange = Annotated[
    float | None,
    Flag(
        "--min-change",
        VERDICT,
        SHARE,
        "Smallest change that matters. Default: 2%; for counted instructions, 0.3%.",
        is_key=False,
    ),
]
FailOnUndecided = Annotated[
    bool,
    Flag(
        "--fail-on-undecided",
        VERDICT,
        SWITCH,
        "Exit with 4 if the verdict is undecided.",
        is_key=False,
    ),
]


# What a server that somebody else has started leaves no room for.
_NOT_OF_TARGETS = (
    dict.fromkeys(
        ("app", "app-dir", "factory", "scenario"),
        "--target loads whatever is served there: leave out APP, --app-dir, --factory and "
        "--scenario; --path defines the request",
    )
    | dict.fromkeys(
        ("server", "variant", "workers", "runners", "server-args", "env", "python", "block-size"),
        "--target loads servers that are already running: leave out the flags that choose and "
        "start servers (--server, --variant, --workers, --runners, --server-args, --env, "
        "--python, --block-size)",
    )
    | {
        "transport": "--target gives the transport in its URL: leave out --transport",
        "server-cpus": "--target servers stay on their own CPUs: leave out --server-cpus",
        "behaviour": "--behaviour stops and kills servers: leave it out with --target",
        "common-rate": "--common-rate applies to variants that asgi-bench starts: use --rate "
        "with --target",
    }
    | dict.fromkeys(
        ("client", "locustfile"),
        "--target needs the client `fast`: leave out --client and --locustfile",
    )
)


# What load from other hosts leaves no room for.
_NOT_OF_LOAD_HOSTS = {
    "target": "--load-hosts load servers on this machine: leave out --target",
    "load-processes": "--load-hosts sets the number of load processes: leave out --load-processes",
    "behaviour": "--behaviour needs load from this machine: leave out --load-hosts",
    "web-ui": "--web-ui needs a load process on this machine: leave it out with --load-hosts",
} | dict.fromkeys(
    ("client", "locustfile"),
    "--load-hosts need the fast client: leave out --client and --locustfile",
)


class MeasuringFlags(Selection, frozen=True, kw_only=True):
    """The flags of verbs that leave a run behind."""

    output: Output = DEFAULT_OUTPUT
    label: Annotated[
        str | None, Flag("--label", OUTPUT, text("WORD"), "Append WORD to the run's id.")
    ] = None
    dry_run: Annotated[
        bool,
        Flag(
            "--dry-run",
            OUTPUT,
            SWITCH,
            "Print the cells, their commands and the time needed; measure nothing.",
            is_key=False,
        ),
    ] = False
    wait_s: Wait = None


class RunFlags(MeasuringFlags, frozen=True, kw_only=True):
    """The flags of `run`: each except --dry-run may be in `[tool.asgi-bench]`."""

    goal: Annotated[Goal | None, Nested()] = None
    reference: Annotated[
        str | None,
        Flag(
            "--reference",
            WHAT,
            text("SERVER/VARIANT"),
            "Server that ratios refer to. Default: the one whose runner file sets the lowest "
            "`reference`.",
        ),
    ] = None
    targets: Annotated[
        tuple[Target, ...],
        Flag(
            "--target",
            WHAT,
            many("URL", parse_targets),
            "Load a server that is already running, at http://HOST:PORT, instead of starting "
            "any; repeatable. --path and similar flags define the request.",
            conflicts=_NOT_OF_TARGETS,
            is_key=False,
        ),
    ] = ()
    allowed_targets: Annotated[
        tuple[str, ...],
        Flag(
            "--allow-target",
            WHAT,
            many("HOST", parse_hosts),
            "With --target: load this host even if its address is neither loopback nor private; "
            "repeatable.",
            needs=("target",),
            needs_words="--allow-target allows the host of a --target: add --target URL",
            is_key=False,
        ),
    ] = ()
    load_hosts: Annotated[
        int,
        Flag(
            "--load-hosts",
            LOAD,
            whole(),
            "Send the load from N load processes on other hosts, each started there with "
            "`asgi-bench load-worker`.",
            needs=("listen",),
            needs_words="--load-hosts need an address of this machine to connect to: add --listen",
            conflicts=_NOT_OF_LOAD_HOSTS,
            is_key=False,
        ),
    ] = 0
    listen: Annotated[
        str | None,
        Flag(
            "--listen",
            LOAD,
            Kind("ADDRESS[:PORT]", parse_listen),
            "With --load-hosts: address of this machine, for load hosts to connect to and to load. "
            "Default port: 5557.",
            needs=("load-hosts",),
            needs_words="--listen is the address for load hosts: add --load-hosts N",
            is_key=False,
        ),
    ] = None
    token: Annotated[
        str | None,
        Flag(
            "--token",
            LOAD,
            Kind("@FILE", read_token_file),
            "With --load-hosts: file with the token that they share. Default: the variable "
            "ASGI_BENCH_TOKEN, or a random token, which is shown.",
            needs=("load-hosts",),
            needs_words="--token is for load hosts: add --load-hosts N",
            is_key=False,
        ),
    ] = None
    fail_fast: Annotated[
        bool, Flag("--fail-fast", HOW_LONG, SWITCH, "Stop after the first failed trial.")
    ] = False
    strict: Annotated[
        bool, Flag("--strict", OUTPUT, SWITCH, "Exit with 5 if any cell is invalid.")
    ] = False
    behaviour: Annotated[
        bool,
        Flag(
            "--behaviour",
            WHAT,
            SWITCH,
            "After the rounds, stop each server under load, overload it, leave it idle, and "
            "kill a worker. Takes about 20 s per server.",
        ),
    ] = False
    idle_watch_s: Annotated[
        float,
        Flag(
            "--idle-watch",
            WHAT,
            DURATION,
            "With --behaviour: watch idle connections for TIME.",
            needs=("behaviour",),
            needs_words="--idle-watch sets how long --behaviour watches idle connections: add "
            "--behaviour",
        ),
    ] = 10.0
    resume: Annotated[
        str | None,
        Flag(
            "--resume",
            HOW_LONG,
            text("RUN"),
            "Continue a run that was interrupted or ran out of budget, with its own flags. "
            "--budget limits this part alone.",
            conflicts={
                "label": "--label names a new run, but --resume continues an old one: leave one "
                "of them out"
            },
            is_key=False,
        ),
    ] = None
    part_budget_s: float | None = None
    """With `resume`: the time that this part of the run may take."""
