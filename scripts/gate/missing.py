"""The repetitions that a series lacks: which is next, and measuring one after the other."""

import json
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from gate.records import Kept, write_record

TURNS_FILE = "turns.json"

KindT = TypeVar("KindT", bound=str)
KeptT = TypeVar("KeptT", bound=Kept)


def wanted(text: str, known: Collection[KindT]) -> dict[KindT, int]:
    """Return how many repetitions of each kind `aa=30,slow3=15` asks for; exits for another."""
    counts: dict[KindT, int] = {}
    for part in text.split(","):
        name, _, number = part.partition("=")
        kinds = [kind for kind in known if kind == name.strip()]
        if not kinds or not number.isdigit():
            script = Path(sys.argv[0]).name
            sys.exit(f"{script}: {part!r} must be as in aa=30; kinds are {', '.join(known)}")
        counts[kinds[0]] = int(number)
    return counts


def next_kind(done: Sequence[Kept], wanted: Mapping[KindT, int]) -> tuple[KindT, int] | None:
    """Return which repetition is next and its number, so that any prefix is balanced."""
    numbers = {kind: {one.number for one in done if one.kind == kind} for kind in wanted}
    left = {kind: len(numbers[kind]) / n for kind, n in wanted.items() if len(numbers[kind]) < n}
    if not left:
        return None
    kind = min(left, key=lambda one: left[one])
    return kind, next(n for n in range(1, wanted[kind] + 1) if n not in numbers[kind])


def measure_missing(
    folder: Path,
    wanted: Mapping[KindT, int],
    most: int,
    *,
    done: Callable[[Path], Sequence[Kept]],
    find_turns: Callable[[], float],
    measure: Callable[[KindT, int, float], KeptT],
    told: Callable[[KeptT], str],
) -> None:
    """Measure what is missing, at most so many repetitions.

    First how many turns of the loop double a request: `measure` is given that with the kind and the
    number. What is `told` of each is printed.
    """
    turns_path = folder / TURNS_FILE
    for _ in range(most):
        todo = next_kind(done(folder), wanted)
        if todo is None:
            return
        if not turns_path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            turns = {"turns_of_a_whole_request": round(find_turns())}
            turns_path.write_text(json.dumps(turns) + "\n")
            # A command of its own, so that none takes longer than a repetition.
            continue
        turns_of_all = json.loads(turns_path.read_text())["turns_of_a_whole_request"]
        record = measure(*todo, turns_of_all)
        path = write_record(folder, record)
        print(f"{path.name}: {told(record)}", flush=True)
