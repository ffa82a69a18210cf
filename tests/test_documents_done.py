"""Commands of the documents: some of them planned, those of README and the page on CI done.

`tests/test_docs.py` reads all commands of all documents; `tests/cli/test_quickstart.py` does those
of the quickstart, which aren't done again here.
"""

import os
import re
import shlex
import stat
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from asgi_bench.cli.command import VerbCommand
from asgi_bench.cli.main import command as verb_of
from tests.command_line import COMMAND, Finished, in_process
from tests.documents import ROOT, block_with, commands_in, documents
from tests.repositories import commit, git, make_repository

pytestmark = pytest.mark.slow

# The app of the examples, wherever they import it from.
APP = """\
import json


async def app(scope, receive, send):
    if scope["type"] != "http":
        raise RuntimeError(f"{scope['type']} is not supported")
    body = json.dumps({"items": list(range(SIZE))}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def make_app():
    return app
"""
FILES = {
    "shop/__init__.py": f"SIZE = 8\n\n\n{APP}",
    "shop/asgi.py": "from shop import app\n",
    "shop/fast.py": "from shop import app\n",
    "order.json": "{}",
    "locustfile.py": """\
from asgi_bench.load import FastUser


class Shop(FastUser):
    path = "/"
""",
}
# Shorter than a reader's, and of one server: the first of a flag's values would be the page's.
TIMES = re.compile(r"--(?:budget|duration) \S+")
ONE_SERVER = ("-s", "uvicorn", "--variant", "default", "-w", "1")
RUN = (*ONE_SERVER, "--rounds", "1", "--duration", "100ms")
AB = ("-c", "4", "--rounds", "1", "--duration", "60ms", "--budget", "180s")
VERDICTS = ("pass", "improvement", "undecided", "regression", "invalid")
# Pages whose commands are planned: each has another way to state requests.
PLANNED = ("docs/requests.md", "docs/locust.md", "docs/streams.md")
# Commands that aren't done here, by words in them, and why.
NOT_DONE = {
    "asgi-bench check ": "the quickstart does it",
    "asgi-bench run --budget": "the quickstart does it",
    "--baseline-ref main": "the recipe for a shell compares two commits",
    "venv313": "tests/setups compares interpreters",
    "../uvicorn": "uvicorn's sources aren't here",
    "uvicorn==": "it takes a package index: tests/setups",
    "--upgrade": "it takes a package index: tests/setups",
    "--count": "tests/counting/test_ab.py and test_explain.py do it",
}


class Shown(NamedTuple):
    """A command in a document."""

    document: str
    line: str


def shown(*names: str) -> list[Shown]:
    """The commands of some documents, or of all, each once, in their order."""
    found: dict[str, Shown] = {}
    for path in [ROOT / name for name in names] or documents():
        for line in commands_in(path):
            found.setdefault(line, Shown(str(path.relative_to(ROOT)), line))
    return list(found.values())


def is_planned(one: Shown) -> bool:
    """Whether its verb has --dry-run."""
    verb = verb_of(one.line.split()[1])
    return isinstance(verb, VerbCommand) and any(f.flag.name == "--dry-run" for f in verb.flags)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of the app, as the examples have it: two commits on `main`, and an origin."""
    repository = make_repository(tmp_path_factory.mktemp("shop") / "shop")
    for name, text in FILES.items():
        for folder in ("", "src/"):
            path = repository / f"{folder}{name}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    (repository / "load.toml").write_text(block_with("docs/requests.md", "# load.toml"))
    (repository / ".gitignore").write_text("results/\nsummary.md\n")
    git(repository, "config", "user.email", "somebody@example.org")
    git(repository, "config", "user.name", "Somebody")
    commit(repository, "Sell things")
    git(repository, "update-ref", "refs/remotes/origin/main", "HEAD")
    commit(repository, "Sell more")
    return repository


@pytest.mark.parametrize(
    "one", [one for one in shown(*PLANNED) if is_planned(one)], ids=lambda one: one.line[11:60]
)
def test_a_shown_command_is_planned(one: Shown, shop: Path) -> None:
    """With --dry-run each command says what it would start, or what it lacks here."""
    words = shlex.split(one.line, comments=True)[1:]
    done = in_process(*words, "--dry-run", folder=shop)
    assert done.code == 0 or "not installed" in done.stderr, done.stderr


def done_once(line: str, shop: Path) -> Finished:
    """Do a shown command, with shortened times."""
    words = shlex.split(TIMES.sub("", line), comments=True)[1:]
    match words[0]:
        case "run" | "check":
            words += RUN
        case "ab":
            words += AB
    return in_process(*words, folder=shop)


def check_done(one: Shown, done: Finished) -> None:
    """What must have come of it: a verdict, or exit code 0."""
    if one.line.startswith("asgi-bench ab"):
        assert done.stdout.splitlines()[-1].split(":")[0] in VERDICTS, done.stderr
        return
    if one.line.startswith("asgi-bench recommend"):
        # Whether a busy machine gave it anything to go by is not the page's matter.
        assert done.code in (0, 1), done.stderr
        return
    assert done.code == 0, done.stderr


def to_be_done(document: str) -> list[Shown]:
    """The commands of a document that are done here."""
    return [one for one in shown(document) if not any(words in one.line for words in NOT_DONE)]


@pytest.mark.parametrize("one", to_be_done("README.md"), ids=lambda one: one.line[11:60])
def test_what_readme_shows_is_done(one: Shown, shop: Path) -> None:
    """Each command of README ends well, in its order."""
    check_done(one, done_once(one.line, shop))


@pytest.mark.parametrize("one", to_be_done("docs/ci.md"), ids=lambda one: one.line[11:60])
def test_what_the_page_on_ci_shows_is_done(one: Shown, shop: Path) -> None:
    """Each comparison of the page ends with a verdict."""
    check_done(one, done_once(one.line, shop))


def test_the_shell_script_of_the_page_on_ci_ends_by_the_verdict(shop: Path, tmp_path: Path) -> None:
    """What a plain shell copies measures two commits, and its exit code is the verdict's."""
    short = tmp_path / "asgi-bench"
    short.write_text(f'#!/bin/sh\nexec {COMMAND} "$@" {" ".join(AB)} --wait 15m\n')
    short.chmod(short.stat().st_mode | stat.S_IXUSR)
    # As most CI has it, the first command that fails ends a script.
    argv = ["bash", "-euc", block_with("docs/ci.md", "base=$(git merge-base")]
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(argv, cwd=shop, env={**os.environ, "PATH": path}, capture_output=True)
    assert done.returncode in (0, 1), done.stderr
    assert (shop / "summary.md").is_file()
