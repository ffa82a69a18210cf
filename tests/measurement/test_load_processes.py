"""When a load process is started, replaced and ended, by stand-ins; where a real one runs."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from asgi_bench.errors import BenchError
from asgi_bench.load.generator import LoadFault
from asgi_bench.machine.affinity import allowed_cpus
from asgi_bench.measurement import load_processes
from asgi_bench.measurement.load_processes import LoadProcesses
from tests.synthetic_run import plan_of


class StandIn:
    """A load process that lives until it is told otherwise."""

    made: list["StandIn"]

    def __init__(self, arguments: list[str], *, log: Path, table: Path, **_: Any) -> None:
        self.files = (log.name, table.name)
        log.touch()
        self.pids: tuple[int, ...] = ()
        self.group_pids = (4241, 4242)
        self.cpus: tuple[int, ...] = ()
        self.is_alive = self.is_ready = False
        self.made.append(self)

    def __enter__(self) -> "StandIn":
        self.is_alive = True
        return self

    def __exit__(self, *_: object) -> None:
        self.is_alive = False

    def greet(self, timeout_s: float) -> None:
        """Have a pid."""
        self.pids = (4242,)
        self.is_ready = True


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[StandIn]:
    """Every load process that was started, in order."""
    StandIn.made = []
    monkeypatch.setattr(load_processes, "LoadProcess", StandIn)
    monkeypatch.setattr(load_processes, "move", lambda pids, cpus: tuple(cpus))
    return StandIn.made


def test_one_process_serves_all_blocks_and_ends_with_the_run(
    made: list[StandIn], tmp_path: Path
) -> None:
    """It starts when asked to get ready, and is on its CPUs when it is first used."""
    with LoadProcesses(tmp_path, plan_of(())) as stand:
        assert made == []
        stand.prepare()
        assert len(made) == 1
        with stand.in_use() as used:
            first: Any = used
        assert first is made[0]
        with stand.in_use() as again:
            assert again is first
        assert first.cpus == (1,)
        assert first.is_alive
    assert [process.is_alive for process in made] == [False]


@pytest.mark.parametrize("how", ["it died", "it failed"])
def test_another_process_takes_over(how: str, made: list[StandIn], tmp_path: Path) -> None:
    """With a log and a table of its own, and the first is ended."""
    with LoadProcesses(tmp_path, plan_of(())) as stand:
        with suppress(LoadFault), stand.in_use() as used:
            first: Any = used
            if how == "it failed":
                raise LoadFault("the load process did not reply within 20 s")
            first.is_alive = False
        assert not first.is_alive
        with stand.in_use() as used:
            second: Any = used
        assert second is not first
        assert second.pids
        with stand.in_use() as used:
            assert used is second
    assert not second.is_alive
    assert [process.files for process in made] == [
        ("locust.log", "locust_stats.csv"),
        ("locust-1.log", "locust-1_stats.csv"),
    ]


def test_a_lost_load_host_ends_the_run(made: list[StandIn], tmp_path: Path) -> None:
    """No other master takes over: nobody would come to it."""
    plan = msgspec.structs.replace(plan_of(()), load_hosts=2, listen="127.0.0.1:5557")
    with LoadProcesses(tmp_path, plan, "a token") as stand:
        stand.await_hosts()
        with suppress(LoadFault), stand.in_use():
            raise LoadFault("load host far is gone")
        with pytest.raises(BenchError, match="the run ends here: load host far is gone"):
            stand.await_hosts()
    assert len(made) == 1


def test_a_master_that_died_ends_the_run(made: list[StandIn], tmp_path: Path) -> None:
    """Between two blocks, too."""
    plan = msgspec.structs.replace(plan_of(()), load_hosts=2, listen="127.0.0.1:5557")
    with LoadProcesses(tmp_path, plan, "a token") as stand:
        stand.await_hosts()
        made[0].is_alive = False
        with pytest.raises(BenchError, match="the master of the load hosts has died"):
            stand.await_hosts()
    assert len(made) == 1


def test_all_processes_of_the_load_keep_to_its_cpus(tmp_path: Path) -> None:
    """Locust's master runs beside the servers no more than its workers do."""
    cpus = allowed_cpus()[-1:]
    plan = msgspec.structs.replace(plan_of(()), load_processes=2, load_cpus=cpus)
    with LoadProcesses(tmp_path, plan) as stand, stand.in_use() as process:
        assert set(process.pids) < set(process.group_pids)
        threads = [
            int(task.name)
            for pid in process.group_pids
            for task in Path(f"/proc/{pid}/task").iterdir()
        ]
        assert {cpu for thread in threads for cpu in os.sched_getaffinity(thread)} == set(cpus)
        assert process.cpus == cpus
