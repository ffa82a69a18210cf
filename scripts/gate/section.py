"""The section of docs/measurements.md on what an A/B catches: made of the records alone."""

from collections.abc import Sequence
from pathlib import Path

from asgi_bench.model import Gate, Machine
from gate.records import Record, read_records
from gate.replay import pseudo_aas
from gate.spread import spread_lines
from gate.table import bounds, table

PSEUDO_RUNS = 10_000
PSEUDO_SEED = 1
# Fewer repetitions than this are no sample of what repetitions may be like.
FEWEST_REPETITIONS = 5
TWO_SIDED_95 = 1.96


def section(folder: Path) -> str:
    """The section on all servers with records: machine, table, pseudo A/As.

    The newest series first, of each uvicorn first.
    """
    folders = sorted(
        folder.glob("*/*/"),
        key=lambda path: (path.parent.name, path.name == "uvicorn"),
        reverse=True,
    )
    recorded = [(path.name, read_records(path)) for path in folders]
    parts = [_of_server(name, records) for name, records in recorded if records]
    return "\n\n".join(parts) or "Nothing has been recorded yet."


def pseudo_line(records: Sequence[Record]) -> str:
    """What pseudo A/As of the blocks of all A/As come to, in sentences; "" for too few A/As."""
    aas = [record for record in records if record.kind == "aa"]
    if len(aas) < FEWEST_REPETITIONS:
        return ""
    found = pseudo_aas(aas, judged_by(records), PSEUDO_RUNS, PSEUDO_SEED)
    rate, given_blocks = found.alarms / found.runs, bounds(found.alarms, found.runs)[1]
    error = found.standard_error() or 0.0
    others = ", ".join(f"{count:,} {word}" for word, count in sorted(found.verdicts.items()))
    return (
        f"{found.runs:,} pseudo A/As of the {found.pool} blocks of A/As, drawn with replacement "
        f"over all repetitions, sides relabelled: {found.alarms} false alarms, {rate:.2%}; in "
        f"all {others}. Given these blocks the rate is at most {given_blocks:.2%} (95 %). The "
        f"blocks come from {len(aas)} repetitions, which need not be alike: by the standard "
        "error of a jackknife over repetitions the rate is at most "
        f"{max(given_blocks, rate + TWO_SIDED_95 * error):.2%}. None of this covers other days "
        "and machines."
    )


def judged_by(records: Sequence[Record]) -> Gate:
    """The gate that a series is judged by: with the smallest change of when it was measured."""
    return Gate(min_change=records[0].gate.min_change)


def _of_server(name: str, records: Sequence[Record]) -> str:
    first, last = records[0], records[-1]
    machines = sorted({record.machine.fingerprint for record in records})
    facts = first.machine
    days = " to ".join(dict.fromkeys((first.started_at[:10], last.started_at[:10])))
    about = (
        f"**{name} {first.server_version}**, 1 worker, 64 connections, budget "
        f"{first.gate.budget_s:g} s, smallest change {judged_by(records).min_change:.1%}: {days} "
        f"on {_processor(facts)}, {facts.cpu_count} CPUs, {facts.os}, {facts.python}, fingerprint "
        f"{', '.join(machines)}."
    )
    spread = " ".join(spread_lines(records))
    parts = ["\n".join(table(records, judged_by(records))), pseudo_line(records), spread]
    return "\n\n".join([about, *(part for part in parts if part)])


def _processor(machine: Machine) -> str:
    """Its name, and what tells it from others that a hypervisor gives the same."""
    facts = "; ".join(machine.processor_facts)
    return f"{machine.cpu_model} ({facts})" if facts else machine.cpu_model
