"""`asgi-bench ab --count` on a real server."""

import shutil
from pathlib import Path

import pytest

from asgi_bench.counting import run
from asgi_bench.counting.backends.strace import Strace
from tests.command_line import in_process

APPS = Path(__file__).resolve().parents[2] / "scripts" / "gate" / "apps"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_one_more_call_a_request_is_called_by_system_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A candidate that asks for a file once more a request is a regression, by name and number."""
    # Instructions, and valgrind, have tests of their own.
    monkeypatch.setattr(run, "passes", lambda *_, **__: (run.Pass(Strace(), 2),))
    monkeypatch.setattr(run, "MORE_ANSWERS", 300)
    monkeypatch.setattr(run, "LEAST_ANSWERS", 300)
    code = (APPS / "changed.py").read_text()
    for name, change in (("baseline", "none"), ("candidate", "stat")):
        (tmp_path / name).mkdir()
        told = code.replace('os.environ.get(CHANGE_VARIABLE, "none")', repr(change))
        (tmp_path / name / "changed.py").write_text(told)
    done = in_process(
        *("ab", "--count", "--budget", "1s", "--rounds", "2", "-o", "kept"),
        *("--baseline-app", "changed:app", "--baseline-app-dir", "baseline"),
        *("--candidate-app", "changed:app", "--candidate-app-dir", "candidate"),
        folder=tmp_path,
    )
    assert done.code == 3, done.stderr
    last = done.stdout.splitlines()[-1]
    assert last.startswith("regression: uvicorn/default/w1/hello/c1: 1.00 calls more system calls")
