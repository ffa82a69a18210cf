"""Durations, sizes, shares, counts and numbers as users write them."""

import math
import re
from collections.abc import Mapping

import msgspec

from asgi_bench.errors import UsageError

SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
# Powers of ten and of two by their own names (IEC 80000-13), so that nobody has to guess.
BYTES = {"B": 1, "kB": 10**3, "MB": 10**6, "KiB": 2**10, "MiB": 2**20}
_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]+)", re.ASCII)
_PART = re.compile(rf"\d+(?:\.\d+)?(?:{'|'.join(SECONDS)})", re.ASCII)


def parse_duration(text: str, name: str = "duration") -> float:
    """Return the seconds in `2s`, `500ms` or `1m40s`; `name` is the flag or key to blame.

    Raises:
        UsageError: no number, no unit, or not more than zero.
    """
    parts = _PART.findall(text.strip())
    if len(parts) < 2 or "".join(parts) != text.strip():
        parts = [text]
    return sum(_quantity(part, SECONDS, name, "2s, 500ms or 1m40s") for part in parts)


def parse_size(text: str, name: str = "size") -> float:
    """Return the bytes in `512B`, `64kB` or `1MiB`; `name` is the flag or key to blame.

    Raises:
        UsageError: no number, no unit, or not more than zero.
    """
    return _quantity(text, BYTES, name, "512B, 64kB or 1MiB")


def _quantity(text: str, units: Mapping[str, float], name: str, example: str) -> float:
    match = _QUANTITY.fullmatch(text.strip())
    if match is None or match[2] not in units:
        allowed = ", ".join(units)
        raise UsageError(
            f"{name}: {text!r} needs a number and a unit ({allowed}), such as {example}"
        )
    value = float(match[1]) * units[match[2]]
    if not 0 < value < math.inf:
        raise UsageError(f"{name}: {text!r} must be finite and greater than zero")
    return value


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
        raise UsageError(f"{name}: {text!r} must be a share greater than 0, such as 2% or 0.02")
    return share


class Changes(msgspec.Struct, frozen=True):
    """The smallest changes that matter, as shares."""

    share: float | None = None
    """Of all metrics that have none of their own; None if it isn't given."""
    of: dict[str, float] = {}
    """Of single metrics, by their names."""


def parse_changes(text: str, name: str = "changes") -> Changes:
    """Return the shares in `3%` or `throughput_rps=3%,instructions=0.5%`; `name` is to blame.

    Raises:
        UsageError: none between 0 and 1, or two of the same.
    """
    share: float | None = None
    of: dict[str, float] = {}
    for part in text.split(","):
        metric, equals, own = (word.strip() for word in part.rpartition("="))
        if metric in of or (share is not None and not equals) or (equals and not metric):
            raise UsageError(f"{name}: {text!r} must be SHARE or METRIC=SHARE,…, each once")
        if equals:
            of[metric] = parse_share(own, f"{name}: {metric}")
        else:
            share = parse_share(own, name)
    return Changes(share, of)


def parse_counts(text: str, name: str = "counts") -> tuple[int, ...]:
    """Return the whole numbers in `1,2,4`, each once, in the order given.

    Raises:
        UsageError: one of them is not a whole number from 1 on.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(re.fullmatch(r"0*[1-9]\d{0,8}", part, re.ASCII) for part in parts):
        raise UsageError(f"{name}: {text!r} must be whole numbers of at least 1, such as 1,2,4")
    return tuple(dict.fromkeys(int(part) for part in parts))


def parse_whole(text: str, name: str = "number", *, least: int = 0, most: int | None = None) -> int:
    """Return a whole number; raises UsageError where it isn't one, or out of bounds."""
    number = int(text) if re.fullmatch(r"[+-]?\d{1,18}", text.strip(), re.ASCII) else None
    if number is None or number < least or (most is not None and number > most):
        bounds = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise UsageError(f"{name}: {text!r} must be a whole number {bounds}")
    return number


def parse_number(text: str, name: str = "number", *, least: float = 0.0) -> float:
    """Return a finite number; raises UsageError where it isn't one, or too small."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not least <= number < math.inf:
        raise UsageError(f"{name}: {text!r} must be a number of at least {least:g}")
    return number


def duration_text(duration_s: float) -> str:
    """Return a duration as users write it: the inverse of `parse_duration`."""
    return f"{duration_s * 1e3:.12g}ms" if duration_s < 1 else f"{duration_s:.12g}s"


def size_text(size_bytes: float) -> str:
    """Return a size as users write it: the inverse of `parse_size`."""
    return f"{size_bytes / BYTES['KiB']:.12g}KiB"


def share_text(share: float) -> str:
    """Return a share as users write it: the inverse of `parse_share`."""
    return f"{share * 100:.12g}%"
