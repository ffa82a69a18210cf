from pathlib import Path

import pytest
from click.testing import CliRunner

from asgi_bench.cli.main import app
from asgi_bench.errors import BenchError
from tests.synthetic_run import store_run, synthetic_run


def test_recommends_from_the_newest_run(tmp_path: Path) -> None:
    """Without RUN the newest; the last line of stdout is what to start."""
    store_run(synthetic_run(rounds=6), tmp_path)
    result = CliRunner().invoke(app, ["recommend", "-o", str(tmp_path), "--cpus", "1"])
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == "python -m granian --port 8000"


def test_a_run_that_does_not_tell_is_a_fault(tmp_path: Path) -> None:
    """Too few rounds recommend nothing: one line, exit code 1."""
    store_run(synthetic_run(rounds=3), tmp_path)
    result = CliRunner().invoke(app, ["recommend", "-o", str(tmp_path)])
    assert isinstance(result.exception, BenchError)
    assert result.exception.exit_code == 1
    assert result.stdout == ""


@pytest.mark.parametrize("flags", [["--cpus", "0"], ["--slo", "fast"]])
def test_wrong_flags_are_usage(flags: list[str], tmp_path: Path) -> None:
    """A number of CPUs from 1 on, an objective as p99=10ms."""
    store_run(synthetic_run(rounds=6), tmp_path)
    result = CliRunner().invoke(app, ["recommend", "-o", str(tmp_path), *flags])
    assert getattr(result.exception, "exit_code", result.exit_code) == 2
