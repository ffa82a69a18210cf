"""Who belongs to a server, told on made-up process tables."""

from collections.abc import Callable

import pytest

from asgi_bench.machine.processes import ProcessEntry
from asgi_bench.serving import process_tree as family_module
from asgi_bench.serving.process_tree import Family


def table(*entries: tuple[int, int, int, int]) -> dict[int, ProcessEntry]:
    """A process table of (pid, parent, group, start_ticks)."""
    return {entry[0]: ProcessEntry(*entry) for entry in entries}


def family() -> Family:
    """One with the root 10, which has started the group 10."""
    made = Family("mark")
    made.roots.append(10)
    return made


def test_orphans_of_the_group_belong() -> None:
    """A process of the group whose parent has died is still the server's."""
    before = table((10, 1, 10, 5), (11, 10, 10, 6), (12, 1, 10, 7), (20, 1, 20, 8))
    assert family().live(before) == (10, 11, 12)


def test_the_remembered_belong_with_their_children() -> None:
    """One that left tree and group after it was seen stays, and so do those it starts."""
    server = family()
    server.live(table((10, 1, 10, 5), (11, 10, 10, 6)))
    assert server.live(table((11, 1, 11, 6), (13, 11, 11, 9))) == (11, 13)


def test_a_pid_used_again_is_anothers() -> None:
    """The same number with a later start is a stranger: it must never be signalled."""
    server = family()
    server.live(table((10, 1, 10, 5), (11, 10, 10, 6)))
    assert server.live(table((10, 1, 10, 5), (11, 1, 11, 99))) == (10,)


def test_a_closed_family_has_nobody() -> None:
    """Once all are reaped, the root's number and the group's may be others'."""
    server = family()
    server.live(table((10, 1, 10, 5)))
    server.close()
    assert server.live(table((10, 1, 10, 5))) == ()
    assert server.group is None


def test_a_census_reads_of_proc_what_is_new_or_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """There are two a slice, and slices of 5 ms; who was born since is there all the same."""
    server, now = family(), table((10, 1, 10, 5), (20, 1, 20, 8))
    newest: int | None = 100
    readings: list[set[int]] = []

    def read(
        *, with_dead: bool, wanted: Callable[[int], bool] = lambda pid: True
    ) -> dict[int, ProcessEntry]:
        found = {pid: entry for pid, entry in now.items() if wanted(pid)}
        readings.append(set(found))
        return found

    monkeypatch.setattr(family_module, "process_table", read)
    monkeypatch.setattr(family_module, "newest_task", lambda: newest)
    monkeypatch.setattr(family_module, "pids_with_environment", lambda mark, new: {1021} & set(new))
    first = server.census()
    assert server.census() is first
    assert (set(first.entries), readings) == ({10}, [{10, 20}])
    # A child, a daemon with the mark and a stranger, a thousand numbers later.
    now.update(table((1011, 10, 11, 9), (1021, 1, 21, 9), (1022, 1, 22, 9)))
    newest = 1022
    second = server.census()
    assert set(second.entries) == {10, 1011, 1021}
    assert second.number == first.number + 1
    assert readings[1:] == [{10, 1011, 1021, 1022}]
    # Numbers begin anew.
    now.update(table((15, 10, 10, 10)))
    newest = 15
    assert set(server.census().entries) == {10, 15, 1011, 1021}
    newest = None
    server.census()
    server.census()
    assert readings[2:] == [set(now)] * 3
