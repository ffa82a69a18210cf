"""A project that pip can install without a network: its build backend lies in the folder itself."""

import textwrap
from pathlib import Path

PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "tiny-server"
version = "{version}"
"""
BACKEND = """
import os, re, zipfile

def build_wheel(directory, config_settings=None, metadata_directory=None):
    with open("pyproject.toml") as file:
        version = re.search('version = "(.*)"', file.read())[1]
    # As setuptools does.
    os.makedirs("build", exist_ok=True)
    info = f"tiny_server-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {line}" for line in open("needs.txt"))
    head = f"Metadata-Version: 2.1\\nName: tiny-server\\nVersion: {version}\\n"
    texts = {
        f"{info}/METADATA": head + needs,
        f"{info}/WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
        "tiny_server.py": open("tiny_server.py").read(),
    }
    texts[f"{info}/RECORD"] = "".join(f"{name},,\\n" for name in (*texts, f"{info}/RECORD"))
    name = f"tiny_server-{version}-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(directory, name), "w") as wheel:
        for path, text in texts.items():
            wheel.writestr(path, text)
    return name
"""


def write_project(
    folder: Path, *, version: str = "1.0", word: str = "one", needs: tuple[str, ...] = ()
) -> Path:
    """Write the project `tiny-server`, whose module of that name holds `WORD`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pyproject.toml").write_text(PYPROJECT.format(version=version))
    (folder / "backend.py").write_text(textwrap.dedent(BACKEND))
    (folder / "needs.txt").write_text("".join(f"{line}\n" for line in needs))
    (folder / "tiny_server.py").write_text(f"WORD = {word!r}\n")
    return folder
