"""Makes setups ready as requested, before anything is measured."""

import contextlib
import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
from packaging.utils import canonicalize_name

from asgi_bench.definitions.installed import Installation
from asgi_bench.definitions.own_app import OwnApp, parse_target, working_folder
from asgi_bench.definitions.strict import read_toml
from asgi_bench.errors import UsageError
from asgi_bench.model import Setup
from asgi_bench.setups.environments import modules_in, overlay
from asgi_bench.setups.spec import INSTALLED, Asked, Line, is_source_folder, parse_environment
from asgi_bench.setups.worktrees import commit_of, repository_of, worktree

Announce = Callable[[str], None]
# Run as a server is: in the app's folder, with its module path. Nothing is imported.
_ASK_ORIGINS = """
import importlib.util, json, sys
def places(name):
    spec = importlib.util.find_spec(name)
    if spec is None:
        return []
    return [spec.origin] if spec.has_location else list(spec.submodule_search_locations or ())
print(json.dumps({name: places(name) for name in sys.argv[1:]}))
"""


@contextlib.contextmanager
def built_setups(
    asked: Sequence[Asked],
    *,
    python: str,
    own_app: OwnApp | None,
    announce: Announce,
) -> Iterator[tuple[Setup, ...]]:
    """The setups with their environments built and their commits checked out, until the end.

    `python` is the default interpreter, `own_app` the user's app in all of them. `announce` is
    called
    with what takes time.

    Raises:
        UsageError: a flag that can't be understood or would change nothing.
        BenchError: an environment can't be built or a commit can't be checked out.
    """
    with contextlib.ExitStack() as stack:
        trees: dict[tuple[Path, str], Path] = {}

        def tree_of(repository: Path, commit: str) -> Path:
            if (repository, commit) not in trees:
                opened = stack.enter_context(worktree(repository, commit))
                trees[repository, commit] = opened
            return trees[repository, commit]

        yield tuple(_setup(one, python, own_app, tree_of, announce) for one in asked)


class _Source(msgspec.Struct, frozen=True):
    """What a git ref gives a setup: its commit, its worktree, and what to install from there."""

    commit: str
    tree: Path
    app_dir: Path | None
    working_dir: Path
    lines: tuple[Line, ...]


def _setup(
    asked: Asked,
    python: str,
    own_app: OwnApp | None,
    tree_of: Callable[[Path, str], Path],
    announce: Announce,
) -> Setup:
    environment = parse_environment(asked.texts, asked.flag())
    base = environment.python or python
    app = None if asked.app is None else parse_target(asked.app, asked.flag("app"))
    app_dir = _app_dir(asked, own_app)
    working_dir = Path.cwd()
    source = None
    if asked.ref is not None:
        source = _source(asked, asked.ref, base, app_dir, tree_of)
        app_dir, working_dir = source.app_dir, source.working_dir
    lines = (*environment.lines, *(source.lines if source else ()))
    own_python = base
    if lines:
        built = overlay(
            base, lines, asked.flag() if environment.lines else asked.flag("ref"), announce
        )
        own_python = built.python
        check_origins(
            Path(own_python).parents[1],
            app_dir=app_dir,
            allowed=(source.tree,) if source else (),
            environ=os.environ,
            flag=asked.flag(),
        )
    installation = Installation(own_python)
    moved = asked.app is not None or asked.app_dir is not None or source is not None
    return Setup(
        name=asked.role,
        python=own_python,
        app=app,
        app_dir=str(app_dir) if moved and app_dir is not None else None,
        working_dir=(
            str(working_folder(app_dir, working_dir)) if moved and app_dir is not None else None
        ),
        server_args=asked.server_args,
        description=_description(asked),
        commit=source.commit if source else None,
        packages=installation.versions,
        python_version=installation.python_version,
    )


def _app_dir(asked: Asked, own_app: OwnApp | None) -> Path | None:
    """The folder of the setup's app; None where it is a shipped one."""
    if asked.app_dir is not None:
        if asked.app is None and own_app is None:
            raise UsageError(
                f"{asked.flag('app-dir')} names the folder of your own app: name the app as APP "
                f"or with {asked.flag('app')}"
            )
        if not asked.app_dir.is_dir():
            raise UsageError(f"{asked.flag('app-dir')}: {asked.app_dir} is not a folder")
        return Path(os.path.abspath(asked.app_dir))  # noqa: PTH100  (links are kept)
    if own_app is not None:
        return own_app.app_dir
    return Path.cwd() if asked.app is not None else None


def _source(
    asked: Asked,
    ref: str,
    base: str,
    app_dir: Path | None,
    tree_of: Callable[[Path, str], Path],
) -> _Source:
    """Check a ref out; raises UsageError where that would change nothing."""
    flag = asked.flag("ref")
    repository = repository_of(app_dir or Path.cwd(), flag)
    commit = commit_of(repository, ref, flag)
    packages = _installed_from(repository, Installation(base))
    if app_dir is None and not packages:
        raise UsageError(
            f"{flag} would change nothing: the app is not in {repository}, and {base} has "
            "nothing installed from there"
        )
    tree = tree_of(repository, commit)
    within = None
    if app_dir is not None:
        within = tree / app_dir.resolve().relative_to(repository.resolve())
        if not within.is_dir():
            raise UsageError(
                f"{flag}: commit {commit[:12]} has no folder {within.relative_to(tree)}"
            )
    return _Source(
        commit, tree, within, _as_here(repository, tree), _lines_of(packages, tree, commit, flag)
    )


def _installed_from(repository: Path, installation: Installation) -> dict[str, Path]:
    """Return the installed packages that a repository holds, each with its folder within it.

    Those that were installed from a folder of it, editable or not, and that of the project in its
    top folder however it was installed. What isn't installed isn't needed: the app runs without.
    """
    sources = installation.sources_in(repository)
    name = _project_name(repository)
    if name is not None and name in installation.versions:
        sources.setdefault(name, repository)
    return {name: folder.relative_to(repository) for name, folder in sources.items()}


def _lines_of(packages: dict[str, Path], tree: Path, commit: str, flag: str) -> tuple[Line, ...]:
    """Return what installs those packages from the worktree of a commit, and nothing else.

    Raises:
        UsageError: the commit holds no such package.
    """
    for name, folder in packages.items():
        if not is_source_folder(tree / folder):
            raise UsageError(
                f"{flag}: {name} is installed from {folder} of the repository, where commit "
                f"{commit[:12]} has no project"
            )
    return tuple(
        Line(f"{name} of {commit[:12]}", str(tree / folder), with_needs=False)
        for name, folder in sorted(packages.items())
    )


def _project_name(repository: Path) -> str | None:
    """The normalised name of the project in the top folder, where it states one."""
    path = repository / "pyproject.toml"
    project = read_toml(path).get("project", {}) if path.is_file() else {}
    name = project.get("name") if isinstance(project, dict) else None
    return canonicalize_name(name) if isinstance(name, str) else None


def _as_here(repository: Path, tree: Path) -> Path:
    """The folder of a worktree that the current one is in its repository, if it lies there."""
    here, root = Path.cwd().resolve(), repository.resolve()
    if not here.is_relative_to(root):
        return here
    there = tree / here.relative_to(root)
    return there if there.is_dir() else tree


def _description(asked: Asked) -> str:
    """The setup as it was asked for, in a few words."""
    parts = [" ".join(asked.texts), asked.ref, asked.app, " ".join(asked.server_args)]
    if asked.app is None and asked.app_dir is not None:
        parts.append(str(asked.app_dir))
    return ", ".join(part for part in parts if part) or INSTALLED


def check_origins(
    environment: Path,
    *,
    app_dir: Path | None,
    allowed: Sequence[Path],
    environ: Mapping[str, str],
    flag: str,
) -> None:
    """Make sure that everything installed into an environment would be imported from there.

    A folder of the same name beside the app or on PYTHONPATH comes first on the module path: both
    sides would be the same, and the comparison would say so. `allowed` are folders that may.

    Raises:
        UsageError: something else would be imported; it names the file.
    """
    modules = sorted(set(modules_in(str(environment / "bin" / "python"))))
    if not modules:
        return
    inherited = environ.get("PYTHONPATH", "")
    path = os.pathsep.join(part for part in (str(app_dir or ""), inherited) if part)
    done = subprocess.run(
        [str(environment / "bin" / "python"), "-c", _ASK_ORIGINS, *modules],
        cwd=app_dir,
        env={**environ, "PYTHONPATH": path},
        capture_output=True,
        check=True,
    )
    roots = [root.resolve() for root in (environment, *allowed)]
    origins: dict[str, list[str]] = json.loads(done.stdout)
    for name, places in origins.items():
        found = [Path(place).resolve() for place in places]
        if found and not any(one.is_relative_to(root) for one in found for root in roots):
            raise UsageError(
                f"{flag}: {name!r} would be imported from {found[0]}, which comes before the "
                "installed one: move it or the app, or change --app-dir or PYTHONPATH"
            )
