"""One measuring run per machine."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from asgi_bench.errors import BenchError
from asgi_bench.machine.lock import measuring_lock

HOLDER = """
import pathlib, sys
from asgi_bench.machine.lock import measuring_lock
with measuring_lock(path=pathlib.Path(sys.argv[1]), shared="shared" in sys.argv):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def held_by_another(path: Path, *flags: str) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that holds the lock until its standard input is closed."""
    argv = [sys.executable, "-c", HOLDER, str(path), *flags]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"held\n"
        try:
            yield child
        finally:
            child.kill()


def test_a_second_run_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    """The refusal names the holder's pid and since when, and leaves the lock as it is."""
    path = tmp_path / "lock"
    with held_by_another(path) as child:
        for _ in range(2):
            with pytest.raises(BenchError, match=rf"pid {child.pid}, since \d{{4}}-.*Z"):
                with measuring_lock(path=path):
                    pass


def test_a_second_run_waits_if_it_may(tmp_path: Path) -> None:
    """With time to wait, it starts as soon as the first has ended, and says what it waits for."""
    path = tmp_path / "lock"
    said: list[str] = []
    with held_by_another(path) as child:
        assert child.stdin is not None

        def announce(text: str) -> None:
            said.append(text)
            assert child.stdin is not None
            child.stdin.close()

        with measuring_lock(30, announce=announce, path=path):
            assert child.wait(10) == 0
    assert len(said) == 1
    assert f"pid {child.pid}" in said[0]


def test_waiting_ends_at_its_deadline(tmp_path: Path) -> None:
    """Waiting must end with the refusal, not before its time and not long after."""
    path = tmp_path / "lock"
    with held_by_another(path):
        start = time.monotonic()
        said: list[str] = []
        with pytest.raises(BenchError, match="another run"):
            with measuring_lock(0.5, announce=said.append, path=path):
                pass
        assert 0.5 <= time.monotonic() - start < 5
        assert len(said) == 1


def test_a_killed_holder_leaves_no_lock(tmp_path: Path) -> None:
    """The kernel frees the lock with its process; what it had written misleads nobody."""
    path = tmp_path / "lock"
    with held_by_another(path) as child:
        child.kill()
        child.wait()
        with measuring_lock(path=path):
            assert b'"pid"' in path.read_bytes()
    assert path.read_bytes() == b""


def test_the_lock_is_for_every_user(tmp_path: Path) -> None:
    """Others must be able to open what we create, whatever our umask is."""
    path = tmp_path / "lock"
    with measuring_lock(path=path):
        assert path.stat().st_mode & 0o777 == 0o666


def test_a_planted_link_is_refused(tmp_path: Path) -> None:
    """A link in the lock's place must not make us write to what it points at."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "lock").symlink_to(victim)
    with pytest.raises(BenchError, match="measuring lock"):
        with measuring_lock(path=tmp_path / "lock"):
            pass
    assert victim.read_text() == "precious"


def test_counts_share_the_lock_among_themselves_alone(tmp_path: Path) -> None:
    """Two that share it hold it at once; one that measures is refused, and told of who is left."""
    path = tmp_path / "lock"
    with held_by_another(path, "shared") as child:
        with measuring_lock(path=path, shared=True):
            assert path.read_bytes().count(b'"pid"') == 2
        with pytest.raises(BenchError, match=rf"pid {child.pid}, since"):
            with measuring_lock(path=path):
                pass
    with measuring_lock(path=path):
        assert path.read_bytes().count(b'"pid"') == 1
    assert path.read_bytes() == b""


def test_a_count_waits_for_who_measures(tmp_path: Path) -> None:
    """A count would disturb a measuring run, so it is refused meanwhile."""
    path = tmp_path / "lock"
    with held_by_another(path) as child:
        with pytest.raises(BenchError, match=rf"pid {child.pid}, since"):
            with measuring_lock(path=path, shared=True):
                pass
