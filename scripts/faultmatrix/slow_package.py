"""A server's package that pip takes for ever to build, and what came of a build that was ended."""

import io
import os
import subprocess
import tarfile
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path

from faultmatrix.command import COMMAND, LONGEST_S

NAME = "dawdler"
PYPROJECT = f"""
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "{NAME}"
version = "1.0"
"""
# It builds at once where FAULT_QUICK is set.
BACKEND = f"""
import os, pathlib, time, zipfile

def build_wheel(directory, config_settings=None, metadata_directory=None):
    if "FAULT_QUICK" not in os.environ:
        pathlib.Path(os.environ["FAULT_INSTALLING"]).touch()
        time.sleep(600)
    info = "{NAME}-1.0.dist-info"
    texts = {{
        f"{{info}}/METADATA": "Metadata-Version: 2.1\\nName: {NAME}\\nVersion: 1.0\\n",
        f"{{info}}/WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
        "{NAME}.py": "",
    }}
    texts[f"{{info}}/RECORD"] = "".join(f"{{name}},,\\n" for name in (*texts, f"{{info}}/RECORD"))
    name = "{NAME}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(directory, name), "w") as wheel:
        for path, text in texts.items():
            wheel.writestr(path, text)
    return name
"""
RUNNER = f"""
requires = ["{NAME}"]
environment = "own"
pins = ["{NAME}==1.0"]
distribution = "{NAME}"
command = ["{{python}}", "-m", "{NAME}", "{{port}}"]
"""
INSTALL = ("install", NAME, "--runners", "own-runners")


def write_package(folder: Path) -> None:
    """Put the package, and a runner file that asks for it, into the folder of a cell."""
    packages, runners = folder / "packages", folder / "own-runners"
    packages.mkdir()
    runners.mkdir()
    (runners / f"{NAME}.toml").write_text(RUNNER)
    with tarfile.open(packages / f"{NAME}-1.0.tar.gz", "w:gz") as archive:
        for name, text in (
            ("pyproject.toml", PYPROJECT),
            ("backend.py", textwrap.dedent(BACKEND)),
            ("PKG-INFO", f"Metadata-Version: 2.1\nName: {NAME}\nVersion: 1.0\n"),
        ):
            member = tarfile.TarInfo(f"{NAME}-1.0/{name}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))


def install_variables(folder: Path) -> dict[str, str]:
    """The variables by which pip finds that package and nothing else, and caches of its own."""
    return {
        "PIP_FIND_LINKS": str(folder / "packages"),
        "PIP_NO_INDEX": "1",
        "XDG_CACHE_HOME": str(folder / "cache"),
        "FAULT_INSTALLING": str(folder / "installing"),
    }


def half_built(folder: Path, variables: Mapping[str, str], *, in_order: bool) -> Iterator[str]:
    """What is wrong of an environment whose build was ended, and of the next build.

    `in_order`: asgi-bench had time to remove what was there.
    """
    environments = folder / "cache" / "asgi-bench" / "environments"
    if list(environments.glob("*/asgi-bench.json")):
        yield "half an environment is taken for a whole one"
    if in_order and list(environments.glob("*/bin")):
        yield "half an environment is left"
    done = subprocess.run(
        [COMMAND, *INSTALL],
        cwd=folder,
        env={**os.environ, **variables, "FAULT_QUICK": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=LONGEST_S,
    )
    if (done.returncode, done.stdout) != (0, f"own       {NAME} 1.0\n"):
        yield f"the next install fails: {(done.stdout + done.stderr).strip()[-200:]}"
