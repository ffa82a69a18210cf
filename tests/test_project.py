"""The project's habits, read off its files."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import (
    Distribution,
    distribution,
    distributions,
    packages_distributions,
)
from pathlib import Path
from typing import Any

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from asgi_bench import __version__
from tests.source_tree import import_graph, read_modules

ROOT = Path(__file__).resolve().parents[1]
PYPROJECT: Mapping[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT: Mapping[str, Any] = PYPROJECT["project"]
PYTHONS = ("3.11", "3.12", "3.13")

# Joined here, so that this file passes its own check.
REGISTRIES = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("crates", "io"),
        ("proxy", "golang", "org"),
    )
)
HOMES = ("work", "root", "home", "Users")
MACHINE_PATH = re.compile(rf"(?<![\w.*])/(?:{'|'.join(HOMES)})/\w")


def declared() -> list[Requirement]:
    """Return every requirement of the package and of its extras."""
    groups = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    return [Requirement(line) for group in groups for line in group]


def extra(name: str) -> list[Requirement]:
    """Return the requirements of an extra."""
    return [Requirement(line) for line in PROJECT["optional-dependencies"][name]]


def is_installed(requirement: Requirement) -> bool:
    """Tell whether a requirement's distribution is there, in whatever version."""
    return any(distributions(name=requirement.name))


def pins() -> list[Requirement]:
    """Return the lines of constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def applies(marker: Marker | None, python: str) -> bool:
    """Tell whether a line counts for a version of Python."""
    return marker is None or marker.evaluate(
        {"python_version": python, "python_full_version": f"{python}.0"}
    )


def required_by(found: Distribution, extras: Iterable[str]) -> Iterator[Requirement]:
    """Yield what an installed distribution requires for some of its extras, markers resolved."""
    for line in found.requires or ():
        requirement = Requirement(line)
        marker, requirement.marker = requirement.marker, None
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield requirement


def project_files() -> Iterator[Path]:
    """Yield what is or will be committed; without git, all that is not a tool's own."""
    if (ROOT / ".git").exists() and shutil.which("git"):
        # The checkout may belong to another user, as in a container.
        argv = ["git", "-c", "safe.directory=*", "ls-files", "-z"]
        listed = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        paths = [ROOT / name for name in listed.split("\0") if name]
    else:
        tools = re.compile(r"/(\.venv|\.git|\.[a-z]+_cache|\.hypothesis|__pycache__)(/|$)")
        paths = [path for path in ROOT.rglob("*") if not tools.search(f"/{path.relative_to(ROOT)}")]
    yield from (path for path in paths if path.is_file())


def texts() -> Iterator[tuple[str, str]]:
    """Yield every text file of the project: its path in it and what it says."""
    for path in project_files():
        content = path.read_bytes()
        if b"\0" not in content:
            yield str(path.relative_to(ROOT)), content.decode("utf-8")


def without_make() -> dict[str, str]:
    """Return the environment without what an outer make hands on."""
    return {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}


@pytest.mark.parametrize("python", PYTHONS)
def test_each_requirement_is_pinned_once(python: str) -> None:
    """Each dependency, extra or not, has exactly one `==` pin that it allows, on each Python."""
    pinned = [pin for pin in pins() if applies(pin.marker, python)]
    names = [canonicalize_name(pin.name) for pin in pinned]
    assert len(names) == len(set(names))
    versions = dict(zip(names, (str(pin.specifier) for pin in pinned), strict=True))
    for requirement in declared():
        if applies(requirement.marker, python):
            version = versions.get(canonicalize_name(requirement.name), "")
            assert version.startswith("=="), f"{requirement.name} is not pinned"
            assert requirement.specifier.contains(version.removeprefix("=="), prereleases=True)


def test_all_that_comes_along_is_pinned() -> None:
    """What the requirements require in turn is pinned too, at the version installed here.

    `make docs` alone installs what builds the site, `scripts/lint-examples` what it lints with.
    """
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    pinned = {canonicalize_name(pin.name): pin for pin in pins() if applies(pin.marker, here)}
    on_demand = [*extra("docs"), *extra("containers")]
    waiting = [one for one in declared() if one not in on_demand or is_installed(one)]
    seen: set[str] = set()
    while waiting:
        requirement = waiting.pop()
        if str(requirement) in seen or not applies(requirement.marker, here):
            continue
        seen.add(str(requirement))
        found = distribution(requirement.name)
        name = canonicalize_name(requirement.name)
        assert name in pinned, f"{name} {found.version} is not pinned"
        assert str(pinned[name].specifier) == f"=={found.version}", name
        waiting += required_by(found, requirement.extras)


def test_each_import_is_declared() -> None:
    """What the package imports stands in its dependencies, not merely in theirs."""
    required = {canonicalize_name(Requirement(line).name) for line in PROJECT["dependencies"]}
    providers = packages_distributions()
    modules = read_modules(ROOT / "src")
    for name, imports in import_graph(modules).items():
        for found in imports:
            package = found.target.partition(".")[0]
            if package not in sys.stdlib_module_names and package != "asgi_bench":
                ours = {canonicalize_name(one) for one in providers.get(package, [])} & required
                assert ours, f"{name}:{found.line} imports {package}, which is not declared"


def test_the_version_stands_in_one_place() -> None:
    """pyproject.toml takes the version from the package, and the change log leads with it."""
    assert "version" in PROJECT["dynamic"]
    assert (ROOT / PYPROJECT["tool"]["hatch"]["version"]["path"]).read_text().count(
        __version__
    ) == 1
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)
    assert headings, "CHANGELOG.md has no entry"
    assert headings[0] == "Unreleased" or headings[0].split()[0] == __version__


def test_each_supported_python_is_classified() -> None:
    """The classifiers name the versions of Python that constraints.txt and CI are for."""
    prefix = "Programming Language :: Python :: 3."
    found = [line.rpartition(" ")[2] for line in PROJECT["classifiers"] if prefix in line]
    assert tuple(found) == PYTHONS
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    assert f"python: {json.dumps(PYTHONS)}" in workflow


def test_make_alone_lists_its_targets() -> None:
    """`make` without a target shows each target with a word on it, and does nothing else."""
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^\.PHONY: (.+)$", makefile, flags=re.MULTILINE)
    done = subprocess.run(
        ["make", "--no-print-directory", "-C", str(ROOT)],
        capture_output=True,
        text=True,
        check=True,
        env=without_make(),
    )
    lines = [line.split(maxsplit=2) for line in done.stdout.splitlines()]
    assert [line[:2] for line in lines] == [["make", target] for target in targets]
    assert all(len(line) == 3 for line in lines)
    assert {"help", "setup", "bench", "test", "lint"} <= set(targets)


def test_a_second_setup_does_nothing(tmp_path: Path) -> None:
    """`make setup` has nothing to do once the environment is newer than what it is made from."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("pyproject.toml", "constraints.txt"):
        (tmp_path / name).touch()
    stamp = tmp_path / ".venv" / ".installed"
    stamp.parent.mkdir()
    ask = ["make", "--no-print-directory", "--question", "-C", str(tmp_path), "setup"]
    assert subprocess.run(ask, env=without_make(), check=False).returncode == 1
    stamp.touch()
    assert subprocess.run(ask, env=without_make(), check=False).returncode == 0


@pytest.mark.parametrize(
    ("path", "is_kept"),
    [
        ("results/20261122T190000Z-mine/run.json", False),
        ("results/README.md", True),
        ("results/recorded/2026-11-22-somewhere/run.json", True),
        ("results/recorded/2026-11-22-somewhere/trials.jsonl", True),
        ("results/recorded/2026-11-22-somewhere/logs/uvicorn/default/w1/hello/c64/0.log", True),
        ("results/recorded/2026-11-22-somewhere/charts/throughput.svg", True),
        (".venv/bin/python", False),
    ],
)
def test_git_keeps_recorded_runs_alone(path: str, is_kept: bool, tmp_path: Path) -> None:
    """A recorded run is committed with all its raw data, any other run is ignored."""
    git = shutil.which("git")
    if git is None:
        pytest.skip("git is not installed")
    shutil.copy(ROOT / ".gitignore", tmp_path)
    subprocess.run([git, "init", "--quiet", str(tmp_path)], check=True)
    asked = subprocess.run([git, "-C", str(tmp_path), "check-ignore", "-q", path], check=False)
    assert asked.returncode == (1 if is_kept else 0)


def test_no_file_names_a_registry_or_a_folder_of_one_machine() -> None:
    """What is committed holds on any machine: no package registry's host, no home folder."""
    for name, text in texts():
        for registry in REGISTRIES:
            assert registry not in text, f"{name} names {registry}"
        found = MACHINE_PATH.search(text)
        assert found is None, f"{name} names {text[found.start() : found.end() + 40]!r}"


@pytest.mark.parametrize("home", HOMES)
@pytest.mark.parametrize("text", ["in {}", '"{}"', "({})", "={}", "file://{}"])
def test_a_folder_of_one_machine_is_found(text: str, home: str) -> None:
    """The check knows a home folder wherever a path may begin, and no part of an address."""
    path = f"/{home}/anybody"
    assert MACHINE_PATH.search(text.format(path))
    assert not MACHINE_PATH.search(f"https://host{path}")


def test_scripts_can_be_run() -> None:
    """Each script has its interpreter in the first line and the right to be executed."""
    folders = (ROOT / "scripts", ROOT / "scripts" / "action", ROOT / ".ci")
    scripts = [path for path in project_files() if path.parent in folders]
    assert {"lint", "run"} <= {path.name for path in scripts}
    for path in scripts:
        assert path.read_text().startswith("#!/usr/bin/env "), path
        assert os.access(path, os.X_OK), path
