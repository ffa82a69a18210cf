"""How a step of a build ends, and what an environment has in the end."""

import sys
from pathlib import Path

import pytest

from asgi_bench.setups import environments
from asgi_bench.setups.build import check_origins
from asgi_bench.setups.environments import SHOWN_LINES, BuildFault, modules_in, run_step


def _packages(folder: Path) -> Path:
    packages = folder / "lib" / "python3.11" / "site-packages"
    packages.mkdir(parents=True)
    return packages


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (
            "print('ERROR: first'); print('ERROR: last'); print('hint: x'); raise SystemExit(1)",
            "last",
        ),
        (
            "import sys; print('ERROR: of stderr', file=sys.stderr); raise SystemExit(1)",
            "of stderr",
        ),
        ("print('error: in lower case'); raise SystemExit(3)", "it ended with code 3"),
        ("raise SystemExit(1)", "it ended with code 1"),
        (
            "print('ERROR: Ignored the following versions that require a different python version: "
            "1.0 Requires-Python >=3.13; 2.0 Requires-Python >=3.14,<4')\n"
            "print('ERROR: No matching distribution found for it'); raise SystemExit(1)",
            "needs Python >=3.14,<4",
        ),
        ("import time; print('ERROR: yet'); time.sleep(60)", "it took more than 0.5 s"),
    ],
)
def test_the_reason_is_the_line_that_tells_most(
    code: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest version's Python, else pip's last error, else how the step ended."""
    if "sleep" in code:
        monkeypatch.setattr(environments, "BUILD_TIMEOUT_S", 0.5)
    with pytest.raises(BuildFault) as fault:
        run_step([sys.executable, "-I", "-S", "-c", code], "--flag: no luck")
    assert str(fault.value) == f"--flag: no luck: {reason}"


def test_the_end_of_the_output_is_kept() -> None:
    """As many lines as a screen takes, the last ones, whatever bytes they have."""
    code = (
        "import os\nfor n in range(99): os.write(1, b'line %d \\xff\\n' % n)\nraise SystemExit(1)"
    )
    with pytest.raises(BuildFault) as fault:
        run_step([sys.executable, "-I", "-S", "-c", code], "--flag: no luck")
    lines = fault.value.account.splitlines()
    assert lines == [f"line {n} \N{REPLACEMENT CHARACTER}" for n in range(99 - SHOWN_LINES, 99)]


def test_a_step_that_succeeds_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    """Its output is nobody's."""
    run_step([sys.executable, "-I", "-S", "-c", "print('ERROR: not at all')"], "--flag: no luck")
    assert capfd.readouterr() == ("", "")


def test_modules_are_those_of_the_distributions_in_question(tmp_path: Path) -> None:
    """Packages, modules and libraries, by what is noted of them; metadata and scripts are none."""
    packages = _packages(tmp_path)
    files = {
        "One_Server": ("one/__init__.py", "one/deep/it.py", "fast.cpython-311.so", "one/data.txt"),
        "two": ("two.py", "../../../bin/two", "two-1.0.dist-info/METADATA", "not-a-name.py"),
        "unrecorded": (),
    }
    for name, paths in files.items():
        info = packages / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        if paths:
            (info / "RECORD").write_text("".join(f"{path},,\n" for path in paths))
    python = str(tmp_path / "bin" / "python")
    assert set(modules_in(python)) == {"one", "fast", "two"}
    assert set(modules_in(python, {"one-server", "unrecorded"})) == {"one", "fast"}


def test_an_environment_without_modules_hides_none(tmp_path: Path) -> None:
    """Nobody is asked where nothing would come from: it may have no interpreter at all."""
    _packages(tmp_path)
    check_origins(tmp_path, app_dir=None, allowed=(), environ={}, flag="--candidate")
