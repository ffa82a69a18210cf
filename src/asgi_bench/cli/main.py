"""The command line: one module a verb; `verbs.py` has the table of them."""

import sys

import click

from asgi_bench import __version__
from asgi_bench.cli.verbs import VerbsGroup
from asgi_bench.errors import BenchError, ExitCode


@click.group(
    name="asgi-bench",
    cls=VerbsGroup,
    help="Compare ASGI servers honestly.",
    invoke_without_command=True,
)
@click.version_option(__version__, message=f"asgi-bench {__version__}", help="Show the version.")
@click.pass_context
def app(context: click.Context) -> None:
    """Print the help where no verb is asked for."""
    if context.invoked_subcommand is None:
        print(context.get_help())
        context.exit(ExitCode.USAGE)


def main() -> None:
    """Run the command line; a fault the user can mend is one line on stderr, the last."""
    try:
        app(prog_name="asgi-bench")
    except BenchError as fault:
        if fault.account:
            print(fault.account.rstrip(), file=sys.stderr)
        print(f"asgi-bench: {fault}", file=sys.stderr)
        sys.exit(fault.exit_code)
