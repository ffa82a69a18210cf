"""The quickstart, done in an empty folder as it is written, but for its times."""

import re
import shlex
from pathlib import Path

import pytest

from tests.command_line import command
from tests.documents import ROOT, block_with, commands_in

PAGE = "docs/quickstart.md"
# Shorter than a reader's, and of one server: the page's own times and servers are left out.
LONG = re.compile(r"(?:--budget|--duration|-s) \S+")
SHORT = ("--rounds", "1", "--duration", "200ms")
FEW = ("-s", "uvicorn", "--variant", "default", "-w", "1")


@pytest.mark.slow
def test_the_quickstart_leads_to_a_decision(tmp_path: Path) -> None:
    """Each of its commands ends well, in the page's order; one that resumes finds nothing left."""
    (tmp_path / "shop.py").write_text(block_with(PAGE, "# shop.py"))
    run_folder = ""
    for line in commands_in(ROOT / PAGE):
        words = shlex.split(LONG.sub("", line).replace("RUN", run_folder), comments=True)[1:]
        if words[0] in ("run", "check") and "--resume" not in words:
            words += [*FEW, *SHORT]
        done = command(*words, folder=tmp_path)
        if "--slo" in words and words[0] == "recommend":
            # Whether a slow machine keeps it is not the page's matter.
            assert done.code == 0 or "the objective" in done.stderr, done.stderr
        else:
            assert done.code == 0, f"{line}\n{done.stderr}"
        if words[0] == "run":
            run_folder = done.stdout.splitlines()[-1]
        if words == ["recommend"]:
            assert "uvicorn" in done.stdout.splitlines()[-1]
