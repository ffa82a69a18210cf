"""The command line: one module a verb, registered here; those that measure by a table."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from asgi_bench import __version__
from asgi_bench.cli.compare import compare
from asgi_bench.cli.export import export_
from asgi_bench.cli.history import history
from asgi_bench.cli.list_ import list_
from asgi_bench.cli.measuring_verbs import ANY_FLAGS, MEASURING_VERBS
from asgi_bench.cli.options import take_project_defaults
from asgi_bench.cli.plot import plot
from asgi_bench.cli.recommend import recommend
from asgi_bench.cli.report import report
from asgi_bench.errors import BenchError, ExitCode

app = typer.Typer(
    name="asgi-bench",
    help="Compare ASGI servers honestly.",
    add_completion=False,
    invoke_without_command=True,
    # A bug keeps its plain traceback, and a fault of usage stays greppable in a log.
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

app.command("list")(list_)
for name, verb in MEASURING_VERBS.items():
    app.command(name, context_settings=ANY_FLAGS)(verb)
app.command("report")(report)
app.command("plot")(plot)
app.command("recommend")(recommend)
app.command("compare")(compare)
app.command("history")(history)
app.command("export")(export_)


def _print_version(asked: bool) -> None:
    if asked:
        print(f"asgi-bench {__version__}")
        raise typer.Exit


@app.callback()
def _before_any_verb(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_print_version)
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit(ExitCode.USAGE)
    take_project_defaults(context, Path.cwd())


def main() -> None:
    """Run the command line; a fault the user can mend is one line on stderr, the last."""
    try:
        app()
    except BenchError as fault:
        if fault.account:
            print(fault.account.rstrip(), file=sys.stderr)
        print(f"asgi-bench: {fault}", file=sys.stderr)
        sys.exit(fault.exit_code)
