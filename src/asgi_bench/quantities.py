"""Durations, sizes, shares and counts as users write them."""

import math
import re

from asgi_bench.errors import UsageError

SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
# Powers of ten and of two by their own names (IEC 80000-13), so that nobody has to guess.
BYTES = {
    "B": 1,
    "kB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
}

_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]+)", re.ASCII)


def parse_duration(text: str, name: str = "duration") -> float:
    """Return the seconds in `2s`, `500ms` or `1.5m`; `name` is the flag or key to blame.

    Raises:
        UsageError: no number, no unit, or not more than zero.
    """
    duration_s = _parse(text, SECONDS, name, "2s, 500ms or 5m")
    if not 0 < duration_s < math.inf:
        raise UsageError(f"{name}: {text!r} must be more than zero, and finite")
    return duration_s


def parse_size(text: str, name: str = "size") -> int:
    """Return the bytes in `512B`, `64kB` or `1MiB`; `name` is the flag or key to blame.

    Raises:
        UsageError: no number, no unit, or not a whole number of bytes.
    """
    size_bytes = _parse(text, BYTES, name, "512B, 64kB or 1MiB")
    if not size_bytes.is_integer():
        raise UsageError(f"{name}: {text!r} is not a whole number of bytes")
    return int(size_bytes)


def parse_share(text: str, name: str = "share") -> float:
    """Return the share in `2%` or `0.02`; `name` is the flag or key to blame.

    Raises:
        UsageError: none between 0 and 1.
    """
    number, percent, rest = text.strip().partition("%")
    try:
        share = float(number) / (100 if percent else 1)
    except ValueError:
        share = -1.0
    if rest or not 0 < share < 1:
        raise UsageError(f"{name}: {text!r} must be a share above 0, as in 2% or 0.02")
    return share


def _parse(text: str, units: dict[str, float] | dict[str, int], name: str, example: str) -> float:
    match = _QUANTITY.fullmatch(text.strip())
    if match is None or match[2] not in units:
        allowed = ", ".join(units)
        raise UsageError(f"{name}: {text!r} needs a number and a unit ({allowed}), as in {example}")
    return float(match[1]) * units[match[2]]


def parse_counts(text: str, name: str = "counts") -> tuple[int, ...]:
    """Return the whole numbers in `1,2,4`, each once, in the order given.

    Raises:
        UsageError: one of them is not a whole number from 1 on.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(re.fullmatch(r"0*[1-9]\d{0,8}", part, re.ASCII) for part in parts):
        raise UsageError(f"{name}: {text!r} must be whole numbers from 1 on, as in 1,2,4")
    return tuple(dict.fromkeys(int(part) for part in parts))
