from pathlib import Path

import pytest

from asgi_bench.measurement.meters.meter import Scene, Spent
from asgi_bench.measurement.meters.quota import Quota


def counted(folder: Path, cpus: float, periods: int, throttled: int) -> Path:
    """A group whose quota has come to this."""
    folder.mkdir(exist_ok=True)
    (folder / "cpu.max").write_text(f"{cpus * 100000:.0f} 100000")
    (folder / "cpu.stat").write_text(
        f"nr_periods {periods}\nnr_throttled {throttled}\nthrottled_usec {throttled * 50000}"
    )
    return folder


NOBODY, NOTHING = Scene(()), Spent(0.0)


def test_of_several_quotas_the_one_that_stops_is_told(tmp_path: Path) -> None:
    """A wide quota that others use up stops before a narrow one that is free."""
    pod, box = counted(tmp_path / "pod", 2, 100, 7), counted(tmp_path / "box", 1, 50, 5)
    quota = Quota([box, pod])
    quota.begin(NOBODY)
    counted(pod, 2, 110, 13)
    counted(box, 1, 60, 5)
    assert quota.end(NOBODY, NOTHING) == {
        "quota_cpus": 2.0,
        "quota_periods": 10,
        "throttled_periods": 6,
        "throttled_s": pytest.approx(0.3),
    }


def test_without_any_stop_the_tightest_is_told(tmp_path: Path) -> None:
    """It is what the figures were measured under; without a quota there is nothing to tell."""
    pod, box = counted(tmp_path / "pod", 2, 100, 7), counted(tmp_path / "box", 1, 50, 5)
    quota = Quota([pod, box])
    quota.begin(NOBODY)
    assert quota.end(NOBODY, NOTHING)["quota_cpus"] == 1.0
    without = Quota([])
    without.begin(NOBODY)
    assert without.end(NOBODY, NOTHING) == {}
