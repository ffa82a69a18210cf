import json
import re
import subprocess
import sys
from typing import NamedTuple

import pytest
from click.testing import CliRunner

from asgi_bench.cli import main
from asgi_bench.cli.main import VERBS, app, command
from tests.synthetic_run import store_run, synthetic_run

# What the standard library lacks on other systems goes after others have imported theirs: what
# those do there is not ours to test. One process for all command lines, for its imports take long.
ELSEWHERE = """
import contextlib, io, json, select, sys
import hdrh.histogram, jinja2, matplotlib.pyplot, msgspec, numpy, psutil, rich.table
import scipy.special, scipy.stats, click
for name in ("fcntl", "resource", "gevent", "locust"):
    sys.modules[name] = None
del select.epoll
sys.platform = "darwin"
from asgi_bench.cli.main import main
for arguments in json.loads(sys.argv[1]):
    sys.argv[1:] = arguments
    said, code = io.StringIO(), 0
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
    print(json.dumps([code, said.getvalue()]))
"""
MEASURING = ("check", "run", "ab", "calibrate")


class Ended(NamedTuple):
    """How a command line ended, and what it said on stderr."""

    code: int
    stderr: str


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ended]:
    """Each verb on a system that isn't Linux, those that read with a stored run."""
    parent = tmp_path_factory.mktemp("results")
    run = str(store_run(synthetic_run(rounds=3), parent))
    lines = [[verb, "--server", "uvicorn", "--budget=5s"] for verb in MEASURING]
    lines += [["--help"], ["report", run], ["export", run, "--format", "csv"]]
    lines += [["compare", run, run], ["history", str(parent)]]
    argv = [sys.executable, "-c", ELSEWHERE, json.dumps(lines)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    told = map(json.loads, done.stdout.splitlines())
    return {line[0]: Ended(*ended) for line, ended in zip(lines, told, strict=True)}


@pytest.mark.parametrize("verb", MEASURING)
def test_measuring_elsewhere_is_refused_in_one_line(elsewhere: dict[str, Ended], verb: str) -> None:
    """Whatever its flags, a verb that measures says that it needs Linux, and exits with 1."""
    assert elsewhere[verb] == Ended(
        1,
        "asgi-bench: measuring needs Linux, and this is darwin; "
        "report, plot and the other reading verbs work here\n",
    )


@pytest.mark.parametrize("verb", ["--help", "report", "export", "compare", "history"])
def test_reading_works_elsewhere(elsewhere: dict[str, Ended], verb: str) -> None:
    """Stored runs are read without any module that Linux alone has."""
    assert elsewhere[verb] == Ended(0, "")


@pytest.mark.parametrize(
    ("arguments", "unwanted"),
    [
        (["list"], ["matplotlib", "scipy", "locust", "jinja2", "ruptures"]),
        (
            ["--version"],
            ["numpy", "scipy", "locust", "jinja2", "ruptures", "asgi_bench.definitions"],
        ),
        (["recommend", "--help"], ["locust", "gevent", "ruptures"]),
    ],
    ids=lambda value: value[0] if len(value) < 3 else "",
)
def test_verb_waits_for_no_other_verbs_imports(arguments: list[str], unwanted: list[str]) -> None:
    """What only another verb needs is not imported."""
    argv = [sys.executable, "-X", "importtime", "-m", "asgi_bench", *arguments]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "asgi_bench.cli.main" in imported
    assert imported.isdisjoint(unwanted)


def test_all_verbs_are_told_with_what_they_do() -> None:
    """`--help` names each verb once, in the order of use, on a line of its own."""
    told = CliRunner().invoke(app, ["--help"], prog_name="asgi-bench").stdout
    lines = told.partition("Commands:")[2].strip().splitlines()
    assert [line.split()[0] for line in lines] == list(VERBS)
    assert all(line.endswith(".") and len(line) <= 80 for line in lines)


@pytest.mark.parametrize("verb", VERBS)
def test_help_shows_each_flag_once(verb: str) -> None:
    """Each flag and argument has a text, in groups where they are many, within 80 columns."""
    told = CliRunner().invoke(command(verb), ["--help"], terminal_width=80).stdout
    for parameter in command(verb).params:
        name = max(parameter.opts, key=len) if parameter.opts[0][0] == "-" else parameter.metavar
        assert len(re.findall(rf"^  (?:-\w, )?{re.escape(name or '')}(?: |$)", told, re.M)) == 1
    assert ("What to measure:" in told) == (verb in ("check", "run", "ab", "count"))
    assert max(map(len, told.splitlines())) <= 80


def test_misspelt_verb_is_named_with_the_nearest() -> None:
    """A verb that isn't there is one line with what was perhaps meant, and exit code 2."""
    result = CliRunner().invoke(app, ["hystory"])
    assert result.exit_code == 2
    assert "No such command 'hystory'. Did you mean 'history'?" in result.stderr


def test_broken_verb_is_not_a_missing_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails while a verb's module is imported keeps its traceback, even a KeyError."""

    def broken(name: str) -> None:
        raise KeyError(name)

    command.cache_clear()
    monkeypatch.setattr(main, "import_module", broken)
    with pytest.raises(KeyError, match="list_"):
        command("list")


@pytest.mark.parametrize(
    ("words", "completed"),
    [("asgi-bench re", {"report", "recommend"}), ("asgi-bench run --dry", {"--dry-run"})],
)
def test_a_shell_completes_verbs_and_flags(words: str, completed: set[str]) -> None:
    """What docs/commands.md puts into a shell's start-up file offers verbs and flags."""
    asked = {"COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    told = CliRunner().invoke(
        app, [], prog_name="asgi-bench", env={"_ASGI_BENCH_COMPLETE": "bash_complete", **asked}
    )
    assert {line.partition(",")[2] for line in told.stdout.splitlines()} == completed
