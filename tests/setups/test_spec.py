import sys
from pathlib import Path

import pytest

from asgi_bench.errors import UsageError
from asgi_bench.setups.spec import Environment, Line, parse_environment
from tests.setups.tiny_project import write_project


@pytest.mark.parametrize(
    ("texts", "lines"),
    [
        (["uvicorn==0.50.0"], ["uvicorn==0.50.0"]),
        (["uvicorn==0.50.0 httptools==0.6.4"], ["uvicorn==0.50.0", "httptools==0.6.4"]),
        (["uvicorn==0.50.0", "h11<0.16"], ["uvicorn==0.50.0", "h11<0.16"]),
        (["uvicorn >= 0.50, < 1"], ["uvicorn >= 0.50, < 1"]),
        (["uvicorn @ https://example.org/u.zip"], ["uvicorn @ https://example.org/u.zip"]),
        (["'uvicorn[standard] == 0.50' h11"], ["uvicorn[standard] == 0.50", "h11"]),
    ],
)
def test_requirements_are_split(texts: list[str], lines: list[str]) -> None:
    """A value may hold several requirements, a requirement may hold spaces."""
    found = parse_environment(texts, "--baseline")
    assert found == Environment(lines=tuple(map(Line, lines)))


@pytest.mark.parametrize("texts", [[], ["installed"]])
def test_the_environment_as_it_is(texts: list[str]) -> None:
    """Nothing given and `installed` mean the same."""
    assert parse_environment(texts, "--baseline") == Environment()


def test_an_interpreter_is_known(tmp_path: Path) -> None:
    """A path to a program is an interpreter, by the path as given: a link may be an environment."""
    link = tmp_path / "python"
    link.symlink_to(sys.executable)
    assert parse_environment([str(link)], "--candidate") == Environment(python=str(link))


def test_paths_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wheels and source folders are found from where the command is given, extras apart."""
    monkeypatch.chdir(tmp_path)
    write_project(tmp_path / "with space")
    (tmp_path / "a-1.0-py3-none-any.whl").touch()
    found = parse_environment(["with space/", "./a-1.0-py3-none-any.whl[fast]"], "--baseline")
    folder, wheel = found.lines
    assert folder.argument == str(tmp_path / "with space")
    assert wheel.argument == str(tmp_path / "a-1.0-py3-none-any.whl") + "[fast]"


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        (
            ["installed", "uvicorn"],
            "'installed' is the environment as it is and can't be combined with other values",
        ),
        (
            [f"uvicorn {sys.executable}"],
            "is an interpreter and can't be combined with other values",
        ),
        (["./nowhere"], "'./nowhere' does not exist"),
        (["nowhere-1.0-py3-none-any.whl"], "does not exist"),
        (["=0.50"], "'=0.50' is not a requirement"),
        (["git+https://example.org/u"], "needs a name before it, as in 'NAME @ git+https"),
        ([__file__], "is not a wheel, a source archive or a program"),
        ([str(Path(__file__).parent)], "contains neither pyproject.toml nor setup.py"),
        (["'uvicorn"], "can't be split"),
        ([" "], "is empty"),
    ],
)
def test_what_is_none_of_them_is_told(texts: list[str], told: str) -> None:
    """One line names the flag, the word, and what is wrong with it."""
    with pytest.raises(UsageError) as fault:
        parse_environment(texts, "--candidate")
    assert str(fault.value).startswith("--candidate")
    assert told in str(fault.value)


@pytest.mark.parametrize(
    ("text", "is_fixed"),
    [
        ("uvicorn==0.50.0", True),
        ("uvicorn[standard]===0.50.0", True),
        ("uvicorn", False),
        ("uvicorn>=0.50", False),
        ("uvicorn==0.50.*", False),
        ("uvicorn @ https://example.org/u.zip", False),
    ],
)
def test_only_a_pin_always_means_the_same(text: str, is_fixed: bool) -> None:
    """What may be another version tomorrow is not taken from the cache."""
    assert Line(text).is_fixed is is_fixed
