"""Memory of a process tree, shared pages counted once."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from asgi_bench.machine.processes import PROC

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_PSS_LINE = re.compile(rb"^Pss:\s+(\d+) kB", re.MULTILINE)
_FILE_LINE = re.compile(rb"^Pss_File:\s+(\d+) kB", re.MULTILINE)


def pss_bytes(pids: Iterable[int]) -> int | None:
    """Proportional set size of all these processes together, in bytes.

    PSS divides a shared page among those that map it, so the sum over a tree counts each page of
    forked workers once; the resident size would count it per worker. A process that is gone
    counts as 0; None if one may not be read or none is left. Walks the page tables (some
    milliseconds for a big process): not while load runs.
    """
    return _sum_bytes(pids, _PSS_LINE)


def file_pss_bytes(pids: Iterable[int]) -> int | None:
    """The part of `pss_bytes` from pages of files: programs and libraries.

    It depends on who else maps the same files. None as there, and before Linux 5.8.
    """
    return _sum_bytes(pids, _FILE_LINE)


def _sum_bytes(pids: Iterable[int], line: re.Pattern[bytes]) -> int | None:
    total_kb: int | None = None
    for pid in pids:
        try:
            rollup = (PROC / str(pid) / "smaps_rollup").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        except PermissionError:
            return None
        found = line.search(rollup)
        if found is not None:
            total_kb = (total_kb or 0) + int(found[1])
    return None if total_kb is None else total_kb * 1024


def resident_bytes(pids: Iterable[int]) -> int:
    """Resident set sizes of these processes added up, with shared pages counted each time.

    Takes some 10 us per process and walks nothing: good for seeing that memory grew, not how much
    there is. A process that is gone counts as 0.
    """
    pages = 0
    for pid in pids:
        try:
            pages += int((PROC / str(pid) / "statm").read_bytes().split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    return pages * _PAGE_BYTES
