"""How far a count travels: the same server counted in other places, and what that moves.

A place is a path, a user, an environment or a CPU. Each is counted in the same layouts by a process
of its own, which is started as the place asks for.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from math import expm1, log
from pathlib import Path

import msgspec
import numpy as np

from asgi_bench.analysis.counts import layout_estimates
from asgi_bench.errors import BenchError
from asgi_bench.model import RunHeader
from asgi_bench.model.counts import Life
from gate.records import read_kept, write_record

ROOT = Path(__file__).resolve().parents[2]
SERVER = "uvicorn"
HERE = "here"
LONG = Path(tempfile.gettempdir()) / "a-checkout-somewhere-else" / ("x" * 80) / ("y" * 80)
# What a CPU of before 2013 lacks, as glibc is told it.
OLD_CPU = "glibc.cpu.hwcaps=-AVX2,-BMI2,-ERMS,-FMA,-LZCNT,-MOVBE,-AVX_Fast_Unaligned_Load"
# In a name space of its own: where a folder above the interpreter is its owner's alone, as a home
# is, another takes its place, with nothing in it but the interpreter.
_AS_NOBODY = """
set -e
hidden=$1 base=$2; shift 2
if [ -n "$hidden" ]; then
    kept=/tmp/asgi-bench-interpreter; mkdir -p "$kept"; mount --bind "$base" "$kept"
    mount -t tmpfs -o mode=755 none "$hidden"; mkdir -p "$base"; mount --bind "$kept" "$base"
fi
exec setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
"""


def _as_nobody() -> tuple[str, ...]:
    """What starts a command as another user, who can read the interpreter."""
    base = Path(sys.base_prefix)
    above = reversed(base.parents)
    hidden = next((str(one) for one in above if not one.stat().st_mode & 0o001), "")
    return ("unshare", "--mount", "sh", "-c", _AS_NOBODY, "sh", hidden, str(base))


TOLD_OF_CPU = ("basic.kind", "basic.family", "basic.model", "data_cache_size", "level3_cache_size")


class TravelRecord(msgspec.Struct, frozen=True):
    """One place in one layout: two lives. `kind` is the place, `number` the layout from 1 on."""

    kind: str
    number: int
    header: RunHeader
    lives: tuple[Life, ...]
    version: int = 1


class Place(msgspec.Struct, frozen=True):
    """Where a server is counted: in words, and how the process that counts is started there."""

    told: str
    prefix: tuple[str, ...] = ()
    env: dict[str, str] = {}
    checkout: Path = ROOT


PLACES: dict[str, Place] = {
    HERE: Place("here"),
    "long": Place("a checkout and its environment under a path of 200 letters", checkout=LONG),
    "nobody": Place("another user (`nobody`)", prefix=_as_nobody(), env={"HOME": "/nonexistent"}),
    "many": Place(
        "40 variables and 4,000 bytes more of environment",
        env={f"ASGI_BENCH_MORE_{number:02}": "x" * 80 for number in range(40)},
    ),
    "old": Place("a CPU without AVX2, emulated through glibc", env={"GLIBC_TUNABLES": OLD_CPU}),
    "again": Place("here again, at another time"),
}


def next_place(done: Sequence[TravelRecord], layouts: int) -> tuple[str, int] | None:
    """Return which place is next, in which layout: all places in one before the next."""
    known = {(one.kind, one.number) for one in done}
    wanted = ((name, layout) for layout in range(1, layouts + 1) for name in PLACES)
    return next((one for one in wanted if one not in known), None)


def measure_place(name: str, layout: int, folder: Path) -> TravelRecord:
    """Count a place in a layout, and keep it; raises BenchError with what its process said."""
    place = PLACES[name]
    if place.checkout != ROOT:
        _copy(place.checkout)
    python = place.checkout / ".venv" / "bin" / "python"
    script = place.checkout / "scripts" / "bench-count-travel"
    with tempfile.TemporaryDirectory(prefix="asgi-bench-travel-") as out:
        Path(out).chmod(0o777)
        command = [*place.prefix, python, script, "--layout", str(layout - 1), "--into", out]
        done = subprocess.run(
            [str(word) for word in command],
            env={**os.environ, **place.env},
            capture_output=True,
            text=True,
            check=False,
            cwd=place.checkout,
        )
        if done.returncode:
            raise BenchError(f"{name}: {(done.stderr or done.stdout).strip()[-500:]}")
        header = msgspec.json.decode((Path(out) / "header.json").read_bytes(), type=RunHeader)
        lives = msgspec.json.decode((Path(out) / "lives.json").read_bytes(), type=tuple[Life, ...])
    record = TravelRecord(name, layout, header, lives)
    write_record(folder, record)
    return record


def _copy(place: Path) -> None:
    """Another checkout with an environment of its own: the same files under other names."""
    if (place / ".venv").is_dir():
        return
    place.mkdir(parents=True, exist_ok=True)
    for part in ("src", "apps", "runners", "scripts"):
        shutil.copytree(ROOT / part, place / part, dirs_exist_ok=True)
    # Links in place of copies: 900 MB otherwise.
    subprocess.run(["cp", "-al", ROOT / ".venv", place], check=True)
    for path in place.glob(".venv/lib/python*/site-packages/*.pth"):
        text = path.read_text()
        if str(ROOT) in text:
            path.unlink()
            path.write_text(text.replace(str(ROOT), str(place)))


def remove_copies() -> None:
    """Remove the other checkout."""
    shutil.rmtree(LONG.parent.parent, ignore_errors=True)


def guest_cpu() -> dict[str, dict[str, str]]:
    """Return what glibc's loader finds of the CPU, by itself and under valgrind."""
    loader = "/lib64/ld-linux-x86-64.so.2"
    prefixes: dict[str, tuple[str, ...]] = {
        "the machine's": (),
        "valgrind's": ("valgrind", "--quiet", "--tool=none"),
    }
    return {
        name: _cpu([*prefix, loader, "--list-diagnostics"]) for name, prefix in prefixes.items()
    }


def _cpu(command: list[str]) -> dict[str, str]:
    text = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    facts = (line.removeprefix("x86.cpu_features.").partition("=") for line in text.splitlines())
    return {name: value for name, _, value in facts if name in TOLD_OF_CPU}


def read_travel(folder: Path) -> list[TravelRecord]:
    """Return the records of all places."""
    return sorted(read_kept(folder, TravelRecord), key=lambda one: (one.number, one.kind))


def travel_table(records: Sequence[TravelRecord]) -> list[str]:
    """What each place moves the count by, as lines of Markdown."""
    found = {name: _estimates(records, name) for name in PLACES}
    lines = [
        "| counted | instructions | against here, in each layout | in the mean |",
        "| --- | ---: | ---: | ---: |",
    ]
    for name, place in PLACES.items():
        own = found[name]
        if own:
            mean = float(np.mean(list(own.values())))
            lines.append(f"| {place.told} | {mean:,.0f} | {_against(own, found[HERE])} |")
    return lines


def _estimates(records: Sequence[TravelRecord], name: str) -> dict[int, float]:
    return layout_estimates([life for one in records if one.kind == name for life in one.lives])


def _against(own: dict[int, float], here: dict[int, float]) -> str:
    if own == here:
        return " | "
    effects = [log(value / here[layout]) for layout, value in own.items() if layout in here]
    each = ", ".join(f"{expm1(effect):+.2%}" for effect in effects)
    return f"{each} | {expm1(float(np.mean(effects))):+.2%}"


def travel_section(folder: Path) -> str:
    """The section of docs/measurements.md on how far a count travels."""
    records = read_travel(folder)
    if not records:
        return "Nothing has been recorded yet."
    header = records[0].header
    text = "\n".join(travel_table(records))
    return (
        f"{SERVER} {header.plan.cells[0].server_version} on {header.machine.cpu_model}, kernel "
        f"{header.machine.kernel}, {header.machine.os}, {header.machine.python}, "
        f"{header.started_at[:10]}:\n\n{text}"
    )
