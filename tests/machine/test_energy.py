from pathlib import Path

import pytest

from asgi_bench.machine.energy import EnergyCounter


def zone(
    root: Path, folder: str, name: str, count_uj: int, range_uj: int = 262_143_328_850
) -> Path:
    """A zone as the kernel shows it; returns the file of its counter."""
    (root / folder).mkdir()
    (root / folder / "name").write_text(f"{name}\n")
    (root / folder / "max_energy_range_uj").write_text(f"{range_uj}\n")
    counter = root / folder / "energy_uj"
    counter.write_text(f"{count_uj}\n")
    return counter


def test_whole_packages_are_added_up_and_their_parts_left_out(tmp_path: Path) -> None:
    """Cores and memory within a package, and the platform around it, would count twice."""
    first = zone(tmp_path, "intel-rapl:0", "package-0", 1_000_000)
    second = zone(tmp_path, "intel-rapl:1", "package-1", 5_000_000)
    core = zone(tmp_path, "intel-rapl:0:0", "core", 100)
    platform = zone(tmp_path, "intel-rapl:2", "psys", 100)
    meter = EnergyCounter(tmp_path)
    assert meter.read_j() == 0.0
    first.write_text("1_500_000".replace("_", ""))
    second.write_text("7000000")
    core.write_text("900000000")
    platform.write_text("900000000")
    assert meter.read_j() == pytest.approx(2.5)


def test_a_counter_that_starts_anew_loses_nothing(tmp_path: Path) -> None:
    """A counter comes round after its range, some minutes of full load."""
    counter = zone(tmp_path, "intel-rapl:0", "package-0", 9_000_000, range_uj=9_999_999)
    meter = EnergyCounter(tmp_path)
    counter.write_text("500000")
    assert meter.read_j() == pytest.approx(1.5)
    counter.write_text("600000")
    assert meter.read_j() == pytest.approx(1.6)


def test_a_machine_that_does_not_tell_has_no_energy(tmp_path: Path) -> None:
    """Not 0: a virtual machine shows no zones, and only root may read those of others."""
    assert EnergyCounter(tmp_path / "absent").read_j() is None
    assert EnergyCounter(tmp_path).read_j() is None
    counter = zone(tmp_path, "intel-rapl:0", "package-0", 1)
    counter.unlink()
    assert EnergyCounter(tmp_path).read_j() is None
    counter.write_text("none")
    assert EnergyCounter(tmp_path).read_j() is None


def test_a_counter_that_vanishes_ends_the_telling(tmp_path: Path) -> None:
    """A package that can't be read any more must not look like one that takes nothing."""
    counter = zone(tmp_path, "intel-rapl:0", "package-0", 1)
    meter = EnergyCounter(tmp_path)
    counter.unlink()
    assert meter.read_j() is None
