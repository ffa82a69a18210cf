import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from asgi_bench.definitions.own_app import OwnApp, scenario_of
from asgi_bench.definitions.selection import Selection
from asgi_bench.errors import UsageError
from tests.cli.test_options import ask


def _ask(*args: str, project: Path | None = None) -> Selection:
    """Return what a verb with the flags of `run` is asked to measure."""
    return ask(*args, folder=project)[0]


def test_without_an_app_there_is_none() -> None:
    """The scenarios are measured, by the interpreter that runs asgi-bench."""
    assert _ask() == Selection()
    assert (Selection().own_app, Selection().python) == (None, sys.executable)


def test_an_app_alone_has_defaults() -> None:
    """It's imported from the current folder and asked for `/`; the rest is found out."""
    assert _ask("app:app") == Selection(
        own_app=OwnApp("app:app", Path.cwd(), working_dir=Path.cwd())
    )
    assert _ask("--rounds", "2", "app:app", "-s", "uvicorn").own_app == _ask("app:app").own_app


@pytest.mark.parametrize(
    ("args", "field", "value"),
    [
        (("--app-dir", "tests"), "app_dir", Path.cwd() / "tests"),
        (("--app-dir", "tests/../apps"), "app_dir", Path.cwd() / "apps"),
        (("--factory",), "is_factory", True),
        (("--path", "/a?b=1"), "path", "/a?b=1"),
        (("--method", "put"), "method", "PUT"),
        (("--header", "A: 1", "--header", "B:2"), "headers", {"A": "1", "B": "2"}),
        (("--body", "ä"), "body", "ä".encode()),
        (("--body", "@constraints.txt"), "body", Path("constraints.txt").read_bytes()),
        (("--expect-status", "404"), "expect_status", 404),
        (("--expect-body", "^a|b$"), "expect_pattern", "^a|b$"),
    ],
)
def test_each_flag_has_its_own_effect(args: tuple[str, ...], field: str, value: Any) -> None:
    """A flag sets its field, and no other."""
    own, plain = _ask("app:app", *args).own_app, _ask("app:app").own_app
    changed = [
        name for name in OwnApp.__struct_fields__ if getattr(own, name) != getattr(plain, name)
    ]
    assert changed == [field]
    assert getattr(own, field) == value


def test_the_interpreter_is_kept_as_it_is_named(tmp_path: Path) -> None:
    """A link isn't followed, for it is a virtual environment's own; a bare name is looked up."""
    (tmp_path / "bin").mkdir()
    link = tmp_path / "bin" / "python"
    link.symlink_to(sys.executable)
    assert _ask("--python", str(link)).python == str(link)
    assert _ask("--python", f"{tmp_path}/bin/../bin/python").python == str(link)
    assert _ask("--python", "sh").python == shutil.which("sh")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (
            ("--path", "/x"),
            "--path describes your own app: name the app, for example `run app:app`",
        ),
        (("--app-dir", "."), "--app-dir describes"),
        (("--method", "GET"), "--method describes"),
        (("--header", "A:1"), "--header describes"),
        (("--body", "x"), "--body describes"),
        (("--expect-status", "200"), "--expect-status describes"),
        (("--expect-body", "x"), "--expect-body describes"),
        (("--factory",), "--factory describes"),
        (("--requests", "pyproject.toml"), "--requests describes"),
        (
            ("app:app", "--requests", "pyproject.toml", "--path", "/x"),
            "--path describes a single request: with --requests, write it in the file",
        ),
        (
            ("app:app", "--requests", "pyproject.toml", "--expect-status", "200"),
            "--expect-status describes a single request",
        ),
        (("app:app", "--requests", "pyproject.toml"), "pyproject.toml: [build-system]: unknown"),
        (("app:app", "--scenario", "hello"), "--scenario chooses among the shipped scenarios"),
        (("app:app", "--expect-body", "("), "--expect-body: '(' is not a regular expression"),
        (("app:app", "--app-dir", "/nowhere"), "--app-dir: /nowhere is not a folder"),
        (("app",), "APP: 'app' must be module:attribute"),
        (("--python", "/no/python"), "--python: '/no/python' is not a program that can be run"),
        (("--python", "no-such-python"), "--python: 'no-such-python' is not a program"),
    ],
)
def test_a_wrong_value_names_its_flag(args: tuple[str, ...], words: str) -> None:
    """One line says which flag can't be read or says something about nothing."""
    with pytest.raises(UsageError) as caught:
        _ask(*args)
    assert str(caught.value).startswith(words)
    assert "\n" not in str(caught.value)


def test_a_project_describes_its_app_once(tmp_path: Path) -> None:
    """Each flag may stand in pyproject.toml, its paths relative to that file; flags win."""
    (tmp_path / "pyproject.toml").write_text(
        """
        [tool.asgi-bench]
        app = "shop.asgi:make"
        app-dir = "src"
        path = "/items"
        method = "POST"
        header = ["Accept: text/html", "Host: shop"]
        body = "@order.json"
        expect-status = 201
        expect-body = "total"
        factory = true
        python = "venv/bin/python"
        """
    )
    (tmp_path / "src").mkdir()
    (tmp_path / "order.json").write_text("{}")
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    (tmp_path / "venv" / "bin" / "python").symlink_to(sys.executable)
    selection = _ask(project=tmp_path)
    assert selection.python == str(tmp_path / "venv" / "bin" / "python")
    assert selection.own_app == OwnApp(
        "shop.asgi:make",
        tmp_path / "src",
        is_factory=True,
        method="POST",
        path="/items",
        headers={"Accept": "text/html", "Host": "shop"},
        body=b"{}",
        expect_status=201,
        expect_pattern="total",
        working_dir=tmp_path,
    )
    other = _ask("other:app", "--path", "/x", project=tmp_path).own_app
    assert other is not None
    assert (other.target, other.path, other.method) == ("other:app", "/x", "POST")


def test_a_file_of_requests_takes_the_place_of_the_flags(tmp_path: Path) -> None:
    """It may stand in pyproject.toml, relative to that; others than the fast client refuse it."""
    (tmp_path / "load.toml").write_text("[home]\n[list]\npath = '/items'\nweight = 3")
    (tmp_path / "pyproject.toml").write_text('[tool.asgi-bench]\nrequests = "load.toml"\n')
    own = _ask("app:app", project=tmp_path).own_app
    assert own is not None
    assert [(one.name, one.path, one.weight) for one in own.requests] == [
        ("home", "/", 1.0),
        ("list", "/items", 3.0),
    ]
    with pytest.raises(UsageError, match="--requests needs the client `fast`"):
        _ask("app:app", "--client", "http", project=tmp_path)


@pytest.mark.parametrize(
    ("flag", "told"),
    [
        (("--http", "2"), "--pipeline needs HTTP/1.1"),
        (("--websocket", "/ws"), "--pipeline sends requests before earlier ones are answered"),
        (("--stream",), "--pipeline sends requests before earlier ones are answered"),
    ],
)
def test_pipelines_are_of_http1_alone(tmp_path: Path, flag: tuple[str, ...], told: str) -> None:
    """One line says what else to take; beside HTTP/2 the cells of HTTP/1.1 are pipelined."""
    with pytest.raises(UsageError, match=told):
        _ask("app:app", "--pipeline", "16", *flag, project=tmp_path)
    own = _ask("app:app", "--pipeline", "16", "--http", "1,2", project=tmp_path).own_app
    assert own is not None
    assert scenario_of(own).pipeline == 16


@pytest.mark.parametrize(
    ("table", "args", "app", "scenarios"),
    [
        ('scenario = "hello"', ("app:app",), "app:app", Selection().scenarios),
        ('app = "app:app"\npath = "/a"', ("--scenario", "hello"), None, ("hello",)),
        ('path = "/a"\nheader = ["A: 1"]', (), None, Selection().scenarios),
    ],
)
def test_the_command_line_chooses_against_a_project(
    tmp_path: Path, table: str, args: tuple[str, ...], app: str | None, scenarios: tuple[str, ...]
) -> None:
    """An app, a scenario or neither: what the project says of the other is not held against it."""
    (tmp_path / "pyproject.toml").write_text(f"[tool.asgi-bench]\n{table}\n")
    selection = _ask(*args, project=tmp_path)
    assert (selection.own_app and selection.own_app.target) == app
    assert selection.scenarios == scenarios


def test_a_file_of_requests_and_single_ones_choose_against_a_project(tmp_path: Path) -> None:
    """Each takes the place of the other where only the project names that."""
    mix = tmp_path / "mix.toml"
    mix.write_text('[a]\npath = "/a"\n')
    project = tmp_path / "pyproject.toml"
    project.write_text('[tool.asgi-bench]\napp = "app:app"\npath = "/b"\n')
    chosen = _ask("--requests", str(mix), project=tmp_path).own_app
    assert chosen is not None
    assert [request.path for request in chosen.requests] == ["/a"]
    project.write_text('[tool.asgi-bench]\napp = "app:app"\nrequests = "mix.toml"\n')
    chosen = _ask("--path", "/c", project=tmp_path).own_app
    assert chosen is not None
    assert (chosen.path, chosen.requests) == ("/c", ())
