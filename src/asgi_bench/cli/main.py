"""The command line: one module a verb; `verbs.py` has the table of them."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from asgi_bench import __version__
from asgi_bench.cli.verbs import VerbsGroup
from asgi_bench.errors import BenchError, ExitCode

app = typer.Typer(
    name="asgi-bench",
    cls=VerbsGroup,
    help="Compare ASGI servers honestly.",
    add_completion=False,
    invoke_without_command=True,
    # A bug keeps its plain traceback, and a fault of usage stays greppable in a log.
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


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
    # It imports what reads flags, which `--version` does without.
    from asgi_bench.cli.options import take_project_defaults

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
