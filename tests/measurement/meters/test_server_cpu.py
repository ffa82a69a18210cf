"""Who counts in a slice, told on made-up processes and clocks."""

from collections.abc import Mapping

import pytest

from asgi_bench.machine.processes import ProcessEntry
from asgi_bench.measurement.meters import server_cpu
from asgi_bench.measurement.meters.server_cpu import ServerCpu
from asgi_bench.serving.process_tree import Census

MASTER, WORKER, NEW = 10, 11, 12


class Server:
    """A made-up server: `clocks_s` of who lives, `waited_s` of the master's dead children."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clocks_s: dict[int, float] = {}
        self.waited_s = 0.0
        self.parents = {MASTER: 1, WORKER: MASTER, NEW: MASTER}
        self.ignoring: set[int] = set()
        self._number = 0
        self.cpu = ServerCpu(self._census)
        monkeypatch.setattr(server_cpu, "cpu_s_by_process", lambda pids: dict(self.clocks_s))
        monkeypatch.setattr(server_cpu, "waited_cpu_s", self._waited)
        monkeypatch.setattr(server_cpu, "ignores_children", lambda pid: pid in self.ignoring)

    def _census(self) -> Census:
        self._number += 1
        entries = {pid: ProcessEntry(pid, self.parents[pid], 10, 0) for pid in self.clocks_s}
        return Census(entries, self._number)

    def _waited(self, pids: object) -> Mapping[int, float]:
        return {pid: self.waited_s if pid == MASTER else 0.0 for pid in self.clocks_s}

    def stand(self, waited_s: float = 0.0, **clocks_s: float) -> None:
        """Let these live, with what they have used, and the master have inherited so much."""
        names = {"master": MASTER, "worker": WORKER, "new": NEW}
        self.clocks_s = {names[name]: cpu_s for name, cpu_s in clocks_s.items()}
        self.waited_s = waited_s


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    """A master that has used a second, and a worker that has used four."""
    made = Server(monkeypatch)
    made.stand(master=1.0, worker=4.0)
    assert made.cpu.begin() == 0.0
    return made


def test_who_stands_all_along_counts_by_its_clock(server: Server) -> None:
    """What it had used before the slice is not the slice's."""
    server.stand(master=1.1, worker=4.5)
    cpu = server.cpu.end()
    assert cpu.by_process == pytest.approx({MASTER: 0.1, WORKER: 0.5})
    assert cpu.total_s == pytest.approx(0.6)
    assert not cpu.has_ended and not cpu.has_untold


def test_who_was_born_in_a_slice_counts_from_birth(server: Server) -> None:
    """It had no clock before the slice."""
    server.stand(master=1.0, worker=4.0, new=0.25)
    assert server.cpu.end().total_s == pytest.approx(0.25)


def test_children_that_came_and_went_are_what_their_parent_inherited(server: Server) -> None:
    """Nobody ever saw them."""
    server.stand(0.7, master=1.0, worker=4.0)
    cpu = server.cpu.end()
    assert cpu.ended_s == pytest.approx(0.7)
    assert cpu.has_ended


def test_of_a_worker_that_ended_only_what_it_used_in_the_slice_counts(server: Server) -> None:
    """The master inherits its whole life, and what that was before the slice is known."""
    server.stand(4.6, master=1.1, new=0.3)
    cpu = server.cpu.end()
    assert cpu.total_s == pytest.approx(0.1 + 0.3 + 0.6)


def test_a_pid_used_again_is_anothers(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that ended and a later process of its number are two, whatever the clocks say."""
    server.stand(4.5, master=1.0, worker=0.25)
    real = server._census

    def later() -> Census:
        census = real()
        entries = dict(census.entries)
        entries[WORKER] = entries[WORKER]._replace(start_ticks=99)
        return Census(entries, census.number)

    monkeypatch.setattr(server.cpu, "_take_census", later)
    cpu = server.cpu.end()
    assert cpu.total_s == pytest.approx(0.25 + 0.5)


def test_what_a_new_worker_uses_after_its_slice_counts_too(server: Server) -> None:
    """It starts up for the load that the old one had; who stood before has only idled."""
    server.stand(4.5, master=1.0, new=0.1)
    server.cpu.end()
    server.stand(4.5, master=1.5, new=0.4)
    assert server.cpu.begin() == pytest.approx(0.3)
    server.stand(4.5, master=2.0, new=1.4)
    assert server.cpu.begin() == 0.0


def test_a_worker_that_ends_between_slices_and_its_successor_count(server: Server) -> None:
    """A master looks after its workers every second: most are replaced in somebody else's slice."""
    server.stand(master=1.0, worker=4.5)
    server.cpu.end()
    server.stand(4.6, master=1.1, new=0.3)
    assert server.cpu.begin() == pytest.approx(0.1 + 0.3)


def test_children_of_an_idle_server_between_slices_are_not_the_loads(server: Server) -> None:
    """What it starts every second anyway would count once per second that others are loaded."""
    server.stand(master=1.0, worker=4.5)
    server.cpu.end()
    server.stand(0.8, master=1.0, worker=4.5)
    assert server.cpu.begin() == 0.0


def test_time_that_nobody_inherited_is_untold(server: Server) -> None:
    """A daemon that ended left its time to nobody."""
    server.parents[WORKER] = 1
    server.cpu.begin()
    server.stand(master=1.25)
    cpu = server.cpu.end()
    assert cpu.has_untold
    assert cpu.total_s == pytest.approx(0.25)


def test_a_server_that_ignores_its_children_leaves_them_untold(server: Server) -> None:
    """The kernel hands over nothing, and nobody can tell whether there was a child."""
    server.ignoring.add(MASTER)
    server.stand(master=1.0, worker=4.0)
    assert server.cpu.end().has_untold
