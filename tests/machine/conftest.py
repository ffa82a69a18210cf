"""What several tests of the machine need."""

import subprocess
import sys

import pytest


@pytest.fixture
def gone_pid() -> int:
    """The pid of a process that has ended and was reaped."""
    child = subprocess.Popen([sys.executable, "-I", "-S", "-c", ""])
    child.wait()
    return child.pid
