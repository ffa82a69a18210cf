from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from asgi_bench.cli.main import command
from asgi_bench.errors import UsageError
from asgi_bench.model import RunHeader
from tests.synthetic_history import run_at
from tests.synthetic_run import store_run

replace = msgspec.structs.replace


def invoke(*args: str | Path) -> Result:
    """Run the verb alone."""
    return CliRunner().invoke(command("compare"), list(map(str, args)))


@pytest.mark.parametrize("format", ["text", "markdown"])
def test_last_line_is_the_verdict(tmp_path: Path, format: str) -> None:
    """A regression exits with 3, its sentence on the last line in either format."""
    base, slow = store_run(run_at(0), tmp_path), store_run(run_at(1, 0.9), tmp_path)
    result = invoke(base, slow, "--format", format)
    assert result.exit_code == 3, result.output
    assert result.stdout.splitlines()[-1].startswith("regression: granian/uvloop")
    assert "commit of the app" in result.stdout


def test_undecided_is_no_failure_unless_asked(tmp_path: Path) -> None:
    """Without a common reference nothing is decided: 0, and 4 with --fail-on-undecided."""

    def older(header: RunHeader) -> RunHeader:
        cells = tuple(replace(p, server_version="0") for p in header.plan.cells)
        return replace(header, plan=replace(header.plan, cells=cells))

    base, other = store_run(run_at(0), tmp_path), store_run(run_at(1, edit=older), tmp_path)
    assert invoke(base, other).exit_code == 0
    assert invoke(base, other, "--fail-on-undecided").exit_code == 4


def test_other_machine_needs_force(tmp_path: Path) -> None:
    """Runs of two machines are refused, and with --force the verdict says what it is worth."""

    def elsewhere(header: RunHeader) -> RunHeader:
        return replace(header, machine=replace(header.machine, fingerprint="other"))

    base = store_run(run_at(0), tmp_path)
    other = store_run(run_at(1, 0.9, elsewhere), tmp_path)
    refused = invoke(base, other)
    assert isinstance(refused.exception, UsageError)
    assert "3f9c2d71" in str(refused.exception) and "other" in str(refused.exception)
    forced = invoke(base, other, "--force")
    assert forced.exit_code == 3
    assert (
        "the runs are from different machines, so treat this as a hint"
    ) in forced.stdout.splitlines()[-1]
