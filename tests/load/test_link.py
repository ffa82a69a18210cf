"""What a receiver tells of the way to it; both ends for real: test_far_load, test_run_network."""

from collections.abc import Callable, Iterator

import pytest

from asgi_bench.load.link import LEAST_S, MOST_S, bytes_per_s, link_duration_s


class Sender:
    """Brings so many bytes at each of some moments, which is where the clock stands then."""

    def __init__(self, *pieces: tuple[float, int]) -> None:
        self._pieces: Iterator[tuple[float, int]] = iter(pieces)
        self.now_s = 0.0

    def receive(self) -> int:
        """Wait for the next piece."""
        self.now_s, size = next(self._pieces)
        return size

    @property
    def clock(self) -> Callable[[], float]:
        """When the last piece came."""
        return lambda: self.now_s


def test_the_second_half_counts() -> None:
    """What a full buffer brings at once, and a slow beginning, are no bandwidth."""
    burst = [(0.0, 100), (0.01, 90_000)]
    steady = [(0.02 + 0.01 * number, 1000) for number in range(10)]
    sender = Sender(*burst, *steady)
    assert bytes_per_s(sender.receive, 0.1, sender.clock) == pytest.approx(100_000, rel=0.2)


@pytest.mark.parametrize("pieces", [[(0.0, 0)], [(0.0, 10), (0.06, 0)]])
def test_of_a_sender_that_ends_nothing_is_told(pieces: list[tuple[float, int]]) -> None:
    """Before its first byte, or amid."""
    sender = Sender(*pieces)
    assert bytes_per_s(sender.receive, 0.1, sender.clock) is None


def test_a_far_host_is_measured_for_longer() -> None:
    """TCP speeds up by round trips; and nobody waits for ever."""
    assert link_duration_s(0.0001) == LEAST_S
    assert LEAST_S < link_duration_s(0.03) < MOST_S
    assert link_duration_s(10.0) == MOST_S
