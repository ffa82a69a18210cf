"""What a matrix means for an exit code: failures that count, and failures that were accepted."""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

import msgspec

from asgi_bench.errors import UsageError
from asgi_bench.model.matrix import CheckEntry, Matrix, MatrixResult


class Accepted(msgspec.Struct, frozen=True):
    """A line of a file of accepted failures: a check, and the servers for which it is accepted."""

    check: str
    servers: str = "*"
    """A glob of a server's name, or of `server/variant`."""

    def covers(self, result: MatrixResult) -> bool:
        """Whether a result is one of those accepted."""
        names = (result.server, result.setting)
        return self.check == result.check and any(fnmatchcase(name, self.servers) for name in names)


class MatrixVerdict(msgspec.Struct, frozen=True):
    """A matrix judged."""

    failures: tuple[MatrixResult, ...]
    """Each `no` at a level that counts, and that nobody has accepted."""
    accepted: tuple[MatrixResult, ...]
    """Each `no` that was accepted."""
    outdated: tuple[MatrixResult, ...]
    """Each `yes` of which a failure was accepted."""
    is_failed: bool
    """Whether the command fails."""


def read_accepted(text: str, where: str, checks: Iterable[CheckEntry]) -> tuple[Accepted, ...]:
    """Read a file of accepted failures: a line is `CHECK`, or `SERVER CHECK`; # begins a comment.

    Raises UsageError, naming the line, if it can't be understood.
    """
    known = {entry.id for entry in checks}
    accepted = []
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        if len(words) > 2:
            raise UsageError(f"{where}:{number}: expected CHECK, or SERVER CHECK: {line.strip()!r}")
        if words[-1] not in known:
            raise UsageError(
                f"{where}:{number}: there is no check {words[-1]!r}; `check --matrix --format "
                "json` lists all checks"
            )
        accepted.append(Accepted(words[-1], *words[:-1]))
    return tuple(accepted)


def judge_matrix(
    matrix: Matrix, accepted: Sequence[Accepted] = (), *, is_strict: bool = False
) -> MatrixVerdict:
    """Judge a matrix: `must` counts, `should` only if strict, `differs` never.

    A server that didn't start has failed. With `is_strict`, an accepted failure that now passes
    counts as a failure of the list.
    """
    levels = ("must", "should") if is_strict else ("must",)
    failures: list[MatrixResult] = []
    covered: list[MatrixResult] = []
    outdated: list[MatrixResult] = []
    for result in matrix.results:
        is_accepted = any(one.covers(result) for one in accepted)
        if result.result == "no" and is_accepted:
            covered.append(result)
        elif result.result == "no" and result.level in levels:
            failures.append(result)
        elif result.result == "yes" and is_accepted:
            outdated.append(result)
    is_failed = bool(failures) or any(one.is_failed for one in matrix.unchecked)
    return MatrixVerdict(
        tuple(failures),
        tuple(covered),
        tuple(outdated),
        is_failed or (is_strict and bool(outdated)),
    )
