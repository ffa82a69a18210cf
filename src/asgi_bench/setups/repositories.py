"""What the user's environment has installed from their own repository."""

from pathlib import Path

from packaging.utils import canonicalize_name

from asgi_bench.definitions.installed import Installation
from asgi_bench.definitions.strict import read_toml
from asgi_bench.errors import UsageError
from asgi_bench.setups.spec import Line, is_source_folder


def installed_from(repository: Path, installation: Installation) -> dict[str, Path]:
    """Return the installed packages that a repository holds, each with its folder within it.

    Those that were installed from a folder of it, editable or not, and that of the project in its
    top folder however it was installed. What isn't installed isn't needed: the app runs without.
    """
    sources = installation.sources_in(repository)
    name = _project_name(repository)
    if name is not None and name in installation.versions:
        sources.setdefault(name, repository)
    return {name: folder.relative_to(repository) for name, folder in sources.items()}


def lines_of(packages: dict[str, Path], tree: Path, commit: str, flag: str) -> tuple[Line, ...]:
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
