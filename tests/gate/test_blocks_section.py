"""What the table of block sizes says of repetitions that were kept."""

from math import exp
from pathlib import Path

import msgspec

from asgi_bench.store.files import write_whole
from servers.blocks import ALL, Measured, Repetition, blocks_section, measured
from tests.synthetic_run import planned_cells, synthetic_run


def kept(folder: Path, count: int) -> None:
    """Repetitions in which blocks of two take twice the time and add 2 % to one server."""
    for number in range(count):
        noise = exp(0.01 * (number % 3 - 1))
        whole = {"uvicorn": 1.0, "granian": 0.8 * noise, "daphne": 0.2 / noise}
        part = whole | {"granian": whole["granian"] * 1.02}
        one = Repetition(
            seed=number,
            measured_at="2026-11-30T08:00:00Z",
            cpu_model="a CPU",
            duration_s=0.5,
            sizes={
                ALL: Measured(10.0, 1, 300 * 1024**2, 0.1, whole),
                "2": Measured(20.0, 2, 200 * 1024**2, 0.05, part),
            },
        )
        write_whole(folder / f"repetition-{number:02}.json", msgspec.json.encode(one))


def test_what_a_size_costs_and_gains(tmp_path: Path) -> None:
    """Time, memory, CPU of those that wait, and what it does to ratios, with an interval."""
    kept(tmp_path, 6)
    text = blocks_section(tmp_path)
    assert "| 2 | 2 | 20 s | 200 MiB | 0.05 | 0.9% | 1.3% | 1.010 (1.010 to 1.010); granian" in text
    assert "| all | 1 | 10 s | 300 MiB | 0.10 | 0.9% | 0.9% | 1 |" in text


def test_few_repetitions_have_no_interval(tmp_path: Path) -> None:
    """Of one there is no scatter either; of none it is said how to measure them."""
    assert "scripts/bench-block-size" in blocks_section(tmp_path)
    kept(tmp_path, 1)
    assert "| - | - | 1.010; granian 1.02 |" in blocks_section(tmp_path)


def test_a_run_is_read() -> None:
    """The ratios to the reference in the same block, and what was up at once."""
    cells = planned_cells(worker_counts=(1,))
    cells = tuple(one for one in cells if one.cell.variant == "default")
    run = synthetic_run(cells, rounds=1)
    lives = tuple(
        msgspec.structs.replace(trial, server_life_s=(float(place), 100.0 + place))
        for place, trial in enumerate(run.trials)
    )
    found = measured(msgspec.structs.replace(run, trials=lives))
    assert found.wall_s == 100.0 + len(lives) - 1
    assert found.blocks == 1
    assert found.ratios["uvicorn"] == 1.0
    assert found.pss_bytes == sum(trial.server_pss_bytes or 0 for trial in lives)
