import random
import subprocess
import sys
from pathlib import Path

import pytest

from fuzzing.mutation import mutated
from fuzzing.targets import Target, all_targets, chance_of

FUZZ = Path(__file__).resolve().parents[2] / "scripts" / "fuzz"


@pytest.fixture(scope="module")
def targets(tmp_path_factory: pytest.TempPathFactory) -> tuple[Target, ...]:
    """Every reader."""
    return all_targets(tmp_path_factory.mktemp("fuzz"))


def test_samples_are_read(targets: tuple[Target, ...]) -> None:
    """What inputs are made of is good itself, or changes would meet the first check alone."""
    refusing = set()
    for target in targets:
        for sample in target.samples:
            try:
                target.read(sample)
            except target.refusals:
                refusing.add(target.name)
    # A close, a reset and an unknown check are refused by right, and so is a life of few keys.
    assert refusing <= {"websocket-messages", "http2-answer", "accepted", "lives"}


def test_a_number_is_the_same_input_again(targets: tuple[Target, ...]) -> None:
    """Wherever a run of inputs begins."""
    target = targets[0]
    first, second = (mutated(chance_of(1, target, 7), target.samples) for _ in range(2))
    assert first == second
    assert len({mutated(chance_of(1, target, n), target.samples) for n in range(50)}) > 40


def test_readers_read_or_refuse(targets: tuple[Target, ...]) -> None:
    """A few inputs each, other ones each time: `scripts/fuzz` gives them many."""
    seed = random.SystemRandom().randrange(2**32)
    for target in targets:
        for number in range(60):
            data = mutated(chance_of(seed, target, number), target.samples)
            try:
                target.read(data)
            except target.refusals as fault:
                assert str(fault), (target.name, data)


def test_it_goes_on_where_it_was_cut(tmp_path: Path) -> None:
    """The log tells what was given; a second call adds what is missing up to the number."""
    log = tmp_path / "log.jsonl"
    for inputs in ("300", "300", "600"):
        done = subprocess.run(
            [sys.executable, str(FUZZ), "--inputs", inputs, "--log", str(log)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert ", 0 faults" in done.stdout
    lines = log.read_text().splitlines()
    assert all('"faults": []' in line for line in lines)
