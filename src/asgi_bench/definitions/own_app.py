"""The user's own app: which it is, and the request or requests it is measured with."""

import os
from pathlib import Path
from typing import Annotated

import msgspec

from asgi_bench.definitions.conversations import WEBSOCKET, holding
from asgi_bench.definitions.folders import shipped_apps
from asgi_bench.definitions.scenarios import FEWEST_PIPELINED, MOST_PIPELINED
from asgi_bench.definitions.stated_requests import (
    as_text,
    load_requests,
    parse_headers,
    parse_method,
    parse_path,
    read_body,
)
from asgi_bench.definitions.strict import checked_pattern
from asgi_bench.errors import UsageError
from asgi_bench.flags import APP, SWITCH, Flag, Kind, many, whole, within
from asgi_bench.model import (
    HIGHEST_STATUS,
    LOWEST_STATUS,
    Message,
    Request,
    Scenario,
    Stream,
    WeightedRequest,
)

# Servers take an application alone, and gunicorn none whose attribute has dots. So one that a
# factory makes, or that lies below an attribute, comes from a shipped module, which finds it by
# the variable. Each lies in a folder of its own: beside it nothing can hide a module of the user's.
FACTORY_APP = "asgi_bench_factory:app"
FACTORY_VARIABLE = "ASGI_BENCH_FACTORY"
ATTRIBUTE_APP = "asgi_bench_attribute:app"
ATTRIBUTE_VARIABLE = "ASGI_BENCH_ATTRIBUTE"

_SUFFIXES = (".py", ".so")
# Many folders have them, and no app imports them.
_OF_TOOLS = frozenset(("__init__", "conftest", "setup"))


def _requests_in(file: str, where: str) -> tuple[WeightedRequest, ...]:
    # Faults name the file itself.
    return load_requests(Path(file))


def _single(flag: str) -> dict[str, str]:
    """What a flag about one request says beside a file of several."""
    return {"requests": f"{flag} describes a single request: with --requests, write it in the file"}


def _located_body(text: str, folder: Path) -> str:
    return f"@{folder / text[1:]}" if text.startswith("@") else text


def _folder(text: str, where: str) -> Path:
    if not Path(text).is_dir():
        raise UsageError(f"{where}: {text} is not a folder")
    return Path(os.path.abspath(text))  # noqa: PTH100  (links are kept, as a shell does)


def working_folder(app_dir: Path, current: Path) -> Path:
    """Return the folder to start servers in: the current one, as with `uvicorn --app-dir`.

    Servers look for modules there first. If that would hide a module of `app_dir`, they start in
    `app_dir` itself: otherwise another app than the named one would be measured.
    """
    return app_dir if _modules_in(current) & _modules_in(app_dir) else current


def _modules_in(folder: Path) -> set[str]:
    """The modules and packages that lie in a folder and may be an app's own."""
    files = {path.name.partition(".")[0] for path in folder.glob("*") if path.suffix in _SUFFIXES}
    packages = {path.parent.name for path in folder.glob("*/__init__.py")}
    return (files | packages) - _OF_TOOLS


def parse_target(text: str, flag: str = "APP") -> str:
    """Return an APP as it is passed to servers; raises UsageError for an invalid one."""
    module, colon, attribute = text.partition(":")
    names = [*module.split("."), *attribute.split(".")]
    is_file = "/" in module or module.endswith(".py")
    if colon and not is_file and all(name.isidentifier() for name in names):
        return text
    hint = ""
    if is_file:
        hint = "; use the module's name, not a file name, and name its folder with --app-dir"
    raise UsageError(
        f"{flag}: {text!r} must be module:attribute, such as app:app or "
        f"myproject.asgi:application{hint}"
    )


class OwnApp(msgspec.Struct, frozen=True):
    """The user's own app, and the request it is measured with."""

    target: Annotated[
        str,
        Flag(
            "APP",
            APP,
            Kind("[APP]", parse_target),
            "Your own app as module:attribute, measured instead of the scenarios.",
            conflicts={
                "scenario": "--scenario chooses among the shipped scenarios: leave it out if you "
                "name an APP"
            },
        ),
    ] = ""
    app_dir: Annotated[
        Path,
        Flag(
            "--app-dir",
            APP,
            Kind("DIR", _folder, show=lambda _: "", locate=within),
            "Folder to import APP from. Default: the current folder.",
            is_common=True,
        ),
    ] = Path()
    is_factory: Annotated[
        bool, Flag("--factory", APP, SWITCH, "APP is a function that returns the app.")
    ] = False
    method: Annotated[
        str,
        Flag(
            "--method",
            APP,
            Kind("METHOD", parse_method),
            "Method of the request.",
            conflicts=_single("--method"),
        ),
    ] = "GET"
    path: Annotated[
        str,
        Flag(
            "--path",
            APP,
            Kind("PATH", parse_path),
            "Path and query of the request.",
            is_common=True,
            conflicts=_single("--path"),
        ),
    ] = "/"
    headers: Annotated[
        dict[str, str],
        Flag(
            "--header",
            APP,
            many("K:V", parse_headers),
            "Header of the request; repeatable.",
            conflicts=_single("--header"),
        ),
    ] = {}
    body: Annotated[
        bytes,
        Flag(
            "--body",
            APP,
            Kind("TEXT|@FILE", read_body, locate=_located_body),
            "Body of the request. Default: none.",
            conflicts=_single("--body"),
        ),
    ] = b""
    chunked: Annotated[
        bool,
        Flag(
            "--chunked",
            APP,
            SWITCH,
            "Send the body in chunks, without a Content-Length.",
            conflicts=_single("--chunked"),
        ),
    ] = False
    stream: Annotated[
        bool,
        Flag(
            "--stream",
            APP,
            SWITCH,
            "Time a streamed response part by part: its events or chunks. The client "
            "closes endless streams itself.",
            conflicts=_single("--stream"),
        ),
    ] = False
    pipeline: Annotated[
        int | None,
        Flag(
            "--pipeline",
            APP,
            whole(least=FEWEST_PIPELINED, most=MOST_PIPELINED),
            "Pipeline N requests on each connection, over HTTP/1.1. Default: no pipelining.",
            conflicts=dict.fromkeys(
                ("websocket", "stream"),
                "--pipeline sends requests before earlier ones are answered: leave out "
                "--websocket and --stream",
            ),
        ),
    ] = None
    expect_status: Annotated[
        int | None,
        Flag(
            "--expect-status",
            APP,
            whole("STATUS", least=LOWEST_STATUS, most=HIGHEST_STATUS),
            "Status a correct response has. Default: the 2xx status that probe requests get.",
            conflicts=_single("--expect-status"),
        ),
    ] = None
    expect_pattern: Annotated[
        str | None,
        Flag(
            "--expect-body",
            APP,
            Kind("REGEX", checked_pattern),
            "Regular expression the response body must match. Default: the body that probe "
            "requests get, if it is always the same and --expect-status is not set.",
            conflicts=_single("--expect-body"),
        ),
    ] = None
    websocket: Annotated[
        str | None,
        Flag(
            "--websocket",
            APP,
            Kind("PATH", parse_path),
            "Send messages to the WebSocket at PATH instead of requests.",
            conflicts=_single("--websocket")
            | dict.fromkeys(
                ("path", "method", "body", "expect-status", "expect-body"),
                "--websocket has its own path, --message and --expect-message: leave out "
                "--path, --method, --body and --expect-...",
            ),
        ),
    ] = None
    message: Annotated[
        bytes,
        Flag(
            "--message",
            APP,
            Kind("TEXT|@FILE", read_body, locate=_located_body),
            "Message to send again and again: text, or binary if the file is not UTF-8.",
            needs=("websocket",),
            needs_words="--message is sent over a WebSocket: add --websocket PATH",
        ),
    ] = b""
    expect_message: Annotated[
        str | None,
        Flag(
            "--expect-message",
            APP,
            Kind("REGEX", checked_pattern),
            "Regular expression each reply must match. Default: the reply that probe messages "
            "get, if it is always the same.",
            needs=("websocket",),
            needs_words="--expect-message is received over a WebSocket: add --websocket PATH",
        ),
    ] = None
    requests: Annotated[
        tuple[WeightedRequest, ...],
        Flag(
            "--requests",
            APP,
            Kind("FILE", _requests_in, locate=within),
            "TOML file of several weighted requests, or of a WebSocket conversation.",
        ),
    ] = ()
    working_dir: Path | None = None
    """The folder that its servers start in; None is `app_dir`."""

    @property
    def starts_in(self) -> Path:
        """The folder that its servers start in."""
        return self.app_dir if self.working_dir is None else self.working_dir

    @property
    def served(self) -> str:
        """What a server is told to serve."""
        if self.is_factory:
            return FACTORY_APP
        return ATTRIBUTE_APP if self._has_dots else self.target

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders of what is served: they come first on the servers' module path."""
        if self.is_factory:
            return str(self.app_dir), str(shipped_apps() / "factory")
        if self._has_dots:
            return str(self.app_dir), str(shipped_apps() / "attribute")
        return (str(self.app_dir),)

    @property
    def env(self) -> dict[str, str]:
        """The variables that servers need for it."""
        if self.is_factory:
            return {FACTORY_VARIABLE: self.target}
        return {ATTRIBUTE_VARIABLE: self.target} if self._has_dots else {}

    @property
    def _has_dots(self) -> bool:
        return "." in self.target.partition(":")[2]


def scenario_of(own: OwnApp, needs: tuple[str, ...] = ("asgi3",)) -> Scenario:
    """Return the scenario for the user's own app; its name is the module's."""
    first = own.requests[0] if own.requests else _request_of(own)
    if first.messages:
        if own.pipeline is not None:
            raise UsageError(
                "--pipeline needs HTTP/1.1 requests, but --requests has WebSocket messages"
            )
        needs = (*needs, WEBSOCKET)
    facts = {field: getattr(first, field) for field in Request.__struct_fields__}
    return Scenario(
        **(facts | {"name": own.target.partition(":")[0]}),
        app=own.served,
        needs=needs,
        description=f"{own.target}{' (factory)' if own.is_factory else ''} from {own.app_dir}",
        requests=() if first.messages else own.requests,
        pipeline=own.pipeline,
    )


def _request_of(own: OwnApp) -> Request:
    if own.websocket is not None:
        return _message_of(own, own.websocket)
    text = as_text(own.body)
    return Request(
        name=own.target,
        method=own.method,
        path=own.path,
        headers=own.headers,
        body=text or "",
        body_bytes=own.body if text is None else None,
        expect_status=own.expect_status or 0,
        expect_pattern=own.expect_pattern,
        chunked=own.chunked,
        stream=Stream(leave_after=0) if own.stream else None,
    )


def _message_of(own: OwnApp, path: str) -> Request:
    """A message and the one in return; without a stated one probes tell it."""
    text = as_text(own.message)
    sent = Message(send_bytes=own.message) if text is None else Message(send=text)
    wanted = Message(expect_pattern=own.expect_message)
    request = Request(name=own.target, path=path, headers=own.headers)
    request = holding(request, (sent, wanted))
    is_known = own.expect_message is not None
    return request if is_known else msgspec.structs.replace(request, expect_status=0)
