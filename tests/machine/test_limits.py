import subprocess
import sys

import pytest

from asgi_bench.machine.limits import SPARE_DESCRIPTORS

# Limits are a process's own, and what was lowered can't be raised again: each in a fresh one.
SCRIPT = """
import resource, sys
from asgi_bench.errors import BenchError
from asgi_bench.machine.limits import raise_descriptor_limit
soft, hard, connections = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
try:
    print(raise_descriptor_limit(connections))
except BenchError as fault:
    print(fault)
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def limited(soft: int, hard: int, connections: int) -> list[str]:
    """What a process with these limits says."""
    argv = [sys.executable, "-c", SCRIPT, *map(str, (soft, hard, connections))]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.splitlines()


@pytest.mark.parametrize("connections", [1, 1024 - SPARE_DESCRIPTORS])
def test_the_soft_limit_is_raised_to_the_hard_one(connections: int) -> None:
    """As many files as the machine allows, for us and whatever we start."""
    assert limited(200, 1024, connections) == ["1024", "1024 1024"]


def test_a_limit_that_is_high_enough_stays() -> None:
    """Nothing to raise, nothing to say."""
    assert limited(1024, 1024, 10) == ["1024", "1024 1024"]


def test_too_low_a_hard_limit_is_a_fault_that_says_what_to_do() -> None:
    """One line: what is needed, what there is, and how to get there."""
    connections = 1024 - SPARE_DESCRIPTORS + 1
    line, _ = limited(200, 1024, connections)
    assert line.startswith(f"{connections} connections need 1025 open files, but this machine")
    assert "allows 1024" in line
    assert "ulimit -Hn" in line
    assert "lower -c" in line
