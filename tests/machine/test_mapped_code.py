"""What machine code a process runs."""

import hashlib
import os
import sys
from pathlib import Path

from asgi_bench.machine.mapped_code import DIGEST_LETTERS, mapped_code


def test_own_code_is_told_by_digest() -> None:
    """The interpreter, the C library and an extension module are there, each by its content."""
    found = mapped_code([os.getpid()])
    program = Path(os.path.realpath("/proc/self/exe"))
    digest = hashlib.sha256(program.read_bytes()).hexdigest()[:DIGEST_LETTERS]
    assert found[program.name] == digest
    assert any(name.startswith("libc.so") for name in found)
    # msgspec's, which this test's imports need.
    assert any(name.startswith("msgspec/") for name in found), sys.modules.keys()


def test_who_is_gone_maps_nothing() -> None:
    """A process that doesn't exist has no code, and is no fault."""
    assert mapped_code([2**22 + 1]) == {}
