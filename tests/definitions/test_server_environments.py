"""Where `install` left the environments of single servers."""

import os
import sys
from pathlib import Path

import msgspec
import pytest

from asgi_bench.definitions.server_environments import (
    Record,
    homes_apart,
    record_of,
    record_path,
)
from asgi_bench.definitions.servers import Server
from asgi_bench.model import ServerEnvironment
from asgi_bench.setups.cache import note

SERVER = Server(name="mine", here="/", command=("serve",), workers="single", requires=("mine",))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "asgi-bench").mkdir()
    return tmp_path / "asgi-bench"


def test_a_record_is_found_and_counts_as_used(cache: Path, tmp_path: Path) -> None:
    """It is there for the same interpreter and requirements alone; looking it up keeps it."""
    stamp = tmp_path / "stamp"
    stamp.touch()
    os.utime(stamp, (0, 0))
    record = Record(ServerEnvironment(sys.executable, {"mine": "1.0"}), str(stamp))
    note(record_path(SERVER, "/py", cache), record)
    assert record_of(SERVER, "/py") == record
    assert stamp.stat().st_mtime > 0
    assert record_of(SERVER, "/other") is None
    assert record_of(msgspec.structs.replace(SERVER, pins=("mine==1.0",)), "/py") is None
    home = homes_apart("/py")(SERVER)
    assert home is not None
    assert home.packages is not None
    assert (home.packages.python, home.environment) == (sys.executable, record.environment)


def test_a_fault_is_kept_and_a_lost_environment_is_not(cache: Path) -> None:
    """Why it can't be used is told again; what is gone or can't be read was never there."""
    path = record_path(SERVER, "/py", cache)
    assert homes_apart("/py")(SERVER) is None
    note(path, Record(fault="can't be imported: no"))
    home = homes_apart("/py")(SERVER)
    assert home is not None
    assert (home.packages, home.fault) == (None, "can't be imported: no")
    note(path, Record(ServerEnvironment("/nowhere/bin/python")))
    assert record_of(SERVER, "/py") is None
    path.write_text("{")
    assert record_of(SERVER, "/py") is None
