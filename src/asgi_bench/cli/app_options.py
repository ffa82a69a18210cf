"""The flags of an app of the user's own: which it is, its request, and the right answer."""

import inspect
import os
import shutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from asgi_bench.cli.moot_flags import is_told
from asgi_bench.definitions.own_app import (
    OwnApp,
    parse_headers,
    parse_method,
    parse_path,
    parse_target,
    read_body,
    working_folder,
)
from asgi_bench.definitions.requests import load_requests
from asgi_bench.definitions.scenarios import check_pattern
from asgi_bench.errors import UsageError
from asgi_bench.model import HIGHEST_STATUS, LOWEST_STATUS

App = Annotated[
    str | None,
    typer.Argument(
        metavar="[APP]",
        help="Your own app as module:attribute, in place of the scenarios.",
        show_default=False,
    ),
]
AppDir = Annotated[
    Path | None,
    typer.Option(
        "--app-dir", metavar="DIR", help="APP: the folder to import it from. Else the current one."
    ),
]
UrlPath = Annotated[
    str | None, typer.Option("--path", metavar="PATH", help="APP: what is requested. Else `/`.")
]
Method = Annotated[
    str | None, typer.Option("--method", metavar="METHOD", help="APP: the method. Else GET.")
]
Headers = Annotated[
    list[str] | None,
    typer.Option("--header", metavar="K:V", help="APP: a header of the request; repeatable."),
]
Body = Annotated[
    str | None,
    typer.Option("--body", metavar="TEXT|@FILE", help="APP: the body of the request."),
]
ExpectStatus = Annotated[
    int | None,
    typer.Option(
        "--expect-status",
        min=LOWEST_STATUS,
        max=HIGHEST_STATUS,
        help="APP: the right status. Else what probes find, if it is 2xx.",
    ),
]
ExpectBody = Annotated[
    str | None,
    typer.Option(
        "--expect-body",
        metavar="REGEX",
        help="APP: what the body must hold a match of. Without any --expect-…: what probes find.",
    ),
]
Requests = Annotated[
    Path | None,
    typer.Option(
        "--requests",
        metavar="FILE",
        exists=True,
        dir_okay=False,
        help="APP: a TOML file of several weighted requests, in place of the flags for one.",
    ),
]
Factory = Annotated[
    bool, typer.Option("--factory", help="APP is called without arguments and makes the app.")
]
Python = Annotated[
    str | None,
    typer.Option(
        "--python",
        metavar="PATH",
        help="The servers' interpreter, as in venv/bin/python. Else the one of asgi-bench.",
    ),
]


def own_app_of(
    app: App = None,
    app_dir: AppDir = None,
    path: UrlPath = None,
    method: Method = None,
    header: Headers = None,
    body: Body = None,
    expect_status: ExpectStatus = None,
    expect_body: ExpectBody = None,
    factory: Factory = False,
    requests: Requests = None,
) -> OwnApp | None:
    """Return the user's own app as the flags tell it, or None where there is none.

    Raises:
        UsageError: a flag's text can't be read, or it says something about no app.
    """
    if app is None:
        _refuse_without_app(locals())
        return None
    if requests is not None:
        _refuse_beside_requests(locals())
    if expect_body is not None:
        check_pattern(expect_body, "--expect-body")
    folder = _folder(app_dir or Path())
    return OwnApp(
        target=parse_target(app),
        app_dir=folder,
        working_dir=working_folder(folder, Path.cwd()),
        is_factory=factory,
        method=parse_method(method or "GET"),
        path=parse_path("/" if path is None else path),
        headers=parse_headers(header or ()),
        body=b"" if body is None else read_body(body),
        expect_status=expect_status,
        expect_pattern=expect_body,
        requests=() if requests is None else load_requests(requests),
    )


def interpreter_of(python: str | None) -> str:
    """Return the servers' interpreter: a path as given, or a program found on the PATH.

    Links aren't followed: a virtual environment is known by its own path.

    Raises:
        UsageError: there is no such program.
    """
    if python is None:
        return sys.executable
    # Path.resolve would follow links.
    path = os.path.abspath(python) if os.sep in python else shutil.which(python)  # noqa: PTH100
    if path is None or shutil.which(path) is None:
        raise UsageError(f"--python: {python!r} is no program that can be run")
    return path


def overrule_defaults(context: typer.Context, values: dict[str, Any]) -> None:
    """Leave out of `values` what only a project's defaults say where the command line chose else.

    Another app or scenario than the project's; no app, so that nothing is to be said of one; a
    file of requests or a single one. What the command line itself contradicts stays, to be told.
    """

    def leave_out(names: Iterable[str]) -> None:
        for name in names:
            if not is_told(context, name):
                values[name] = _DEFAULTS.get(name)

    if is_told(context, "app"):
        leave_out(["scenario"])
    elif is_told(context, "scenario"):
        leave_out(["app"])
    if values["app"] is None:
        leave_out(_DEFAULTS)
    if is_told(context, "requests"):
        leave_out(_OF_ONE_REQUEST)
    elif any(is_told(context, name) for name in _OF_ONE_REQUEST):
        leave_out(["requests"])


# What a file of requests says of each of them.
_OF_ONE_REQUEST = ("path", "method", "header", "body", "expect_status", "expect_body")


def _refuse_beside_requests(given: Mapping[str, Any]) -> None:
    for name in _OF_ONE_REQUEST:
        if given[name] is not None and given[name] != []:
            flag = f"--{name.replace('_', '-')}"
            raise UsageError(f"{flag} is about a single request: --requests has it in its file")


_DEFAULTS: Mapping[str, Any] = {
    name: parameter.default for name, parameter in inspect.signature(own_app_of).parameters.items()
}


def _refuse_without_app(given: Mapping[str, Any]) -> None:
    for name, default in _DEFAULTS.items():
        if given[name] != default:
            flag = f"--{name.replace('_', '-')}"
            raise UsageError(f"{flag} is about an app of your own: name it, as in `run app:app`")


def _folder(app_dir: Path) -> Path:
    if not app_dir.is_dir():
        raise UsageError(f"--app-dir: {app_dir} is no folder")
    return Path(os.path.abspath(app_dir))  # noqa: PTH100  (links are kept, as a shell does)
