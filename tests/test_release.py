"""What a release states once: its version and its repository, and every copy of them."""

import datetime
import re
import runpy
import shutil
from pathlib import Path
from typing import Any

import pytest

from asgi_bench import __version__
from tests.test_project import PROJECT, texts

ROOT = Path(__file__).resolve().parents[1]
SCRIPT: dict[str, Any] = runpy.run_path(str(ROOT / "scripts" / "release"))
REPOSITORY = SCRIPT["stated"](ROOT).repository
# Words that somebody meant to replace; joined here, so that this file passes its own check.
PLACEHOLDERS = re.compile(
    "|".join(
        rf"\b{left}{right}\b"
        for left, right in (
            ("OWN", "ER"),
            ("TO", "DO"),
            ("FIX", "ME"),
            ("XX", "X"),
            ("TB", "D"),
            ("CHANGE", "ME"),
            ("YOUR_", "[A-Z]+"),
            ("your-", "(?:org|name|user)"),
        )
    )
)
# Recorded logs and tables have servers' own words.
RECORDED = "results/recorded/"


def test_no_placeholder_is_left() -> None:
    """No file waits for somebody to fill in a name."""
    for name, text in texts():
        if not name.startswith(RECORDED):
            found = PLACEHOLDERS.search(text)
            assert found is None, f"{name}: {text[found.start() : found.end() + 40]!r}"


def test_every_copy_of_the_repository_is_the_one_that_pyproject_names() -> None:
    """Addresses and the action's name lead to one repository, and only listed files repeat it."""
    listed = {"pyproject.toml", *SCRIPT["COPIES"]}
    for name, text in texts():
        if name.startswith(RECORDED) or name == "tests/test_release.py":
            continue
        for found in re.findall(r"(?:github\.com/|uses: )([\w.-]+/asgi-bench)\b", text):
            assert found == REPOSITORY, name
            assert name in listed, f"scripts/release doesn't know that {name} repeats it"
    for address in PROJECT["urls"].values():
        assert address.startswith(f"https://github.com/{REPOSITORY}")


def test_every_copy_of_the_version_is_this_one() -> None:
    """What a user copies from a document or an example is the version that has it."""
    found = []
    for name in SCRIPT["COPIES"]:
        text = (ROOT / name).read_text()
        found += re.findall(r"asgi-bench(?:==|@v)([\w.]+)", text)
    assert len(found) >= 3
    assert set(found) == {__version__}


def test_a_release_is_set_in_all_its_places(tmp_path: Path) -> None:
    """After `scripts/release` only the new version and repository are left, and a dated heading."""
    for name in (SCRIPT["VERSION"], SCRIPT["ADDRESS"], *SCRIPT["COPIES"]):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / SCRIPT["CHANGES"]).write_text("# Changes\n\n## Unreleased\n\n- One.\n")
    old = SCRIPT["stated"](tmp_path)
    new = SCRIPT["Release"]("9.8.7", "somebody/bench")
    SCRIPT["set_release"](tmp_path, new, datetime.date(2031, 1, 2))
    assert SCRIPT["stated"](tmp_path) == new
    assert "## 9.8.7 (2031-01-02)\n\n- One." in (tmp_path / SCRIPT["CHANGES"]).read_text()
    for name in (SCRIPT["ADDRESS"], *SCRIPT["COPIES"]):
        text = (tmp_path / name).read_text()
        assert old.repository not in text
        assert f"asgi-bench=={old.version}" not in text


@pytest.mark.parametrize(
    ("tag", "repository"), [("v0.0.1", REPOSITORY), (f"v{__version__}", "somebody/asgi-bench")]
)
def test_another_tag_or_repository_is_refused(
    tag: str, repository: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The release workflow builds nothing that documents would lead past."""
    monkeypatch.setattr("sys.argv", ["release", "--verify", tag, repository])
    with pytest.raises(SystemExit, match="run scripts/release"):
        SCRIPT["main"]()
