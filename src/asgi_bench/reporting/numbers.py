"""Formats figures as text: the only place that does. SI in, the unit of a column out."""

import math

from asgi_bench.analysis.estimates import Interval, Ratio
from asgi_bench.analysis.intervals import half_width
from asgi_bench.analysis.report import Rank
from asgi_bench.model.metric import Metric

MISSING = "–"  # noqa: RUF001 (an en dash is what stands for nothing in a table)
UNTIL = "–"  # noqa: RUF001 (and for a range)
DIGITS = 3
KIBIBYTE = 2**10
MEBIBYTE = 2**20


def significant(value: float | None, digits: int = DIGITS, most_decimals: int = 9) -> str:
    """A figure to so many significant digits, without exponent: `0.0812`, `1.42`, `1,230`.

    Whole digits are never rounded away (`24,813`, not `24,800`); `most_decimals` cuts small ones.
    """
    if value is None:
        return MISSING
    if value == 0:
        return "0"
    # Rounded first: 9.996 has one digit before the point, but is written 10.0.
    rounded = float(f"{value:.{digits - 1}e}")
    decimals = max(digits - 1 - math.floor(math.log10(abs(rounded))), 0)
    decimals = min(decimals, most_decimals)
    return f"{value:,.{decimals}f}"


def compact(value: float | None) -> str:
    """A rate where there is little room: `45.2k`, `1.24M`, `830`."""
    if value is None:
        return MISSING
    for factor, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= factor * 0.9995:
            return significant(value / factor) + suffix
    return significant(value)


def figure(metric: Metric, value: float | None) -> str:
    """A metric's value in the unit that people read it in, without the unit."""
    return significant(None if value is None else value * metric.unit.factor, metric.unit.digits)


def rate(value: float | None) -> str:
    """Requests per second: `24,813`."""
    return significant(value)


def seconds(value: float | None) -> str:
    """A time in s, without the unit: to the hundredth, if a poll found it."""
    return significant(value, 2, 2)


def milliseconds(seconds: float | None) -> str:
    """A time in ms, without the unit."""
    return significant(None if seconds is None else seconds * 1e3)


def microseconds(seconds: float | None) -> str:
    """A time in µs, without the unit."""
    return significant(None if seconds is None else seconds * 1e6)


def millijoules(energy_j: float | None) -> str:
    """An energy in mJ, without the unit."""
    return significant(None if energy_j is None else energy_j * 1e3)


def share(value: float | None) -> str:
    """A count per request, which may be far below 1: two digits, and no finer than a thousandth."""
    return significant(value, 2, 3)


def mebibytes(size_bytes: float | None) -> str:
    """A size in MiB, without the unit: a whole number from 10 on."""
    return significant(None if size_bytes is None else size_bytes / MEBIBYTE, 2)


def megabytes(size_bytes: float | None) -> str:
    """A size in MB, the unit of transfer rates, without the unit."""
    return significant(None if size_bytes is None else size_bytes / 1e6)


def change_in_mebibytes(size_bytes: float | None) -> str:
    """A gain or loss of memory in MiB without the unit, to the tenth."""
    if size_bytes is None:
        return MISSING
    return significant(round(size_bytes / MEBIBYTE, 1), 2, 1)


def growth(estimate: Interval) -> str:
    """A growth in KiB without the unit, with the half-width of its 95 % interval: `1,024 ±12`."""
    if estimate.value is None:
        return MISSING
    text = f"{estimate.value / KIBIBYTE:,.0f}"
    if estimate.upper is None:
        return "0" if text == "-0" else text
    return f"{'0' if text == '-0' else text} ±{(estimate.upper - estimate.value) / KIBIBYTE:,.0f}"


def gibibytes(size_bytes: float) -> str:
    """A size in GiB, with the unit."""
    return f"{significant(size_bytes / 2**30)} GiB"


def percent(share: float | None) -> str:
    """A share in percent, without the sign: `0.12`."""
    return significant(None if share is None else share * 100, 2)


def probability(value: float | None) -> str:
    """A probability: `0.41`, `0.0071`, `< 0.0001`."""
    if value is not None and value < 1e-4:
        return "< 0.0001"
    return significant(value, 2, most_decimals=4)


def signed_percent(share: float | None) -> str:
    """A change with its sign, in hundredths of a percent: `+3.12%`, `0.00%`."""
    if share is None:
        return MISSING
    text = f"{share * 100:+,.2f}%"
    return "0.00%" if text[1:] == "0.00%" else text


def change(metric: Metric, value: float | None) -> str:
    """A metric's change with its sign, in percent; for a linear one in its unit: `+12.40 KiB`."""
    if value is None or not metric.is_linear:
        return signed_percent(value)
    return f"{value * metric.unit.factor:+,.2f} {metric.unit.shown}"


def signed_range(lower: float | None, upper: float | None) -> str:
    """The bounds of a change: `[+2.20%, +4.01%]`."""
    if lower is None or upper is None:
        return MISSING
    return f"[{signed_percent(lower)}, {signed_percent(upper)}]"


def count(value: int | None) -> str:
    """A whole number: `1,234,567`."""
    return MISSING if value is None else f"{value:,}"


def times(value: float | None, most_decimals: int = 3) -> str:
    """A factor: `1.73`, `0.081`."""
    return significant(value, most_decimals=most_decimals)


def factor(value: float | None, most_decimals: int = 3) -> str:
    """A factor with its sign before it."""
    return MISSING if value is None else f"×{times(value, most_decimals)}"  # noqa: RUF001 (the sign itself)


def tick(value: float) -> str:
    """A figure on an axis, as short as it is exact: `0`, `0.5`, `20`."""
    return f"{value:,.10g}"


def compact_tick(value: float) -> str:
    """A rate on an axis: `0`, `500`, `20k`."""
    return f"{tick(value / 1e3)}k" if abs(value) >= 1e3 else tick(value)


def milliseconds_tick(seconds: float) -> str:
    """A time on an axis, in ms without the unit."""
    return tick(float(f"{seconds * 1e3:.6g}"))


def plus_minus(estimate: Interval | Ratio | None) -> str:
    """The wider side of a 95 % interval, in percent of the estimate: `±2.1%`; empty without one."""
    width = None if estimate is None else half_width(estimate)
    return "" if width is None else f"±{significant(width * 100, 2)}%"


def with_interval(text: str, estimate: Interval | Ratio | None) -> str:
    """A formatted estimate with its interval: `24,813 ±2.1%`."""
    return f"{text} {plus_minus(estimate)}".rstrip()


def clock(seconds: float) -> str:
    """A stretch of time: `48 s`, `4 min 48 s`."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def places(rank: Rank | None) -> str:
    """A cell's possible ranks: `2`, or `1–3` if others can't be told apart from it."""  # noqa: RUF002 (the dash of a range)
    if rank is None:
        return MISSING
    return str(rank.best) if rank.best == rank.worst else f"{rank.best}{UNTIL}{rank.worst}"


def moment(timestamp: str) -> str:
    """An ISO timestamp in UTC, to the minute: `2026-11-22 19:00 UTC`; others as they are."""
    if len(timestamp) >= 16 and timestamp[10] == "T":
        return f"{timestamp[:10]} {timestamp[11:16]} UTC"
    return timestamp
