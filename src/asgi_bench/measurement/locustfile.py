"""A user's own locustfile looked at before anything is measured: what is wrong with it is known."""

from contextlib import ExitStack
from pathlib import Path

from asgi_bench.errors import UsageError
from asgi_bench.load.generator import LoadFault, LoadProcess, Refusal, stock_arguments
from asgi_bench.measurement.load_processes import enter
from asgi_bench.model import (
    Endpoint,
    Plan,
)

# No user starts, so nothing is sent there.
NO_PORT = 1


def check_locustfile(plan: Plan, folder: Path) -> None:
    """Load a plan's locustfile as every cell will, up to its users; the log goes to `folder`.

    Raises:
        UsageError: Locust can't load it, or no number of its users has a cell's connections.
    """
    if plan.locustfile is None:
        return
    loads = {planned.cell.load.connections for planned in plan.cells if not planned.skip_reason}
    for connections in sorted(loads):
        log = folder / f"locustfile-{connections}.log"
        arguments = stock_arguments(Endpoint.local(NO_PORT), connections, plan.locustfile)
        process = LoadProcess(arguments, log=log, is_users_own=True)
        try:
            with ExitStack() as stack:
                enter(stack, process).greet()
        except Refusal as refusal:
            raise UsageError(refusal.text) from refusal
        except LoadFault as fault:
            told = UsageError(f"--locustfile {plan.locustfile}: {fault}")
            told.account = log.read_text(errors="replace")
            raise told from fault
