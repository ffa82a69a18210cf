"""A run of all the generator's benches in parts, and what it is judged by."""

from pathlib import Path

import msgspec
import pytest

from generator.records import Origin, Progress, progress, write_record
from generator.slices import OURS, WRK, Bench, Sample, print_table, throughput_ratio

ROUNDS = 4
ORIGIN = Origin(1, ROUNDS, "fingerprint", "a processor", "0.1.0", "2026-11-30T00:00:00Z")
LATER = msgspec.structs.replace(ORIGIN, began_at="2026-11-30T01:00:00Z")


def bench(turns: int = 1, least: float = 0.9) -> Bench:
    """A bench of ours and wrk that nothing serves."""
    return Bench(
        needs=(),
        serve=lambda folder, cpu, chance: pytest.fail("nothing is measured here"),
        generators=lambda stack, folder, endpoint: {},
        ratios=lambda samples: {"throughput_to_wrk": throughput_ratio(samples, OURS, WRK)},
        targets=lambda samples: [
            ("throughput_to_wrk", least, "at least"),
            ("throughput_to_picows", 1.5, "at least"),
        ],
        facts={"connections": 64},
        turns=turns,
    )


def slices(rounds: int, turns: int = 1) -> list[Sample]:
    """Ours is at 0.95 of wrk."""
    return [
        Sample(number, name, requests, 1.0, 0.9, 0.9)
        for number in range(rounds * turns)
        for name, requests in ((OURS, 95_000), (WRK, 100_000))
    ]


BENCHES = {"tls": bench(), "websocket": bench(turns=3)}


def kept(folder: Path, rounds: int, more: int = 0) -> dict[str, Path]:
    """The files of a run with so many rounds, of which the first bench has more."""
    files = {name: folder / f"{name}.json" for name in BENCHES}
    write_record(files["tls"], BENCHES["tls"], slices(rounds + more), ORIGIN)
    write_record(files["websocket"], BENCHES["websocket"], slices(rounds, 3), ORIGIN)
    return files


@pytest.mark.parametrize("more", [0, 1])
def test_a_run_goes_on_with_the_rounds_that_all_benches_have(tmp_path: Path, more: int) -> None:
    """Slices of a round that was cut short while files were written are measured again."""
    found = {"tls": slices(2), "websocket": slices(2, 3)}
    expected = Progress(ORIGIN, 2, found)
    assert progress(kept(tmp_path, 2, more), BENCHES, LATER) == expected


@pytest.mark.parametrize(
    "other",
    [
        {"seed": 2},
        {"rounds": 8},
        {"fingerprint": "another machine"},
        {"tool_version": "0.2.0"},
    ],
)
def test_a_run_that_was_asked_for_otherwise_is_another(
    tmp_path: Path, other: dict[str, object]
) -> None:
    """Another seed, machine or version, or more rounds, goes on with nothing."""
    fresh = msgspec.structs.replace(LATER, **other)
    assert progress(kept(tmp_path, 2), BENCHES, fresh) is None


def test_what_is_complete_or_no_run_is_not_gone_on_with(tmp_path: Path) -> None:
    """A complete run, a missing file, and files of two runs all begin another run."""
    files = kept(tmp_path, ROUNDS)
    assert progress(files, BENCHES, LATER) is None
    files = kept(tmp_path, 2)
    write_record(files["tls"], BENCHES["tls"], slices(2), LATER)
    assert progress(files, BENCHES, LATER) is None
    files["tls"].unlink()
    assert progress(files, BENCHES, LATER) is None


def test_missed_targets_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    """A ratio under its target is missed; one that was not measured is said to be that."""
    benches = {"tls": bench(), "http2": bench(least=1.0)}
    missed = print_table(benches, {name: slices(3) for name in benches})
    assert missed == ["http2: throughput_to_wrk is 0.95, and has to be at least 1"]
    printed = capsys.readouterr().out
    assert printed.count("throughput_to_picows was not measured") == 2
