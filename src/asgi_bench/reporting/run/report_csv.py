"""The report as CSV: every fact of the JSON document in a column of its own.

`line` says what a line is about. A `cell` also has its server setting's command, its speed-up over
fewer workers, what more connections change, and the comparisons in which it is `a`: one field for
each of their keys, with as many entries as there are comparisons. A sweep has a `point` for each
one of its curve, in the columns of a cell at that rate, with the facts of the whole sweep repeated.
Each of several requests has a line after its cell's, and behaviour one for each server setting, in
columns of their own.
"""

import csv
import shlex
from collections.abc import Iterator, Mapping
from io import StringIO
from typing import Any

import msgspec

from asgi_bench.analysis.across_cells import CellRatio, Interpreter, Level, ScalingPoint
from asgi_bench.analysis.estimates import Interval
from asgi_bench.analysis.metrics import FURTHER
from asgi_bench.analysis.report import (
    CellReport,
    Comparison,
    Report,
    RequestReport,
    RunFacts,
    SettingReport,
    SweepPoint,
    SweepReport,
)
from asgi_bench.model import Behaviour
from asgi_bench.reporting.wording import plain

# Of a cell: metrics without a key of their own.
METRICS_KEY = "metrics"
# Of a sweep: each has a line.
POINTS = "points"
REQUESTS, REQUEST = "by_request", "request"
BEHAVIOUR = "behaviour"
# Beside a cell.
RUN, SETTING, SCALING, COMPARISONS = "run", "setting", "scaling", "comparisons"
LEVELS, WAYS, SETUP_RATIOS, INTERPRETER = "levels", "ways", "setup_ratios", "interpreter"
# What identifies a server setting stands in the columns of a cell.
SHARED = ("setting", "server", "variant", "workers", "scenario")
IDENTITY = ("cell", "server", "variant", "workers", "scenario", "http", "transport", "load")
# On every line; the other facts of the run stand beside its cells.
RUN_COLUMNS = ("run", "started_at", "tool_version", "machine", "line")
# A spreadsheet runs a field that begins with one of these (OWASP, "CSV injection").
FORMULA_STARTS = ("=", "+", "-", "@")


def render_csv(report: Report) -> str:
    """The report as CSV (RFC 4180, with a header line), the run's facts in the first columns.

    The columns are the same for every run. Nested keys are joined with a dot, such as
    `throughput_rps.value`; null is an empty field. Commands are in one field, quoted for a shell.
    Several figures are separated by spaces; validity reasons, as `code: text`, by `; `, like
    comparisons and the entries of tables whose keys are open, such as packages. The level, value
    and limit of a reason are in JSON only.
    """
    columns = cell_columns()
    out = StringIO()
    writer = csv.DictWriter(out, [*RUN_COLUMNS, *columns], restval="", lineterminator="\r\n")
    writer.writeheader()
    run = report.run
    facts = (run.id, run.started_at, run.tool_version, run.machine.fingerprint)
    known = frozenset(columns)
    for kind, line in _lines(report):
        fields = dict(zip(RUN_COLUMNS, (*facts, kind), strict=True)) | dict(_flat(line, known))
        writer.writerow({column: field(value) for column, value in fields.items()})
    return out.getvalue()


def cell_columns() -> tuple[str, ...]:
    """The columns of a cell, read from the document's types, whether or not they have values.

    Columns that only a sweep, its points, single requests or behaviour have come after them, and
    last those of what belongs to a cell's setting.
    """
    names = [name for kind in (CellReport, SweepReport, SweepPoint) for name in _names(kind)]
    names += _names(RequestReport, REQUEST)
    shared = {f"{BEHAVIOUR}.{name}" for name in SHARED}
    names += [name for name in _names(Behaviour, BEHAVIOUR) if name not in shared]
    names += [f"{SCALING}.base", *_names(ScalingPoint, SCALING), *_names(SettingReport, SETTING)]
    names += [
        *_names(Level, LEVELS),
        *_names(CellRatio, WAYS),
        *_names(CellRatio, SETUP_RATIOS),
        *_names(Interpreter, INTERPRETER),
        *_names(RunFacts, RUN),
        *_compared_columns(),
    ]
    return tuple(dict.fromkeys(name for name in names if name not in (POINTS, REQUESTS)))


def _lines(report: Report) -> Iterator[tuple[str, dict[str, Any]]]:
    """What each line is about, and what stands on it."""
    yield from _cell_lines(report)
    for each in report.behaviour:
        facts = msgspec.to_builtins(each)
        setting, *others = SHARED
        line = {"cell": facts.pop(setting), **{name: facts.pop(name) for name in others}}
        yield BEHAVIOUR, {**line, BEHAVIOUR: facts}


def _cell_lines(report: Report) -> Iterator[tuple[str, dict[str, Any]]]:
    """Cells with what is known of their run, setting and workers; points; requests."""
    run = msgspec.to_builtins(report.run)
    settings = {each.setting: msgspec.to_builtins(each) for each in report.settings}
    scaling = {
        point.cell: {"base": each.base, **msgspec.to_builtins(point)}
        for each in report.scaling
        for point in each.points
    }
    levels = {each.cell: msgspec.to_builtins(each) for each in report.levels}
    ways = {each.cell: msgspec.to_builtins(each) for each in report.ways}
    ratios = {each.cell: msgspec.to_builtins(each) for each in report.setup_ratios}
    interpreters = {each.name: msgspec.to_builtins(each) for each in report.interpreters}
    for entry in report.everything:
        facts = msgspec.to_builtins(entry)
        points: list[dict[str, Any]] = facts.pop(POINTS, None) or []
        requests: list[dict[str, Any]] = facts.pop(REQUESTS)
        setting = entry.start
        facts[SETTING] = settings.get(setting, {})
        facts |= {
            RUN: run,
            SCALING: scaling.get(entry.cell, {}),
            LEVELS: levels.get(entry.cell, {}),
            WAYS: ways.get(entry.cell, {}),
            SETUP_RATIOS: ratios.get(entry.cell, {}),
            INTERPRETER: interpreters.get(entry.variant.rpartition("@")[2], {}),
            **_compared(report, entry.cell),
        }
        for point in points:
            yield "point", {**facts, **point}
        if not points:
            yield "cell", facts
        identity = {name: facts[name] for name in IDENTITY}
        for request in requests:
            yield REQUEST, {**identity, REQUEST: request}


def _compared_columns() -> list[str]:
    """The columns of comparisons; `a` is the cell they stand beside."""
    return [name for name in _names(Comparison, COMPARISONS) if name != f"{COMPARISONS}.a"]


def _compared(report: Report, cell: str) -> dict[str, str]:
    """The comparisons of a cell with others by column, `null` for nulls."""
    pairs = [
        dict(_flat({COMPARISONS: msgspec.to_builtins(pair)}, frozenset()))
        for pair in (*report.comparisons, *report.latency_comparisons)
        if pair.a == cell
    ]
    return {
        name: "; ".join(str(field(pair.get(name, "null"))) for pair in pairs)
        for name in (_compared_columns() if pairs else ())
    }


def _names(kind: Any, prefix: str = "") -> Iterator[str]:
    """The dotted names of all that a type holds."""
    yield from _type_names(msgspec.inspect.type_info(kind), prefix)


def _type_names(kind: msgspec.inspect.Type, prefix: str) -> Iterator[str]:
    """The same of a type that was looked into."""
    if isinstance(kind, msgspec.inspect.UnionType):
        structs = [part for part in kind.types if isinstance(part, msgspec.inspect.StructType)]
        for part in structs:
            yield from _type_names(part, prefix)
        if structs:
            return
    if not isinstance(kind, msgspec.inspect.StructType):
        yield prefix
        return
    before = f"{prefix}." if prefix else ""
    if kind.tag_field is not None:
        yield before + kind.tag_field
    for field in kind.fields:
        if field.encode_name == METRICS_KEY:
            for metric in FURTHER:
                yield from _names(Interval, f"{before}{METRICS_KEY}.{metric.name}")
        else:
            yield from _type_names(field.type, before + field.encode_name)


def _flat(
    nested: Mapping[str, Any], known: frozenset[str], prefix: str = ""
) -> Iterator[tuple[str, Any]]:
    """Nested objects as one level of dotted keys; a table that has a column is one field."""
    for key, value in nested.items():
        name = f"{prefix}{key}"
        match value:
            case {**entries} if name in known:
                yield name, "; ".join(f"{each}: {text}" for each, text in entries.items())
            case {}:
                yield from _flat(value, known, f"{name}.")
            case [*reasons] if key == "validity_reasons":
                yield name, "; ".join(f"{each['code']}: {each['text']}" for each in reasons)
            case [*wrong] if key == "wrong_answers":
                yield name, "; ".join(f"{each['count']} {each['text']}" for each in wrong)
            case [*words] if key == "command":
                yield name, shlex.join(words)
            case [*figures]:
                yield name, " ".join(map(str, figures))
            case None:
                pass
            case _:
                yield name, value


def field(value: Any) -> Any:
    """A value as CSV has it: booleans as in JSON, text that stays text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        text = plain(value)
        return f"'{text}" if text.startswith(FORMULA_STARTS) else text
    return value
