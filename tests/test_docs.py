"""The documents: their links, and the commands and files they show."""

import re
import shlex
from pathlib import Path

import pytest

from asgi_bench.cli.command import VerbCommand
from asgi_bench.cli.main import VERBS, command
from tests.documents import FENCED, ROOT, block_with, commands_in, documents

LINK = re.compile(r"\[(?:[^\[\]]|\[[^\[\]]*\])*\]\(([^()\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(.+?)\s*#*$", re.MULTILINE)
EXTERNAL = re.compile(r"https?://[\w.-]+\.[a-z]+(?::\d+)?(?:/[^\s\"'<>]*)?")
# Named in commands, and made here for the reader of the flags.
FOLDERS = ("src", "results", "DIR")
FILES = ("order.json", "locustfile.py", "shop.py", "FILE")
# What these flags name is looked up on the machine, which need not have it.
LOOKED_UP = re.compile(r"--(?:python|resume) \S+")


COMMANDS = sorted(
    {(str(path.relative_to(ROOT)), line) for path in documents() for line in commands_in(path)}
)


def test_there_are_commands() -> None:
    """The quickstart, README and the page on CI show some each."""
    shown = {document for document, _ in COMMANDS}
    assert {"README.md", "docs/quickstart.md", "docs/ci.md"} <= shown


@pytest.mark.parametrize(("document", "line"), COMMANDS)
def test_a_shown_command_is_understood(
    document: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each command in a document has only verbs, flags and values that there are."""
    for name in FOLDERS:
        (tmp_path / name).mkdir()
    for name in FILES:
        (tmp_path / name).write_text("{}")
    (tmp_path / "load.toml").write_text(block_with("docs/requests.md", "# load.toml"))
    (tmp_path / "token").write_text("a token of some length")
    monkeypatch.chdir(tmp_path)
    _, name, *arguments = shlex.split(LOOKED_UP.sub("", line), comments=True)
    verb = command(name)
    assert isinstance(verb, VerbCommand)
    with verb.make_context(name, arguments) as context:
        assert isinstance(verb.asked(context), verb.struct), document


def anchors(path: Path) -> set[str]:
    """Return the anchors of a document's headings, as GitHub and the site make them."""
    text = FENCED.sub("", path.read_text(encoding="utf-8"))
    found: set[str] = set()
    for heading in HEADING.findall(text):
        words = re.sub(r"[^\w\s-]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)).lower()
        found.add(re.sub(r"\s", "-", words.strip()))
    return found


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    """A link within the project leads to a file and a heading; one out of it is an address."""
    for link in LINK.findall(FENCED.sub("", path.read_text(encoding="utf-8"))):
        if ":" in link:
            assert EXTERNAL.fullmatch(link), link
            continue
        name, _, anchor = link.partition("#")
        target = path.parent / name if name else path
        assert target.exists(), f"{link}: there is no {target}"
        if anchor:
            assert anchor in anchors(target), f"{link}: {target.name} has no such heading"


def test_a_broken_anchor_is_found(tmp_path: Path) -> None:
    """Anchors are those of headings, and of no comment in a block of code."""
    page = tmp_path / "page.md"
    page.write_text(
        "# TLS, HTTP/2, Unix sockets\n\n```sh\n# not one\n```\n\n## A/B: is it `slow`?\n"
    )
    assert anchors(page) == {"tls-http2-unix-sockets", "ab-is-it-slow"}


@pytest.mark.parametrize("verb", VERBS)
def test_the_reference_has_every_flag(verb: str) -> None:
    """The page on the command line, made from the code, names each flag of each verb."""
    from pages.reference import cli_page

    made = command(verb)
    assert isinstance(made, VerbCommand)
    _, _, section = cli_page().partition(f"## asgi-bench {verb}\n")
    section = section.partition("\n## ")[0]
    for one in made.flags:
        assert one.flag.name in section


def test_the_reference_has_every_key_of_a_file() -> None:
    """The pages on runner files and scenarios, made from the code, name each key."""
    from pages.reference import runner_page, scenario_page

    runner, scenario = runner_page(), scenario_page()
    for key in ("command", "workers", "bind", "http", "pins", "proves", "{cert}", "websocket"):
        assert f"`{key}`" in runner
    for key in ("app", "path", "expect_body", "needs", "most_connections"):
        assert f"`{key}`" in scenario
