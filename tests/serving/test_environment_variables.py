"""The environment a server starts with."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_bench.definitions.folders import shipped_runners
from asgi_bench.definitions.servers import load_servers
from asgi_bench.machine.reaper import MARK_NAME
from asgi_bench.serving.environment_variables import (
    VALUES_TOLD,
    recorded_variables,
    server_environment,
)

NAMES = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ_", min_size=1, max_size=12)
TABLES = st.dictionaries(NAMES, st.text(max_size=5), max_size=5)


@pytest.mark.parametrize(
    "name",
    [
        "LISTEN_FDS",
        "PYTHONASYNCIODEBUG",
        "COVERAGE_PROCESS_START",
        "PYTHONHASHSEED",
        "PYTHONOPTIMIZE",
        "PYTHONPERFSUPPORT",
        "PYTHONNEWERTHANTHIS",
        "PYTHON_CPU_COUNT",
        "NOTIFY_SOCKET",
    ],
)
def test_what_would_change_a_server_silently_is_dropped(name: str) -> None:
    """Such a variable of ours must not reach it; one the runner states must."""
    ours = {name: "7", "PATH": "/bin"}
    assert server_environment({}, "m", base=ours) == {"PATH": "/bin", MARK_NAME: "m"}
    assert server_environment({name: "1"}, "m", base=ours)[name] == "1"


@pytest.mark.parametrize("name", ["WEB_CONCURRENCY", "GUNICORN_CMD_ARGS", "FORWARDED_ALLOW_IPS"])
def test_what_a_server_reads_in_place_of_flags_is_dropped(name: str) -> None:
    """By the patterns that runner files state; what a runner or the user sets stays."""
    servers = load_servers([shipped_runners()]).values()
    unset = [pattern for server in servers for pattern in server.unset]
    ours = {name: "7", "PATH": "/bin"}
    assert server_environment({}, "m", base=ours)[name] == "7"
    assert server_environment({}, "m", unset, ours) == {"PATH": "/bin", MARK_NAME: "m"}
    assert server_environment({name: "1"}, "m", unset, ours)[name] == "1"


@given(TABLES, TABLES)
def test_what_is_stated_always_counts(ours: dict[str, str], stated: dict[str, str]) -> None:
    """The cell's variables come through whole; nothing appears that neither side has."""
    made = server_environment(stated, "m", base=ours)
    assert {**made, **stated} == made
    assert set(made) <= {*ours, *stated, MARK_NAME}
    assert made[MARK_NAME] == "m"


@pytest.mark.parametrize("name", ["PYTHONPATH", "PYTHONUTF8", "PYTHON_VERSION", "PYTHONIC_URL"])
def test_what_an_app_needs_reaches_it(name: str) -> None:
    """What finds modules, and names of others' that only look like Python's."""
    assert server_environment({}, "m", base={name: "7"})[name] == "7"


def test_secrets_are_let_in_by_name_alone() -> None:
    """What is held back from servers, unless it is passed on or stated."""
    ours = {"CI_TOKEN": "hush", "PATH": "/bin"}
    assert server_environment({}, "m", base=ours) == {"PATH": "/bin", MARK_NAME: "m"}
    assert server_environment({}, "m", base=ours, passed=["CI_TOKEN"])["CI_TOKEN"] == "hush"
    assert server_environment({"CI_TOKEN": "x"}, "m", base=ours)["CI_TOKEN"] == "x"


@given(TABLES)
def test_every_name_is_recorded_and_hardly_a_value(ours: dict[str, str]) -> None:
    """All names that reach a server but our own; a value only of those that hold no secret."""
    made = {**ours, MARK_NAME: "m", "API_TOKEN": "hush", "MALLOC_ARENA_MAX": "2"}
    found = recorded_variables(made)
    assert found.keys() == {name for name in made if not name.startswith("ASGI_BENCH_")}
    assert (found["API_TOKEN"], found["MALLOC_ARENA_MAX"]) == (None, "2")
    assert all(value is None for name, value in found.items() if name not in VALUES_TOLD)
