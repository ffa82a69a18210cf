"""Proportional set size."""

import mmap
import os
import subprocess
import sys

from asgi_bench.machine import memory

MIB = 1024**2
# A parent with 64 MiB of its own and a forked child that shares them all.
SHARING = """
import os, time
block = b"x" * (64 * 1024**2)
child = os.fork()
if child:
    os.write(1, b"%d\\n" % child)
time.sleep(60)
"""


def test_shared_pages_count_once() -> None:
    """Two processes that share 64 MiB use little more together than one of them alone."""
    argv = [sys.executable, "-I", "-S", "-c", SHARING]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        try:
            both = memory.pss_bytes([parent.pid, child])
            one = memory.pss_bytes([parent.pid])
            files = memory.file_pss_bytes([parent.pid, child])
        finally:
            parent.kill()
            os.kill(child, 9)
    assert both is not None and one is not None
    assert 64 * MIB <= both <= 90 * MIB
    assert one <= 50 * MIB
    assert files is not None and 0 < files <= both - 64 * MIB


def test_the_vanished_use_nothing(gone_pid: int) -> None:
    """Without a live process there is no figure; with one, the vanished don't spoil it."""
    assert memory.pss_bytes([gone_pid]) is None
    assert memory.pss_bytes([]) is None
    assert (memory.pss_bytes([gone_pid, os.getpid()]) or 0) > MIB


def test_resident_size_counts_what_is_touched(gone_pid: int) -> None:
    """What a process holds is in it; the vanished hold nothing."""
    before = memory.resident_bytes([os.getpid(), gone_pid])
    # Fresh pages: what Python allocates may be memory that it held already.
    with mmap.mmap(-1, 32 * MIB) as block:
        block.write(b"x" * len(block))
        grown = memory.resident_bytes([os.getpid()]) - before
    assert 31 * MIB <= grown <= 40 * MIB
