"""The matrix: every chosen server, one after the other, tested by every check."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

from asgi_bench import __version__
from asgi_bench.conformance.candidates import candidates, matrix_plan
from asgi_bench.conformance.catalogue import CHECKS, ENTRIES, LIFE_CHECKS
from asgi_bench.conformance.known_issues import known_issue
from asgi_bench.conformance.putting import Found
from asgi_bench.conformance.servers import Candidate, check_server
from asgi_bench.conformance.start import Patience
from asgi_bench.definitions.installed import Installation
from asgi_bench.definitions.selection import Selection
from asgi_bench.machine.lock import measuring_lock
from asgi_bench.model.matrix import Matrix, MatrixResult, Unchecked
from asgi_bench.serving.faults import ServerFault


def check_matrix(
    asked: Selection,
    log_folder: Path,
    announce: Callable[[str], None],
    *,
    lock_wait_s: float = 0.0,
) -> Matrix:
    """Run all checks on each server of a selection; `announce` is called with the progress.

    Raises:
        UsageError: as `load_plan` does.
        BenchError: another run holds the machine for longer than `lock_wait_s`.
    """
    plan = matrix_plan(asked)
    python = Installation(asked.python).python_version
    chosen, unchecked = candidates(asked, plan)
    results: list[MatrixResult] = []
    # It times nothing, so others that don't may run beside it.
    with measuring_lock(lock_wait_s, shared=True, announce=announce):
        for candidate in chosen:
            name = f"{candidate.server}/{candidate.variant}"
            announce(f"{name}: {len(ENTRIES)} checks")
            try:
                found = check_server(
                    candidate,
                    plan.scenarios[0],
                    CHECKS,
                    LIFE_CHECKS,
                    logs=log_folder,
                    startup_timeout_s=plan.startup_timeout_s,
                    patience=Patience(),
                )
            except ServerFault as fault:
                failed = Unchecked(candidate.server, candidate.variant, fault.reason, True)
                unchecked.append(failed)
                continue
            results += _results(candidate, found, python)
    return Matrix(
        tool_version=__version__,
        checked_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        results=tuple(results),
        checks=ENTRIES,
        unchecked=tuple(unchecked),
    )


def _results(candidate: Candidate, found: Iterable[Found], python: str) -> list[MatrixResult]:
    return [
        MatrixResult(
            server=candidate.server,
            server_version=candidate.plain.server_version,
            variant=candidate.variant,
            python=python,
            check=entry.id,
            level=entry.level,
            result=finding.result,
            evidence=finding.evidence,
            known_issue=known_issue(entry.id, candidate.packages)
            if finding.result == "no"
            else None,
        )
        for entry, finding in found
    ]
