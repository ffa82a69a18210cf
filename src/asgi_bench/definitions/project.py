"""A project's own defaults: the table `[tool.asgi-bench]` of its pyproject.toml."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from asgi_bench.definitions.loads import parse_objective, parse_rates
from asgi_bench.definitions.strict import check_keys, convert, read_toml
from asgi_bench.errors import UsageError
from asgi_bench.model import HIGHEST_STATUS, LOWEST_STATUS, Arrivals
from asgi_bench.quantities import parse_counts, parse_duration, parse_share

TABLE = "[tool.asgi-bench]"
# What the flags take, so that the fault is found in the file that has it.
Count = Annotated[int, Meta(ge=1)]
Seed = Annotated[int, Meta(ge=0)]
Rate = Annotated[float, Meta(gt=0)]
Status = Annotated[int, Meta(ge=LOWEST_STATUS, le=HIGHEST_STATUS)]


class ProjectDefaults(msgspec.Struct, frozen=True, rename="kebab"):
    """The keys are the flags' names, without the dashes in front; None is a key not given."""

    server: tuple[str, ...] | str | None = None
    variant: tuple[str, ...] | str | None = None
    workers: tuple[int, ...] | int | str | None = None
    scenario: tuple[str, ...] | str | None = None
    connections: tuple[int, ...] | int | str | None = None
    rate: tuple[float | str, ...] | float | str | None = None
    arrivals: Arrivals | None = None
    closed: bool | None = None
    common_rate: Rate | None = None
    sweep: bool | None = None
    slo: str | None = None
    rounds: Count | None = None
    budget: str | None = None
    precision: str | None = None
    reference: str | None = None
    duration: str | None = None
    seed: Seed | None = None
    timeout: str | None = None
    startup_timeout: str | None = None
    label: str | None = None
    output: str | None = None
    runners: tuple[str, ...] | str | None = None
    client: Literal["fast", "fasthttp", "http"] | None = None
    server_cpus: str | None = None
    load_cpus: str | None = None
    load_processes: Count | None = None
    locustfile: str | None = None
    web_ui: bool | None = None
    server_args: str | None = None
    env: dict[str, str] | None = None
    python: str | None = None
    app: str | None = None
    app_dir: str | None = None
    path: str | None = None
    method: str | None = None
    header: tuple[str, ...] | str | None = None
    body: str | None = None
    expect_status: Status | None = None
    expect_body: str | None = None
    factory: bool | None = None
    requests: str | None = None
    strict: bool | None = None
    wait: str | None = None
    fail_fast: bool | None = None
    behaviour: bool | None = None
    idle_watch: str | None = None


_KEYS = {field.encode_name: field.name for field in msgspec.structs.fields(ProjectDefaults)}
# What each text must parse as.
_PARSERS: dict[str, Callable[[str, str], Any]] = {
    "workers": parse_counts,
    "connections": parse_counts,
    "rate": parse_rates,
    "slo": parse_objective,
    "duration": parse_duration,
    "budget": parse_duration,
    "precision": parse_share,
    "timeout": parse_duration,
    "startup-timeout": parse_duration,
    "wait": parse_duration,
    "idle-watch": parse_duration,
}


def project_defaults(folder: Path) -> dict[str, Any]:
    """Return the defaults for a project that `folder` lies in, by parameter name.

    They stand in the nearest pyproject.toml upwards; the values are as a command line gives
    them: texts, numbers, flags, and lists of texts. Paths are relative to that file's folder.

    Raises:
        UsageError: a key that is no flag, or a value that the flag would not take.
    """
    path = next(
        (
            parent / "pyproject.toml"
            for parent in (folder, *folder.parents)
            if (parent / "pyproject.toml").is_file()
        ),
        None,
    )
    tool = read_toml(path).get("tool", {}) if path else {}
    table = tool.get("asgi-bench", {}) if isinstance(tool, dict) else {}
    where = f"{path}: {TABLE}"
    if not isinstance(table, dict):
        raise UsageError(f"{where}: expected a table")
    check_keys(table, _KEYS, where)
    convert(table, ProjectDefaults, where)
    if path is None:
        return {}
    return {_KEYS[key]: _as_flag(key, value, path) for key, value in table.items()}


def _as_flag(key: str, value: Any, path: Path) -> Any:
    """Return the value as the command line would have given it."""
    if key in _PARSERS:
        text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
        _PARSERS[key](text, f"{path}: {TABLE}: {key}")
        return text
    if key == "env":
        return [f"{name}={content}" for name, content in value.items()]
    if key in ("output", "locustfile", "app-dir", "requests"):
        return str(path.parent / value)
    if key == "python" and os.sep in value:
        return str(path.parent / value)
    if key == "body" and value.startswith("@"):
        return f"@{path.parent / value[1:]}"
    if key == "runners":
        return [str(path.parent / folder) for folder in _listed(value)]
    if key in ("server", "variant", "scenario", "header"):
        return _listed(value)
    return value


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)
