"""What a meter is: something that is read before and after each slice, and stored by name."""

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol


class Scene(NamedTuple):
    """Which processes exist at an edge of a slice, and which CPUs they have."""

    pids: tuple[int, ...]
    """The server's processes."""
    neighbour_pids: tuple[int, ...] = ()
    """Those of the block's other servers, which should idle."""
    server_cpus: tuple[int, ...] = ()
    """Empty where the servers have no CPUs of their own."""
    load_cpus: tuple[int, ...] = ()


class Spent(NamedTuple):
    """What is known about a slice by the time its meters are read."""

    server_cpu_s: float
    """CPU time of all the server's processes between the two edges."""
    has_ended: bool = False
    """Whether any of them ended."""


class Meter(Protocol):
    """Reads between slices, while servers and load are at rest; never within one.

    A meter's module has a function `meter` that makes one, and `TOLD`: each name that it stores,
    with its meaning. Names are keys of a slice's `meters` in `trials.jsonl` and have their units;
    their values add up over slices. What isn't known is left out.
    """

    def begin(self, scene: Scene) -> None:
        """Read before a slice."""

    def end(self, scene: Scene, spent: Spent) -> Mapping[str, float]:
        """Read after the slice; return the difference."""


class Counter:
    """A meter of counts that only grow: it returns by how much they have.

    Counts of live threads or processes vanish with them: `dies_with_processes` leaves them out of a
    slice in which a process ended. A thread that ended takes its part along, so growth is at least
    0.
    """

    def __init__(
        self,
        read: Callable[[Scene], Mapping[str, float]],
        *,
        dies_with_processes: bool = False,
    ) -> None:
        self._read = read
        self._dies_with_processes = dies_with_processes
        self._before: Mapping[str, float] = {}

    def begin(self, scene: Scene) -> None:
        """Read the counts."""
        self._before = self._read(scene)

    def end(self, scene: Scene, spent: Spent) -> dict[str, float]:
        """Return by how much each count that is known at both edges has grown."""
        if self._dies_with_processes and spent.has_ended:
            return {}
        before, now = self._before, self._read(scene)
        return {name: max(0.0, now[name] - before[name]) for name in now if name in before}
