"""`asgi-bench check`: start, verify and stop each server once."""

import shutil
import sys
import tempfile
from pathlib import Path

from asgi_bench.cli.flags import Wait
from asgi_bench.cli.measuring import check_measurable
from asgi_bench.definitions.plan import load_plan
from asgi_bench.definitions.selection import Selection
from asgi_bench.errors import ExitCode
from asgi_bench.measurement.check import Checked, check_all
from asgi_bench.model import Proof
from asgi_bench.setups.interpreters import with_environments


class CheckFlags(Selection, frozen=True, kw_only=True):
    """The flags of `check`."""

    wait_s: Wait = None


def check(asked: CheckFlags) -> None:
    """Start each server, see that it answers rightly with every worker, and stop it."""
    plan = load_plan(with_environments(asked, print))
    check_measurable(plan)
    logs = Path(tempfile.mkdtemp(prefix="asgi-bench-check-"))
    failed = 0
    try:
        results = check_all(plan, logs, _tell, announce=print, lock_wait_s=asked.wait_s or 0.0)
        failed = sum(result.fault is not None for result in results)
    finally:
        if not failed:
            shutil.rmtree(logs)
    skipped = sum(result.skip_reason is not None for result in results)
    if failed:
        print(f"asgi-bench: what the servers wrote is kept in {logs}", file=sys.stderr)
    print(f"{len(results) - failed - skipped} ok, {failed} failed, {skipped} skipped")
    if failed:
        sys.exit(ExitCode.FAILED)


def _tell(result: Checked) -> None:
    if result.fault is not None:
        print(f"failed   {result.server}: {result.fault}", flush=True)
    elif result.skip_reason is not None:
        print(f"skipped  {result.server}: {result.skip_reason}", flush=True)
    else:
        print(f"ok       {result.server}{_in_words(result.proof)}", flush=True)


def _in_words(proof: Proof | None) -> str:
    """What really runs: loop, protocol and parser by their classes, and the socket's option."""
    if proof is None:
        return ""
    if proof.unproven is not None:
        return f": unproven: {proof.unproven}"
    nodelay = {True: "TCP_NODELAY", False: "no TCP_NODELAY", None: None}[proof.tcp_nodelay]
    # Where the protocol is its own parser there is no other.
    parts = (_short(proof.loop), _short(proof.protocol), _short(proof.parser), nodelay)
    return f": {', '.join(part for part in parts if part)}"


def _short(name: str | None) -> str | None:
    """`httptools.HttpRequestParser` for `httptools.parser.parser.HttpRequestParser`."""
    return name and f"{name.partition('.')[0]}.{name.rpartition('.')[2]}"
