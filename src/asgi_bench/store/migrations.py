"""Schema versions of the run folder: newer ones are refused, older ones migrated.

History: 1, the first; 2, histograms by the name of their time, and what meters record about a slice
by the meter's name, instead of a key for each; what was learned before the first round in
`preparation`, beside the plan.
A new version adds one entry to `MIGRATIONS`, from the version before it, and a folder of that
version to the tests.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

import msgspec

from asgi_bench.errors import BenchError
from asgi_bench.model import SCHEMA_VERSION, TIME_NAMES, Cell

# What JSON gives before it is checked against the structs.
Raw: TypeAlias = dict[str, Any]

RUN_SCHEMA = "asgi-bench/run"


class Migration(NamedTuple):
    """The step from one version to the next, for `run.json` and for each line of trials."""

    header: Callable[[Raw], Raw]
    trial: Callable[[Raw], Raw]


def _by_name(trial: Raw) -> Raw:
    """Histograms of times into `times_hdr`, what meters told of a slice into its `meters`."""
    _times_by_name(trial)
    for piece in trial.get("slices", ()):
        told = {name: piece.pop(name, None) for name in METERS_OF_1}
        piece["meters"] = {name: value for name, value in told.items() if value is not None}
    return trial


def _with_preparation(header: Raw) -> Raw:
    """What was learnt before the first round out of the plan: it has a place of its own."""
    plan = header.get("plan")
    if plan is None:
        return header  # Refused where it is read.
    ends = [end for end in (plan.get("gate"), plan.get("goal")) if end]
    spent_s = [end.pop("spent_s", None) or 0.0 for end in ends]
    asked = {
        msgspec.convert(planned["cell"], Cell).key: number
        for planned in plan["cells"]
        if (number := planned.pop("asked_before", 0))
    }
    header["preparation"] = {
        "scenarios": plan["scenarios"],
        "asked": asked,
        "calibration": header.pop("calibration", None),
        "spent_s": max(spent_s, default=0.0),
    }
    return header


def _times_by_name(raw: Raw) -> None:
    """`response_time_hdr` and its like of a trial, of its requests and of its slices."""
    found = {name: raw.pop(f"{name}_hdr", None) for name in TIME_NAMES}
    raw["times_hdr"] = {name: blob for name, blob in found.items() if blob is not None}
    for part in (*raw.get("by_request", ()), *raw.get("slices", ())):
        _times_by_name(part)


METERS_OF_1 = ("server_wait_s", "steal_s", "neighbour_cpu_s", "other_cpu_s")
MIGRATIONS: Mapping[int, Migration] = {1: Migration(header=_with_preparation, trial=_by_name)}


def migration_path(
    schema: str, version: int, migrations: Mapping[int, Migration] = MIGRATIONS
) -> tuple[Migration, ...]:
    """The steps from a stored version to this tool's; none for its own.

    Raises BenchError for another kind of file, for a newer version and for one too old. The
    message lacks the file's name, which the caller knows.
    """
    if schema != RUN_SCHEMA:
        raise BenchError(f"schema is {schema!r}, not {RUN_SCHEMA!r}")
    if version > SCHEMA_VERSION:
        raise BenchError(
            f"schema_version is {version}, but this asgi-bench reads up to {SCHEMA_VERSION}: "
            "upgrade asgi-bench to read this run"
        )
    missing = [step for step in range(version, SCHEMA_VERSION) if step not in migrations]
    if missing:
        raise BenchError(
            f"schema_version is {version}, but this asgi-bench reads {missing[-1] + 1} to "
            f"{SCHEMA_VERSION}"
        )
    return tuple(migrations[step] for step in range(version, SCHEMA_VERSION))


def migrate_header(raw: Raw, path: tuple[Migration, ...]) -> Raw:
    """`run.json` migrated along the path; its `schema_version` becomes this tool's.

    Raises msgspec.ValidationError if it doesn't have the form of its version.
    """
    for step in path:
        raw = _taken(step.header, raw)
    return {**raw, "schema_version": SCHEMA_VERSION}


def migrate_trial(raw: Raw, path: tuple[Migration, ...]) -> Raw:
    """One line of `trials.jsonl` migrated along the path; raises as `migrate_header` does."""
    for step in path:
        raw = _taken(step.trial, raw)
    return raw


def _taken(step: Callable[[Raw], Raw], raw: Raw) -> Raw:
    """A step takes the form of its version for granted, but anybody may have changed the file."""
    try:
        return step(raw)
    except (KeyError, TypeError, AttributeError) as error:
        told = f"lacks {error}" if isinstance(error, KeyError) else str(error)
        raise msgspec.ValidationError(f"not of the version that it states: {told}") from None
