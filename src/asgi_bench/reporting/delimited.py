"""The report as CSV: every figure of the JSON document in a column of its own.

A cell is one line. A sweep has one for each point of its curve, in the columns of a cell under
that rate, with what is said of the whole sweep repeated. Each of several requests has a line
after that of its cell, and behaviour one for each server setting, in columns of their own.
"""

import csv
from collections.abc import Iterator, Mapping
from io import StringIO
from typing import Any

import msgspec

from asgi_bench.analysis.document import (
    CellReport,
    Report,
    RequestReport,
    SweepPoint,
    SweepReport,
)
from asgi_bench.model import Behaviour
from asgi_bench.reporting.wording import plain

# Of a sweep: each has a line.
POINTS = "points"
REQUESTS, REQUEST = "by_request", "request"
BEHAVIOUR = "behaviour"
# What identifies a server setting stands in the columns of a cell.
SETTING = ("setting", "server", "variant", "workers", "scenario")
IDENTITY = ("cell", "server", "variant", "workers", "scenario", "load")
RUN_COLUMNS = ("run", "started_at", "tool_version", "machine")
# A spreadsheet runs a field that begins with one of these (OWASP, "CSV injection").
FORMULA_STARTS = ("=", "+", "-", "@")


def render_csv(report: Report) -> str:
    """Cells and sweeps as CSV (RFC 4180, with a header line), the run's facts in the first columns.

    The columns are the same for every run. Nested keys are joined with a dot, as in
    `throughput_rps.value`; null is an empty field, and the validity reasons are one field of
    `code: text`, parted by `; `.
    """
    out = StringIO()
    writer = csv.DictWriter(out, [*RUN_COLUMNS, *cell_columns()], restval="", lineterminator="\r\n")
    writer.writeheader()
    run = report.run
    facts = (run.id, run.started_at, run.tool_version, run.machine.fingerprint)
    for line in _lines(report):
        fields = {**dict(zip(RUN_COLUMNS, facts, strict=True)), **line}
        writer.writerow({column: field(value) for column, value in fields.items()})
    return out.getvalue()


def cell_columns() -> tuple[str, ...]:
    """The columns of a cell, read from the document's types: null or not, they are there.

    Those that only a sweep, its points, single requests or behaviour have come last.
    """
    names = [
        name
        for kind in (CellReport, SweepReport, SweepPoint)
        for name in _names(msgspec.inspect.type_info(kind))
    ]
    names += _names(msgspec.inspect.type_info(RequestReport), REQUEST)
    names += [
        f"{BEHAVIOUR}.{name}"
        for name in _names(msgspec.inspect.type_info(Behaviour))
        if name not in SETTING
    ]
    return tuple(dict.fromkeys(name for name in names if name not in (POINTS, REQUESTS)))


def _lines(report: Report) -> Iterator[dict[str, Any]]:
    """What stands on each line, by column."""
    for entry in report.everything:
        facts = msgspec.to_builtins(entry)
        points: list[dict[str, Any]] = facts.pop(POINTS, None) or [{}]
        requests: list[dict[str, Any]] = facts.pop(REQUESTS)
        for point in points:
            yield dict(_flat({**facts, **point}))
        identity = {name: facts[name] for name in IDENTITY}
        for request in requests:
            yield dict(_flat({**identity, REQUEST: request}))
    for each in report.behaviour:
        facts = msgspec.to_builtins(each)
        setting, *others = SETTING
        line = {"cell": facts.pop(setting), **{name: facts.pop(name) for name in others}}
        reasons = facts.pop("missing")
        facts["missing"] = "; ".join(f"{part}: {text}" for part, text in reasons.items()) or None
        yield dict(_flat({**line, BEHAVIOUR: facts}))


def _names(kind: msgspec.inspect.Type, prefix: str = "") -> Iterator[str]:
    """The dotted names of all that a type holds."""
    if isinstance(kind, msgspec.inspect.UnionType):
        structs = [part for part in kind.types if isinstance(part, msgspec.inspect.StructType)]
        for part in structs:
            yield from _names(part, prefix)
        if structs:
            return
    if not isinstance(kind, msgspec.inspect.StructType):
        yield prefix
        return
    before = f"{prefix}." if prefix else ""
    if kind.tag_field is not None:
        yield before + kind.tag_field
    for field in kind.fields:
        yield from _names(field.type, before + field.encode_name)


def _flat(nested: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested objects as one level of dotted keys, without the nulls."""
    for key, value in nested.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name}.")
        elif key == "validity_reasons":
            yield name, "; ".join(f"{reason['code']}: {reason['text']}" for reason in value)
        elif isinstance(value, list | tuple):
            yield name, " ".join(map(str, value))
        elif value is not None:
            yield name, value


def field(value: Any) -> Any:
    """A value as CSV holds it: booleans as JSON has them, text that stays text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        text = plain(value)
        return f"'{text}" if text.startswith(FORMULA_STARTS) else text
    return value
