from pathlib import Path

import pytest

from asgi_bench.cli.flags import RunFlags
from asgi_bench.definitions.project import project_defaults
from asgi_bench.errors import UsageError
from asgi_bench.flags import declared

FLAGS = {one.flag.key: one.flag for one in declared(RunFlags) if one.flag.is_key}


def _write(folder: Path, text: str) -> Path:
    path = folder / "pyproject.toml"
    path.write_text(text)
    return path


def test_values_come_as_a_command_line_would_give_them(tmp_path: Path) -> None:
    """Lists and tables of TOML become what the flags take; paths are relative to the file."""
    _write(
        tmp_path,
        """
        [tool.asgi-bench]
        server = "uvicorn"
        variant = ["default", "h11*"]
        workers = [1, 2]
        connections = 32
        rounds = 3
        duration = "500ms"
        startup-timeout = "1m"
        budget = "5m"
        precision = "2%"
        reference = "granian/default"
        runners = ["bench/runners", "/abs"]
        output = "bench/results"
        client = "http"
        env = { A = "1", B = "2" }
        strict = true
        """,
    )
    found = project_defaults(tmp_path, FLAGS)
    assert {key: value for key, (value, _) in found.items()} == {
        "server": ("uvicorn",),
        "variant": ("default", "h11*"),
        "workers": "1,2",
        "connections": "32",
        "rounds": "3",
        "duration": "500ms",
        "startup-timeout": "1m",
        "budget": "5m",
        "precision": "2%",
        "reference": "granian/default",
        "runners": (f"{tmp_path}/bench/runners", "/abs"),
        "output": f"{tmp_path}/bench/results",
        "client": "http",
        "env": ("A=1", "B=2"),
        "strict": True,
    }


def test_the_nearest_file_upwards_counts(tmp_path: Path) -> None:
    """A subfolder belongs to its project; a nearer file hides one further up."""
    _write(tmp_path, "[tool.asgi-bench]\nrounds = 3")
    inner = tmp_path / "inner" / "deep"
    inner.mkdir(parents=True)
    assert project_defaults(inner, FLAGS)["rounds"][0] == "3"
    _write(inner.parent, '[project]\nname = "x"')
    assert project_defaults(inner, FLAGS) == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "[tool.asgi-bench]\ncolour = 1",
            "unknown key 'colour'; allowed: also-connections, app, app-dir, arrivals, behaviour,",
        ),
        ("[tool.asgi-bench]\nstartup_timeout = '1s'", "unknown key 'startup_timeout'; allowed:"),
        ("[tool.asgi-bench]\nrounds = '3'", "rounds: expected int | null, got str"),
        ("[tool.asgi-bench]\nduration = '2'", "duration: '2' needs a number and a unit"),
        (
            "[tool.asgi-bench]\nworkers = [1, 0]",
            "workers: '1,0' must be whole numbers of at least 1",
        ),
        ("[tool.asgi-bench]\nprecision = '2'", "precision: '2' must be a share greater than 0"),
        (
            "[tool.asgi-bench]\nclient = 'wrk'",
            "client: invalid enum value 'wrk'; allowed: fast, fasthttp, http",
        ),
        (
            "[tool.asgi-bench]\narrivals = 'burst'",
            "arrivals: invalid enum value 'burst'; allowed: poisson, constant",
        ),
        ("[tool.asgi-bench]\nrounds = 0", "rounds: expected int >= 1"),
        ("[tool.asgi-bench]\nexpect-status = 50", "expect-status: expected int >= 200"),
        ("[tool.asgi-bench]\ncommon-rate = 0", "common-rate: expected float >= 0.1"),
        ("[tool.asgi-bench]\nenv = ['A=1']", "env: expected object | null, got array"),
        ("[tool]\nasgi-bench = 1", "expected a table"),
    ],
)
def test_a_mistake_names_file_and_key(tmp_path: Path, text: str, words: str) -> None:
    """What the flags would not take is found here, where its file is known."""
    path = _write(tmp_path, text)
    with pytest.raises(UsageError) as caught:
        project_defaults(tmp_path, FLAGS)
    assert str(caught.value).startswith(f"{path}: [tool.asgi-bench]: {words}")
    assert "\n" not in str(caught.value)
