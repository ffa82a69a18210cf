import subprocess
import sys
from pathlib import Path

import pytest

from tests.synthetic_run import store_run, synthetic_run

# What the standard library lacks on other systems goes after others have imported theirs: what
# those do there is not ours to test.
ELSEWHERE = """
import select, sys
import hdrh.histogram, jinja2, matplotlib.pyplot, msgspec, numpy, psutil, rich.table
import scipy.special, scipy.stats, typer
for name in ("fcntl", "resource", "gevent", "locust"):
    sys.modules[name] = None
del select.epoll
sys.platform = "darwin"
from asgi_bench.cli.main import main
main()
"""


def elsewhere(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The command line on a system that isn't Linux."""
    argv = [sys.executable, "-c", ELSEWHERE, *map(str, arguments)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("verb", ["check", "run", "ab", "calibrate"])
def test_measuring_elsewhere_is_refused_in_one_line(verb: str) -> None:
    """Whatever its flags, a verb that measures says that it needs Linux, and exits with 1."""
    done = elsewhere(verb, "--server", "uvicorn", "--budget=5s")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "asgi-bench: measuring needs Linux, this is darwin; "
        "report, plot and the other reading verbs work here"
    ]


def test_reading_works_elsewhere(tmp_path: Path) -> None:
    """Stored runs are read without any module that Linux alone has."""
    folder = store_run(synthetic_run(), tmp_path)
    for verb in (
        ("--help",),
        ("report", folder),
        ("export", folder, "--format", "csv"),
        ("compare", folder, folder),
        ("history", tmp_path),
    ):
        done = elsewhere(*verb)
        assert done.returncode == 0, done.stderr
