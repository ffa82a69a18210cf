"""The guardian is there while servers are, and no longer."""

import os
import signal

import psutil

from .conftest import MakeServer


def guardians() -> list[int]:
    """Pids of the guardians this process has started."""
    children = psutil.Process().children()
    return [child.pid for child in children if "guardian.py" in " ".join(child.cmdline())]


def test_one_guardian_from_the_first_server_to_the_last(make_server: MakeServer) -> None:
    """It starts before the first server, serves all, and ends with the last."""
    assert guardians() == []
    with make_server() as first:
        (guardian,) = guardians()
        with make_server():
            assert guardians() == [guardian]
        assert guardians() == [guardian]
        assert first.is_alive
    assert guardians() == []


def test_a_guardian_that_was_killed_is_replaced(make_server: MakeServer) -> None:
    """The next server brings a new one, which is told of the servers that are up already."""
    with make_server():
        (old,) = guardians()
        os.kill(old, signal.SIGKILL)
        os.waitid(os.P_PID, old, os.WEXITED | os.WNOWAIT)
        with make_server():
            (new,) = guardians()
            assert new != old
        assert guardians() == [new]
    assert guardians() == []


def test_a_failed_start_leaves_no_guardian(make_server: MakeServer) -> None:
    """Where no server came up there is nothing to guard."""
    server = make_server("exits")
    server.start()
    server.stop(5)
    assert guardians() == []
