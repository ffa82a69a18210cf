import contextlib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from asgi_bench.cli.command import VerbCommand
from asgi_bench.cli.flags import RunFlags
from asgi_bench.definitions.loads import OfferedRate
from asgi_bench.definitions.selection import Selection
from asgi_bench.errors import UsageError
from asgi_bench.model import Objective


def ask(*args: str, folder: Path | None = None) -> tuple[Selection, bool]:
    """Return what a verb with the flags of `run` is given: the selection, and --strict."""
    seen: list[RunFlags] = []

    def verb(asked: RunFlags) -> None:
        seen.append(asked)

    with contextlib.chdir(folder or Path.cwd()):
        result = CliRunner().invoke(VerbCommand("verb", verb, ""), args)
    if result.exception is not None:
        raise result.exception
    (asked,) = seen
    facts = {name: getattr(asked, name) for name in Selection.__struct_fields__}
    return Selection(**facts), asked.strict


def test_without_flags_the_documented_defaults_hold() -> None:
    """No flag is the default selection: 6 rounds, 2 s per cell and round, 5 s per request."""
    selection, strict = ask()
    assert selection == Selection()
    assert strict is False
    assert (selection.connections, selection.rounds, selection.duration_s) == (None, None, 2.0)
    assert (selection.request_timeout_s, selection.workers) == (5.0, None)


@pytest.mark.parametrize(
    ("args", "field", "value"),
    [
        (("-s", "uvi*", "--server", "daphne"), "servers", ("uvi*", "daphne")),
        (("--variant", "default"), "variants", ("default",)),
        (("-w", "1,2"), "workers", (1, 2)),
        (("--workers", "4"), "workers", (4,)),
        (("--scenario", "*"), "scenarios", ("*",)),
        (("-c", "8,64"), "connections", (8, 64)),
        (("--connections", "1"), "connections", (1,)),
        (("--also-connections", "256,512"), "also_connections", (256, 512)),
        (("--rounds", "3"), "rounds", 3),
        (("--duration", "500ms"), "duration_s", 0.5),
        (("--seed", "7"), "seed", 7),
        (("--timeout", "1s"), "request_timeout_s", 1.0),
        (("--startup-timeout", "1m"), "startup_timeout_s", 60.0),
        (("--runners", "a", "--runners", "b"), "runner_folders", (Path("a"), Path("b"))),
        (("--client", "fasthttp"), "client", "fasthttp"),
        (("-r", "500,50%"), "rates", (OfferedRate(500), OfferedRate(share=0.5))),
        (("--common-rate", "500"), "common_rate_rps", 500.0),
        (("--sweep",), "sweep", True),
        (("--load-processes", "2"), "load_processes", 2),
        (("--web-ui",), "web_ui", True),
        (("--server-cpus", "0,2-3"), "server_cpus", (0, 2, 3)),
        (("--load-cpus", "1"), "load_cpus", (1,)),
        (("--server-args", "--a 'b c'"), "server_args", ("--a", "b c")),
        (("--env", "A=b=c", "--env", "D="), "env", {"A": "b=c", "D": ""}),
    ],
)
def test_each_flag_has_its_own_effect(args: tuple[str, ...], field: str, value: Any) -> None:
    """A flag sets its field, and no other."""
    selection, _ = ask(*args)
    assert getattr(selection, field) == value
    changed = [
        name
        for name in Selection.__struct_fields__
        if getattr(selection, name) != getattr(Selection(), name)
    ]
    assert changed == [field]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--duration", "2"), "--duration: '2' needs a number and a unit"),
        (("--timeout", "x"), "--timeout: 'x' needs"),
        (
            ("--startup-timeout", "0s"),
            "--startup-timeout: '0s' must be finite and greater than zero",
        ),
        (("-w", "0"), "--workers: '0' must be whole numbers"),
        (("-c", ""), "--connections: '' must be whole numbers"),
        (("--server-cpus", "x"), "--server-cpus "),
        (("--load-cpus", "2-1"), "--load-cpus "),
        (("--server-args", "'"), "--server-args: "),
        (("--env", "A"), "--env: 'A' must be NAME=VALUE"),
        (("--env", "=A"), "--env: '=A' must be NAME=VALUE"),
        (("-r", "0"), "--rate: '0' must be requests per second"),
        (("--slo", "p99=10ms"), "--slo is searched for along a load curve: add --sweep"),
        (("--sweep", "--slo", "99"), "--slo: '99' must be a percentile and a time"),
        (
            ("--client", "http", "-r", "5"),
            "--rate, --common-rate and --sweep need the client `fast`",
        ),
        (("--client", "http", "--load-processes", "2"), "--load-processes needs the client `fast`"),
        (
            ("--locustfile", __file__, "--sweep"),
            "--rate, --common-rate and --sweep need the client `fast`",
        ),
        (("--locustfile", __file__, "--client", "http"), "--locustfile, --client: use only one"),
        (
            ("-c", "2,64", "--load-processes", "3"),
            "--load-processes: 3 processes need a connection each, ",
        ),
        (("--rounds", "0"), "--rounds: '0' must be a whole number of at least 1"),
        (("--client", "wrk"), "--client: 'wrk' must be one of fast, fasthttp, http"),
        (("--seed", "-1"), "--seed: '-1' must be a whole number of at least 0"),
        (("--common-rate", "0"), "--common-rate: '0' must be a number of at least 0.1"),
        (("--locustfile", "/no/file"), "--locustfile: /no/file is not a file"),
        (("--load-processes", "65"), "--load-processes: 65 processes need a connection each, "),
        (
            ("--also-connections", "4", "--load-processes", "5"),
            "--load-processes: 5 processes need a connection each, but --also-connections gives "
            "only 4",
        ),
    ],
)
def test_a_wrong_value_names_its_flag(args: tuple[str, ...], words: str) -> None:
    """One line says which flag can't be read, and how it should look."""
    with pytest.raises(UsageError) as caught:
        ask(*args)
    assert str(caught.value).startswith(words)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("args", "field", "value"),
    [(("--arrivals", "constant"), "arrivals", "constant"), (("--closed",), "closed", True)],
)
def test_flags_of_open_loops_need_one(
    args: tuple[str, ...], field: str, value: Any, tmp_path: Path
) -> None:
    """With one they have their effect, without one the line says so; a project's may wait."""
    for open_loop in (("-r", "500"), ("--sweep",), ("--common-rate", "500")):
        selection, _ = ask(*args, *open_loop)
        assert getattr(selection, field) == value
    with pytest.raises(UsageError, match=f"^{args[0]} .*there are none: add --rate"):
        ask(*args)
    text = '[tool.asgi-bench]\narrivals = "constant"\nclosed = true\n'
    (tmp_path / "pyproject.toml").write_text(text)
    selection, _ = ask(folder=tmp_path)
    assert getattr(selection, field) == value


def test_an_objective_of_a_project_waits_for_a_load_curve(tmp_path: Path) -> None:
    """`slo` in pyproject.toml changes nothing for runs without one, and counts where there is."""
    (tmp_path / "pyproject.toml").write_text('[tool.asgi-bench]\nslo = "p99=10ms"\n')
    assert ask(folder=tmp_path)[0].objective is None
    assert ask("--sweep", folder=tmp_path)[0].objective == Objective(0.99, 0.01)


def test_a_sweep_has_its_objective_and_a_locustfile_its_path() -> None:
    """--slo goes with --sweep; --locustfile is kept as a whole path, and is a client of its own."""
    selection, _ = ask("--sweep", "--slo", "p99=10ms")
    assert (selection.sweep, selection.objective) == (True, Objective(0.99, 0.01))
    selection, _ = ask("--locustfile", __file__)
    assert (selection.client, selection.locustfile) == ("locustfile", str(Path(__file__).resolve()))


def test_a_project_sets_every_flag_and_the_command_line_wins(tmp_path: Path) -> None:
    """Each key of `[tool.asgi-bench]` has its flag's effect, unless the flag is given."""
    (tmp_path / "pyproject.toml").write_text(
        """
        [tool.asgi-bench]
        server = ["uvicorn"]
        variant = "default"
        workers = [1, 4]
        scenario = "hello"
        connections = "8"
        rounds = 7
        duration = "1s"
        seed = 3
        timeout = "4s"
        startup-timeout = "9s"
        runners = "mine"
        client = "http"
        server-cpus = "0"
        load-cpus = "1"
        server-args = "--x"
        env = { A = "1" }
        strict = true
        """
    )
    selection, strict = ask(folder=tmp_path)
    assert strict is True
    assert selection == Selection(
        servers=("uvicorn",),
        variants=("default",),
        workers=(1, 4),
        connections=(8,),
        rounds=7,
        duration_s=1.0,
        seed=3,
        request_timeout_s=4.0,
        startup_timeout_s=9.0,
        runner_folders=(tmp_path / "mine",),
        client="http",
        server_cpus=(0,),
        load_cpus=(1,),
        server_args=("--x",),
        env={"A": "1"},
    )
    selection, _ = ask("--rounds", "2", "-w", "2", "-s", "daphne", folder=tmp_path)
    assert (selection.rounds, selection.workers, selection.servers) == (2, (2,), ("daphne",))
