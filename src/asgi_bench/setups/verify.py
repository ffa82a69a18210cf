"""Is what was built for a side really what its servers will import?"""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import distributions
from pathlib import Path

from asgi_bench.errors import UsageError

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


def check_origins(
    environment: Path,
    *,
    app_dir: Path | None,
    allowed: Sequence[Path],
    environ: Mapping[str, str],
    flag: str,
) -> None:
    """See that all that was installed into an environment would be imported from there.

    A folder of the same name beside the app or on PYTHONPATH comes first on the module path: both
    sides would be the same, and the comparison would say so. `allowed` are folders that may.

    Raises:
        UsageError: something else would be imported; it names the file.
    """
    modules = sorted(set(_modules_in(environment)))
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
                f"{flag}: {name!r} would be imported from {found[0]}, which comes before what was "
                "installed: move it, or the app, or set --app-dir or PYTHONPATH otherwise"
            )


def _modules_in(environment: Path) -> Iterator[str]:
    """The top-level modules of everything installed into an environment."""
    (packages,) = environment.glob("lib/python*/site-packages")
    for found in distributions(path=[str(packages)]):
        for file in found.files or ():
            name = file.parts[0].partition(".")[0]
            if name.isidentifier() and file.suffix in (".py", ".so"):
                yield name
