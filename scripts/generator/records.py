"""What benches found, in a file each, from which a run of all of them goes on."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, Self

import msgspec

from asgi_bench import __version__
from asgi_bench.machine.fingerprint import describe_machine
from asgi_bench.store.files import write_whole
from generator.slices import Bench, Sample

Found = dict[str, list[Sample]]


class Origin(msgspec.Struct, frozen=True):
    """Of which run the slices are."""

    seed: int
    rounds: int
    """How many the run has when it is complete."""
    fingerprint: str
    cpu_model: str
    tool_version: str
    began_at: str

    @classmethod
    def here(cls, seed: int, rounds: int) -> Self:
        """A run that begins now, on this machine."""
        machine = describe_machine()
        began_at = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        return cls(seed, rounds, machine.fingerprint, machine.cpu_model, __version__, began_at)

    def continues(self, earlier: "Origin") -> bool:
        """Whether this run would be the same as an earlier one but for its beginning."""
        return msgspec.structs.replace(self, began_at=earlier.began_at) == earlier


class Progress(NamedTuple):
    """A run, the rounds that all benches have, and their slices by bench."""

    origin: Origin
    rounds_done: int
    found: Found


def progress(
    files: Mapping[str, Path], benches: Mapping[str, Bench], fresh: Origin
) -> Progress | None:
    """Return the run to go on with: the one that the files hold, if it lacks rounds.

    Every file has to be of one and the same run, on this machine, as it is asked for now.
    """
    kept = {name: record for name, file in files.items() if (record := _read(file))}
    origins = {origin for origin, _ in kept.values()}
    if len(kept) < len(files) or len(origins) > 1:
        return None
    (origin,) = origins
    done = min(_complete_rounds(benches[name], samples) for name, (_, samples) in kept.items())
    if not fresh.continues(origin) or done >= origin.rounds:
        return None
    found = {
        name: [one for one in samples if one.round < done * benches[name].turns]
        for name, (_, samples) in kept.items()
    }
    return Progress(origin, done, found)


def _complete_rounds(bench: Bench, samples: Sequence[Sample]) -> int:
    """Return how many rounds there are; a file is written when one is complete."""
    return 1 + max((one.round for one in samples), default=-1) // bench.turns


def _read(file: Path) -> tuple[Origin, list[Sample]] | None:
    """Return what a record holds; None where there is none, or of which run it is isn't told."""
    try:
        kept = json.loads(file.read_bytes())
    except FileNotFoundError:
        return None
    if "run" not in kept:
        return None
    slices = msgspec.convert(kept["slices"], list[Sample])
    return msgspec.convert(kept["run"], Origin), slices


def write_record(file: Path, bench: Bench, samples: Sequence[Sample], origin: Origin) -> None:
    """Write a bench's slices, with the ratios that follow from them."""
    kept = {
        "run": msgspec.to_builtins(origin),
        **bench.facts,
        "ratios": bench.ratios(samples),
        "slices": msgspec.to_builtins(samples),
    }
    write_whole(file, json.dumps(kept, indent=1).encode() + b"\n")
