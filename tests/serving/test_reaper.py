"""The reaper is there while servers are, and no longer."""

import os
import signal

import psutil

from .conftest import MakeServer


def reapers() -> list[int]:
    """Pids of the reapers this process has started."""
    children = psutil.Process().children()
    return [child.pid for child in children if "reaper_script.py" in " ".join(child.cmdline())]


def test_one_reaper_from_the_first_server_to_the_last(make_server: MakeServer) -> None:
    """It starts before the first server, serves all, and ends with the last."""
    assert reapers() == []
    with make_server() as first:
        (reaper,) = reapers()
        with make_server():
            assert reapers() == [reaper]
        assert reapers() == [reaper]
        assert first.is_alive
    assert reapers() == []


def test_a_reaper_that_was_killed_is_replaced(make_server: MakeServer) -> None:
    """The next server brings a new one, which is told of the servers that are up already."""
    with make_server():
        (old,) = reapers()
        os.kill(old, signal.SIGKILL)
        os.waitid(os.P_PID, old, os.WEXITED | os.WNOWAIT)
        with make_server():
            (new,) = reapers()
            assert new != old
        assert reapers() == [new]
    assert reapers() == []


def test_a_failed_start_leaves_no_reaper(make_server: MakeServer) -> None:
    """Where no server came up there is nothing to guard."""
    server = make_server("exits")
    server.start()
    server.stop(5)
    assert reapers() == []
