"""`asgi-bench check`: start, verify and stop each server once, or test its conformance."""

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Annotated, get_args

from asgi_bench.analysis.matrix import Accepted, judge_matrix, read_accepted
from asgi_bench.cli.flags import Wait
from asgi_bench.cli.measuring import check_measurable, with_servers
from asgi_bench.cli.report import takes_color, terminal_width
from asgi_bench.cli.streams import say
from asgi_bench.definitions.plan import load_plan
from asgi_bench.definitions.selection import Selection
from asgi_bench.errors import ExitCode, UsageError
from asgi_bench.flags import FILE, OUTPUT, SWITCH, WHAT, Flag, choice
from asgi_bench.measurement.check import Checked, check_all
from asgi_bench.model import Proof
from asgi_bench.plain_text import harmless
from asgi_bench.reporting.matrix.formats import MatrixFormat, render_matrix


class CheckFlags(Selection, frozen=True, kw_only=True):
    """The flags of `check`."""

    wait_s: Wait = None
    matrix: Annotated[
        bool,
        Flag(
            "--matrix",
            WHAT,
            SWITCH,
            "Check each server against the ASGI specification and the HTTP RFCs, and show the "
            "evidence. Checks `default` variants unless --variant names others.",
            is_common=True,
            is_key=False,
        ),
    ] = False
    format: Annotated[
        MatrixFormat,
        Flag(
            "--format",
            OUTPUT,
            choice(*get_args(MatrixFormat)),
            "Format of the matrix.",
            needs=("matrix",),
            needs_words="--format sets the format of the matrix: add --matrix",
            is_key=False,
        ),
    ] = "text"
    accept: Annotated[
        str | None,
        Flag(
            "--accept",
            OUTPUT,
            FILE,
            "File of known failures, one per line: CHECK, or SERVER CHECK.",
            needs=("matrix",),
            needs_words="--accept lists known failures of the matrix: add --matrix",
            is_key=False,
        ),
    ] = None
    strict: Annotated[
        bool,
        Flag(
            "--strict",
            OUTPUT,
            SWITCH,
            "With --matrix: also exit with 1 if a server misses a SHOULD, or if an accepted "
            "failure now passes.",
            needs=("matrix",),
            needs_words="--strict makes the matrix stricter: add --matrix",
            is_key=False,
        ),
    ] = False


def check(asked: CheckFlags) -> None:
    """Start each server, check that it responds correctly with every worker, and stop it."""
    if asked.matrix:
        _check_matrix(asked)
        return
    plan = load_plan(with_servers(asked, print))
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
        print(f"asgi-bench: the servers' logs are in {logs}", file=sys.stderr)
    print(f"{len(results) - failed - skipped} ok, {failed} failed, {skipped} skipped")
    if failed:
        sys.exit(ExitCode.FAILED)


def _tell(result: Checked) -> None:
    if result.fault is not None:
        print(harmless(f"failed   {result.server}: {result.fault}"), flush=True)
    elif result.skip_reason is not None:
        print(harmless(f"skipped  {result.server}: {result.skip_reason}"), flush=True)
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


def _check_matrix(asked: CheckFlags) -> None:
    """Hold each server to all checks, and print what was found."""
    # They bring h2 and wsproto, for which nothing else has a use.
    from asgi_bench.conformance.catalogue import ENTRIES
    from asgi_bench.conformance.matrix import check_matrix

    if asked.own_app is not None:
        raise UsageError("--matrix serves its own app: leave APP out")
    accepted: tuple[Accepted, ...] = ()
    if asked.accept is not None:
        listed = Path(asked.accept).read_text(encoding="utf-8")
        accepted = read_accepted(listed, asked.accept, ENTRIES)
    logs = Path(tempfile.mkdtemp(prefix="asgi-bench-check-"))
    installed = with_servers(asked, say)
    matrix = check_matrix(installed, logs, say, lock_wait_s=asked.wait_s or 0.0)
    verdict = judge_matrix(matrix, accepted, is_strict=asked.strict)
    text = render_matrix(matrix, verdict, asked.format, width=terminal_width(), color=takes_color())
    sys.stdout.write(text)
    for result in verdict.outdated:
        say(f"accepted, but passes now: {result.setting} {result.check}")
    if any(one.is_failed for one in matrix.unchecked):
        say(f"the servers' logs are in {logs}")
    else:
        shutil.rmtree(logs)
    if verdict.is_failed:
        sys.exit(ExitCode.FAILED)
