"""Does the app hold up its server? Runs its lifespan's startup alone, without a server.

Most servers listen only after it, and say nothing while it lasts. So it is tried if a server was
not ready in time although its processes did nothing and said nothing.
"""

from __future__ import annotations

import json
import tempfile
from functools import cache
from pathlib import Path

from asgi_bench.machine.commands import run_command
from asgi_bench.model import PlannedCell
from asgi_bench.serving.environment_variables import server_environment

SCRIPT = Path(__file__).with_name("lifespan_script.py")
PATIENCE_S = 5.0
# An import was quick enough for the server's own start.
_IMPORT_S = 30.0


def startup_wait(planned: PlannedCell, app: str) -> str | None:
    """Return where the startup of a cell's app still waits after some seconds; None if it ends.

    Also None if the server doesn't run it, or if that can't be found out, as with a server that
    runs no
    Python.
    """
    python = planned.command[0] if planned.command else ""
    if not planned.has_lifespan or not Path(python).name.startswith("python"):
        return None
    variables = tuple(sorted(planned.env.items()))
    folder = planned.working_dir
    return _ask(python, app, variables, planned.unset, planned.passed, folder, PATIENCE_S)


@cache
def _ask(
    python: str,
    app: str,
    env: tuple[tuple[str, str], ...],
    unset: tuple[str, ...],
    passed: tuple[str, ...],
    working_dir: str,
    patience_s: float,
) -> str | None:
    """Ask once for all servers of an app: each would wait the same time for the same answer."""
    with tempfile.TemporaryDirectory(prefix="asgi-bench-lifespan-") as folder:
        result = Path(folder, "result")
        source = SCRIPT.read_text(encoding="utf-8")
        with Path(folder, "output").open("wb") as printed:
            try:
                run_command(
                    [python, "-c", source, app, str(result), str(patience_s)],
                    output=printed,
                    env=server_environment(dict(env), "", unset, passed=passed),
                    timeout_s=patience_s + _IMPORT_S,
                    folder=Path(working_dir) if working_dir else None,
                )
            except OSError:
                return None
        if not result.is_file():
            return None
        place = json.loads(result.read_text(encoding="utf-8"))
    where = f", in {place['name']} ({place['file']}:{place['line']})" if place else ""
    return (
        "the app's lifespan startup doesn't complete: run on its own it is still waiting after "
        f"{patience_s:g} s{where}"
    )
