"""What is read by GitHub: the action, the project's own workflow, and those to copy."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
ACTION = ROOT / "action.yml"
EXAMPLES = ROOT / "examples" / "github"
# How a workflow names this action, but for its version.
_URLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]
OURS = f"{_URLS['Repository'].removeprefix('https://github.com/')}@v"
WORKFLOWS = (*EXAMPLES.glob("*.yml"), *(ROOT / ".github" / "workflows").glob("*.yml"))


def load(path: Path) -> dict[str, Any]:
    """A file's content; `on`, which YAML takes for true, by its name."""
    found: dict[Any, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {"on" if key is True else str(key): value for key, value in found.items()}


def steps_of(path: Path) -> Iterator[dict[str, Any]]:
    """All steps of an action or a workflow."""
    content = load(path)
    if "runs" in content:
        yield from content["runs"]["steps"]
    for job in content.get("jobs", {}).values():
        yield from job["steps"]
