"""The command line: its verbs by name, each imported when it is needed.

Verbs that measure need Linux: CPU clocks, affinity, epoll and /proc, and some of their modules
can't be imported elsewhere. Verbs that read stored runs work anywhere.
"""

import errno
import functools
import os
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any, NoReturn

import click
import msgspec

from asgi_bench import __version__
from asgi_bench.errors import BenchError, ExitCode, Interrupted
from asgi_bench.plain_text import harmless, harmless_lines, shortened

# A line longer than this holds somebody's data, not what is wrong with it.
_MOST_LETTERS = 4000
_OF_THE_MACHINE = {
    errno.ENOSPC: "free some space, or choose another folder with -o; TMPDIR is the folder of "
    "temporary files",
    errno.EDQUOT: "free some space, or choose another folder with -o; TMPDIR is the folder of "
    "temporary files",
    errno.EROFS: "choose a writable folder with -o; TMPDIR is the folder of temporary files",
    errno.EMFILE: "allow more of them with `ulimit -n`",
    errno.ENFILE: "end programs that hold many files open",
    errno.ENOMEM: "end programs that use memory, or measure fewer servers",
    errno.EACCES: "you may not read or write it",
    errno.ENAMETOOLONG: "no path is as long",
    errno.EIO: "the disk or terminal rejects it; check that it works",
}


class Verb(msgspec.Struct, frozen=True):
    """A verb: a function of the module with its name, which takes its flags as a struct."""

    module: str
    function: str
    help: str
    """What it does, on one line of `--help`."""
    more: str = ""
    """What its own help says besides."""
    is_measuring: bool = False


# In the order of `--help`.
VERBS = {
    "list": Verb("list_", "list_", "List servers, variants and scenarios, and what is missing."),
    "install": Verb(
        "install",
        "install_",
        "Build an environment for a server.",
        "Use this for servers that can't be installed beside the others. The environment adds "
        "to that of --python. Exits with 1 if a server can't be used here.",
        is_measuring=True,
    ),
    "check": Verb(
        "check",
        "check",
        "Start each server once, verify its response, and stop it.",
        "Takes the same flags as `run`, so one command line serves both; flags for load and "
        "time are checked but not used.",
        is_measuring=True,
    ),
    "run": Verb(
        "run",
        "run",
        "Measure servers under load and rank them.",
        "Prints a ranked table, the paths of the charts and the page, and, as the last line, "
        "the run's folder. A project can set these flags in its pyproject.toml, in the table "
        "[tool.asgi-bench].",
        is_measuring=True,
    ),
    "load-worker": Verb(
        "load_worker",
        "load_worker",
        "Send load for a run started on another machine.",
        "Waits up to five minutes for `asgi-bench run --load-hosts N --listen ADDRESS` there, only "
        "sends load to that address, and ends with that run.",
        is_measuring=True,
    ),
    "ab": Verb(
        "ab",
        "ab",
        "Compare a candidate with a baseline, and say if it is slower.",
        "Measures both sides in one run, interleaved. Default: the reference server's `default` "
        "variant with 1 worker. The last line is the verdict.",
        is_measuring=True,
    ),
    "count": Verb(
        "count",
        "count",
        "Count instructions and system calls per request.",
        "Runs servers under valgrind and strace, so it works on any machine, even a busy one, "
        "and detects changes of half a percent. Counts never rank servers. The last line is the "
        "run's folder.",
        is_measuring=True,
    ),
    "calibrate": Verb(
        "calibrate",
        "calibrate_",
        "Measure this machine and the load generator.",
        "Later runs in the same output folder use the result.",
        is_measuring=True,
    ),
    "report": Verb(
        "report",
        "report",
        "Print a run as text, JSON, Markdown or CSV, or as a page.",
        "Every format has the same rows, verdicts, findings, versions and commands. JSON and "
        "CSV add all figures; Markdown adds the proof of the settings. HTML is written to "
        "RUN/report.html.",
    ),
    "plot": Verb("plot", "plot", "Draw a run's charts as SVG and PNG."),
    "recommend": Verb(
        "recommend",
        "recommend",
        "Recommend a server to deploy, with reasons.",
        "The last line is the command that starts it.",
    ),
    "compare": Verb("compare", "compare", "Compare two stored runs."),
    "history": Verb(
        "history",
        "history",
        "Show what changed across a folder of runs, and when.",
        "Also writes DIR/history.html.",
    ),
    "export": Verb(
        "export",
        "export_",
        "Write a run in another tool's format.",
        "Figures of failed, skipped and invalid cells are left out.",
    ),
}


class VerbsGroup(click.Group):
    """The command line: its commands are the verbs."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        # The names alone: one of them is suggested where a verb is misspelt.
        self.commands = dict.fromkeys(VERBS)  # type: ignore[assignment]

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All verbs, without importing any."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb of that name as a command."""
        return command(cmd_name) if cmd_name in VERBS else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one line per verb."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, verb.help) for name, verb in VERBS.items()])


@functools.cache
def command(name: str) -> click.Command:
    """The verb with that name; its module is imported here."""
    verb = VERBS[name]
    if verb.is_measuring and sys.platform != "linux":
        # Refused whatever its flags are.
        settings = {"ignore_unknown_options": True, "allow_extra_args": True}
        return click.Command(name, context_settings=settings, callback=_refuse, help=verb.help)
    # They import what reads flags, which `--version` does without.
    from asgi_bench.cli.command import VerbCommand

    function: Callable[[Any], None] = getattr(
        import_module(f"asgi_bench.cli.{verb.module}"), verb.function
    )
    if verb.is_measuring:
        from asgi_bench.cli.streams import with_enduring_streams
        from asgi_bench.measurement.interruption import orderly_interruption

        # It starts processes: a signal ends them in order, at whatever moment it comes.
        function = with_enduring_streams(orderly_interruption()(function))
    return VerbCommand(name, function, f"{verb.help}\n\n{verb.more}".strip())


def _refuse() -> None:
    raise BenchError(
        f"measuring needs Linux, and this is {sys.platform}; report, plot and the other reading "
        "verbs work here"
    )


@click.group(
    name="asgi-bench",
    cls=VerbsGroup,
    help="Compare ASGI servers fairly, with known error bars.",
    invoke_without_command=True,
)
@click.version_option(__version__, message=f"asgi-bench {__version__}", help="Show the version.")
@click.pass_context
def app(context: click.Context) -> None:
    """Print the help if no verb is given."""
    if context.invoked_subcommand is None:
        print(context.get_help())
        context.exit(ExitCode.USAGE)


def main() -> None:
    """Run the command line; a fault that the user can fix is one line on stderr, the last.

    A machine may run out of disk, files or memory at any step, so that is handled here.
    """
    try:
        app(prog_name="asgi-bench")
    except BenchError as fault:
        if fault.account:
            print(harmless_lines(fault.account.rstrip()), file=sys.stderr)
        _end(str(fault), fault.exit_code)
    except Interrupted as stop:
        _end(str(stop), stop.exit_code)
    except OSError as fault:
        if fault.errno not in _OF_THE_MACHINE:
            raise
        where = f"{fault.filename}: " if isinstance(fault.filename, str) else ""
        advice = _OF_THE_MACHINE[fault.errno]
        _end(f"{where}{os.strerror(fault.errno)}: {advice}", ExitCode.FAILED)


def _end(text: str, code: int) -> NoReturn:
    print(f"asgi-bench: {shortened(harmless(text), _MOST_LETTERS)}", file=sys.stderr)
    sys.exit(code)
