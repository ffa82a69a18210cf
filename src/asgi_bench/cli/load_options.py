"""The flags that say how servers are loaded: connections, rates, rounds, and by which client."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from asgi_bench.definitions.loads import DEFAULT_CONNECTIONS
from asgi_bench.errors import UsageError
from asgi_bench.model import Arrivals

Connections = Annotated[
    str | None,
    typer.Option(
        "--connections",
        "-c",
        metavar="N,…",
        help="Connections, as in 8,64; with --rate the cap of each. Else 64, with --rate 256.",
    ),
]
Rates = Annotated[
    str | None,
    typer.Option(
        "--rate",
        "-r",
        metavar="RATE,…",
        help="Open loop: requests per second, or a share of the cell's own: 500,50%.",
    ),
]
ArrivalsChoice = Annotated[
    Arrivals, typer.Option("--arrivals", help="When an open loop's requests are due.")
]
Closed = Annotated[bool, typer.Option("--closed", help="With --rate: the closed loops as well.")]
Sweep = Annotated[
    bool,
    typer.Option("--sweep", help="The load curve: open loops from light load past saturation."),
]
Slo = Annotated[
    str | None,
    typer.Option(
        "--slo", metavar="PNN=TIME", help="With --sweep: find the highest rate that keeps p99=10ms."
    ),
]
CommonRate = Annotated[
    float | None,
    typer.Option(
        "--common-rate",
        metavar="RPS",
        min=0.1,
        help="Besides, load each server's default variant with 1 worker at this rate.",
    ),
]
Rounds = Annotated[
    int | None,
    typer.Option(
        "--rounds",
        min=1,
        metavar="N",
        help="Rounds of fresh processes, else 6; in `ab` the most there may be within its budget.",
    ),
]
Duration = Annotated[
    str, typer.Option("--duration", metavar="TIME", help="Measured time per cell and round.")
]
RequestTimeout = Annotated[
    str, typer.Option("--timeout", metavar="TIME", help="The longest wait for an answer.")
]
ClientChoice = Annotated[
    Literal["fast", "fasthttp", "http"],
    typer.Option("--client", help="Our Locust user, or one of Locust's own (not interleaved)."),
]
LoadProcesses = Annotated[
    int, typer.Option("--load-processes", min=1, help="Locust processes that share the load.")
]
Locustfile = Annotated[
    Path | None,
    typer.Option(
        "--locustfile",
        metavar="FILE",
        exists=True,
        dir_okay=False,
        help="Run your own Locust users against each server (not interleaved).",
    ),
]
WebUi = Annotated[
    bool, typer.Option("--web-ui", help="Open Locust's own live page during the run.")
]


def check_load_processes(processes: int, connections: Sequence[int] | None) -> None:
    """Raise UsageError where a load process would be without a connection to send on."""
    fewest = min(connections or (DEFAULT_CONNECTIONS,))
    if processes > fewest:
        raise UsageError(
            f"--load-processes: {processes} need a connection each, and --connections gives "
            f"{fewest}"
        )


def check_other_client(
    client: str, locustfile: Path | None, *, load_processes: int, has_open_loops: bool
) -> None:
    """Raise UsageError for what only our own user does, and for two other clients at once."""
    if has_open_loops:
        raise UsageError(
            "--rate, --common-rate and --sweep need the fast client: others are closed loops"
        )
    if load_processes > 1:
        raise UsageError("--load-processes: only the fast client shares its load among several")
    if locustfile is not None and client != "fast":
        raise UsageError("--locustfile, --client: give one of them; a file brings its own users")
