from pathlib import Path

from asgi_bench.measurement.throttle import ThrottleMeter
from asgi_bench.model import Throttling


def counted(folder: Path, cpus: float, periods: int, throttled: int) -> Path:
    """A group whose quota has come to this."""
    folder.mkdir(exist_ok=True)
    (folder / "cpu.max").write_text(f"{cpus * 100000:.0f} 100000")
    (folder / "cpu.stat").write_text(
        f"nr_periods {periods}\nnr_throttled {throttled}\nthrottled_usec {throttled * 50000}"
    )
    return folder


def test_of_several_quotas_the_one_that_stops_is_told(tmp_path: Path) -> None:
    """A wide quota that others use up stops before a narrow one that is free."""
    pod, box = counted(tmp_path / "pod", 2, 100, 7), counted(tmp_path / "box", 1, 50, 5)
    meter = ThrottleMeter([box, pod])
    counted(pod, 2, 110, 13)
    counted(box, 1, 60, 5)
    assert meter.read() == Throttling(2.0, 10, 6, 0.3)


def test_without_any_stop_the_tightest_is_told(tmp_path: Path) -> None:
    """It is what the figures were measured under; without a quota there is nothing to tell."""
    pod, box = counted(tmp_path / "pod", 2, 100, 7), counted(tmp_path / "box", 1, 50, 5)
    assert ThrottleMeter([pod, box]).read() == Throttling(1.0, 0, 0, 0.0)
    assert ThrottleMeter([]).read() is None


def test_slices_add_up() -> None:
    """The quota of a trial is the tightest of its slices."""
    total = Throttling(1.0, 5, 1, 0.5) + Throttling(0.5, 5, 2, 0.25)
    assert total == Throttling(0.5, 10, 3, 0.75)
