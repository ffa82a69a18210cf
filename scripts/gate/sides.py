"""The two sides of a repetition: the app `busy:app` with and without turns of its loop."""

import sys

from asgi_bench.definitions.folders import shipped_apps
from asgi_bench.definitions.installed import Installation
from asgi_bench.model import Role, Setup

APP = "busy:app"
TURNS_VARIABLE = "ASGI_BENCH_BUSY_TURNS"


def side(role: Role, turns: int, python: str = sys.executable) -> Setup:
    """A side whose loop turns so often before each answer, run by an interpreter."""
    installed = Installation(python)
    return Setup(
        name=role,
        python=python,
        app=APP,
        app_dir=str(shipped_apps()),
        # As many characters on both sides.
        env={TURNS_VARIABLE: f"{turns:06}"},
        description=f"{turns} turns",
        packages=installed.versions,
        python_version=installed.python_version,
    )


def say(text: str) -> None:
    """Tell how it goes, beside what a script prints."""
    print(text, file=sys.stderr)
