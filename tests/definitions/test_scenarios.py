from pathlib import Path

import pytest

from asgi_bench.definitions.folders import shipped_apps
from asgi_bench.definitions.scenarios import load_scenarios
from asgi_bench.errors import UsageError
from asgi_bench.model import Scenario


def test_the_shipped_scenario_is_the_hello_app() -> None:
    """`hello` asks for `/` and expects 200 with exactly `Hello, world!`."""
    hello = load_scenarios(shipped_apps() / "scenarios.toml")["hello"]
    assert (hello.app, hello.method, hello.path) == ("hello:app", "GET", "/")
    assert (hello.expect_status, hello.expect_body) == (200, "Hello, world!")
    assert hello.needs == ("asgi3",)


def test_what_is_left_out_has_the_defaults(tmp_path: Path) -> None:
    """A scenario is a table with an app; the rest has the defaults of the vocabulary."""
    path = tmp_path / "scenarios.toml"
    path.write_text('[b]\napp = "m:app"\n[a]\napp = "m:app"\npath = "/x"')
    assert list(load_scenarios(path).values()) == [
        Scenario(name="b", app="m:app"),
        Scenario(name="a", app="m:app", path="/x"),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "contains no scenario"),
        ("x = 1", "x: expected a table"),
        ("[x]", "[x]: missing required key app"),
        ('[x]\napp = "m"', "[x]: app: 'm' must be module:attribute"),
        ('[x]\napp = "m:a"\nname = "y"', "[x]: unknown key 'name'; allowed: "),
        ('[x]\napp = "m:a"\nexpect_status = "200"', "[x]: expect_status: expected int, got str"),
        ('[x]\napp = "m:a"\nexpect_status = 99', "[x]: expect_status: 99 must be 200 to 999"),
        ('[x]\napp = "m:a"\npath = "x"', "[x]: path: 'x' must begin with a slash"),
        ('[x]\napp = "m:a"\nneeds = ["smtp"]', "[x]: needs: unknown value 'smtp'; allowed: asgi2"),
        (
            '[x]\napp = "m:a"\nmessages = [{ send = "a" }, { expect = "b" }]',
            "[x]: needs: messages need 'websocket' among the features",
        ),
        ('[x]\napp = "m:a"\nactive = 0', "[x]: active: 0 must be 1 or more"),
        ('[x]\napp = "m:a"\nmost_duration_s = -0.5', "[x]: most_duration_s: -0.5 must be above 0"),
        ('[x]\napp = "m:a"\nconnections = 0', "[x]: connections: 0 must be above 0"),
        (
            '[x]\napp = "m:a"\nexpect_pattern = "("',
            "[x]: expect_pattern: '(' is not a regular expression: missing )",
        ),
        ('[x]\napp = "m:a"\npipeline = 1', "[x]: pipeline: 1 must be 2 to 1000"),
        (
            '[x]\napp = "m:a"\npipeline = 16\nconversations = 3',
            "[x]: pipeline: only HTTP/1.1 requests can be pipelined, without conversations",
        ),
        ('["x/y"]\napp = "m:a"', "[x/y]: a scenario's name is part of cell keys"),
    ],
)
def test_a_mistake_is_one_line_with_file_and_key(tmp_path: Path, text: str, words: str) -> None:
    """Scenario files are read as strictly as runner files."""
    path = tmp_path / "scenarios.toml"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        load_scenarios(path)
    assert str(caught.value).startswith(f"{path}: {words}")
