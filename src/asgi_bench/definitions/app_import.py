"""Can the servers' interpreter import the user's app? Checked once, before any server starts."""

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from asgi_bench.definitions.own_app import OwnApp
from asgi_bench.errors import UsageError
from asgi_bench.log_reasons import reason_in
from asgi_bench.machine.commands import run_command
from asgi_bench.secret_names import held_back_words

SCRIPT = Path(__file__).with_name("import_script.py")
STYLES = ("asgi2", "asgi3")


class AppFault(UsageError):
    """The app can't be imported; its `account` is Python's traceback, if there is one."""

    def __init__(self, text: str, traceback: str = "") -> None:
        super().__init__(text)
        self.account = traceback


def style_of(own: OwnApp, python: str, env: Mapping[str, str], timeout_s: float) -> str:
    """Return `asgi3` or `asgi2`: how an app wants to be called; `env` is what servers start with.

    Raises:
        AppFault: it can't be imported, or is no application.
    """
    told = _ask(own, python, env, timeout_s)
    held = f"; {words}" if (words := held_back_words(set(os.environ) - set(env), str(told))) else ""
    target = own.target
    if "error" in told:
        what = "can't be imported" if told["doing"] == "import" else "is a factory that fails"
        first_line = told["error"].partition("\n")[0]
        unset = told["unset"]
        is_lacking = unset is not None and (unset in env or unset not in os.environ)
        hint = f": that variable isn't set; set it with --env {unset}=VALUE" if is_lacking else ""
        raise AppFault(f"APP {target} {what}: {first_line}{hint}{held}", told["traceback"])
    module, _, attribute = target.partition(":")
    if "missing" in told:
        raise AppFault(
            f"APP {target}: no module {told['missing']!r} in {own.app_dir} or among the "
            f"packages of {python}; name its folder with --app-dir"
        )
    if "absent" in told:
        names = ", ".join(told["apps"][:5])
        there = f"; it has: {names}" if names else ""
        raise AppFault(f"APP {target}: module {module!r} has no attribute {attribute!r}{there}")
    style = str(told["style"])
    if style in STYLES:
        return style
    if told.get("of") == "factory":
        raise AppFault(f"APP {target} is not an app factory: it {style}")
    if "of" in told:
        raise AppFault(
            f"APP {target}: the factory returns something that is not an ASGI application: it "
            f"{style}"
        )
    raise AppFault(f"APP {target} is not an ASGI application: it {style}")


def _ask(own: OwnApp, python: str, env: Mapping[str, str], timeout_s: float) -> dict[str, Any]:
    """Return what the script tells, from a process of the servers' interpreter."""
    with tempfile.TemporaryDirectory(prefix="asgi-bench-import-") as folder:
        result, output = Path(folder, "result"), Path(folder, "output")
        kind = "factory" if own.is_factory else "app"
        argv = [python, "-c", SCRIPT.read_text(encoding="utf-8"), own.target, str(result), kind]
        with output.open("wb") as printed:
            try:
                code = run_command(
                    argv, output=printed, env=env, timeout_s=timeout_s, folder=own.starts_in
                )
            except OSError as fault:
                raise UsageError(f"{python}: can't run it: {fault.strerror}") from None
        if code is None:
            raise AppFault(
                f"APP {own.target}: importing it took more than {timeout_s:g} s: allow longer "
                "with --startup-timeout"
            )
        if result.is_file():
            told: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
            return told
        line = reason_in(output.read_text(encoding="utf-8", errors="replace"))
        last = f": {line}" if line else ""
        raise AppFault(f"APP {own.target}: importing it ended Python with code {code}{last}")
