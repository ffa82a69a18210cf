"""An app of the user's own: which it is, and the request or requests it is measured with."""

import math
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec

from asgi_bench.definitions.conversations import (
    WEBSOCKET,
    checked_conversations,
    holding,
    parse_messages,
)
from asgi_bench.definitions.folders import shipped_apps
from asgi_bench.definitions.scenarios import check_status
from asgi_bench.definitions.strict import check_keys, checked_pattern, convert, read_toml
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

# Of more, a slice of some hundred requests would hold a handful of each.
MOST_REQUESTS = 64

_SUFFIXES = (".py", ".so")
# Many folders have them, and no app imports them.
_OF_TOOLS = frozenset(("__init__", "conftest", "setup"))
# RFC 9110, 5.6.2.
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_REQUEST_TARGET = re.compile(r"/[!-~]*", re.ASCII)
_HEADER_VALUE = re.compile(r"[^\r\n\0]*")
# What frames a message or manages its connection can't be asked for by a header, and why not.
_ELSEWHERE = "a --locustfile of your own can"
_RESERVED_HEADERS = {
    "connection": f"asgi-bench doesn't ask servers to close or to upgrade; {_ELSEWHERE}",
    "content-length": "asgi-bench sends it with every body itself: leave it out",
    "expect": f"asgi-bench sends bodies at once and doesn't wait for a 100; {_ELSEWHERE}",
    "transfer-encoding": "--chunked sends the body in chunks: leave it out",
    "upgrade": f"asgi-bench doesn't ask servers to upgrade; {_ELSEWHERE}",
}


def _requests_in(file: str, where: str) -> tuple[WeightedRequest, ...]:
    # Faults name the file itself.
    return load_requests(Path(file))


def _single(flag: str) -> dict[str, str]:
    """What a flag about one request says beside a file of several."""
    return {"requests": f"{flag} is about a single request: --requests has it in its file"}


def _located_body(text: str, folder: Path) -> str:
    return f"@{folder / text[1:]}" if text.startswith("@") else text


def _folder(text: str, where: str) -> Path:
    if not Path(text).is_dir():
        raise UsageError(f"{where}: {text} is no folder")
    return Path(os.path.abspath(text))  # noqa: PTH100  (links are kept, as a shell does)


def working_folder(app_dir: Path, current: Path) -> Path:
    """Return the folder to start servers in: the current one, as with `uvicorn --app-dir`.

    Servers look for modules there first. Where that would hide one of `app_dir`, they start in
    `app_dir` itself: else another app than the named one would be measured.
    """
    return app_dir if _modules_in(current) & _modules_in(app_dir) else current


def _modules_in(folder: Path) -> set[str]:
    """The modules and packages that lie in a folder and may be an app's own."""
    files = {path.name.partition(".")[0] for path in folder.glob("*") if path.suffix in _SUFFIXES}
    packages = {path.parent.name for path in folder.glob("*/__init__.py")}
    return (files | packages) - _OF_TOOLS


def parse_target(text: str, flag: str = "APP") -> str:
    """Return an APP as it is given to servers; raises UsageError for what is none."""
    module, colon, attribute = text.partition(":")
    names = [*module.split("."), *attribute.split(".")]
    is_file = "/" in module or module.endswith(".py")
    if colon and not is_file and all(name.isidentifier() for name in names):
        return text
    hint = ""
    if is_file:
        hint = "; it is a module's name, not a file's: --app-dir names the folder"
    raise UsageError(
        f"{flag}: {text!r} must be module:attribute, as in app:app or "
        f"myproject.asgi:application{hint}"
    )


def parse_path(text: str, where: str = "--path") -> str:
    """Return the path and query of a request; raises UsageError where it can't be one."""
    if not _REQUEST_TARGET.fullmatch(text):
        raise UsageError(
            f"{where}: {text!r} must begin with a slash and hold neither spaces nor other "
            "characters that need percent-encoding"
        )
    return text


def parse_method(text: str, where: str = "--method") -> str:
    """Return a method in upper case; raises UsageError where it can't be one."""
    method = text.upper()
    if not _TOKEN.fullmatch(method) or method == "CONNECT":
        raise UsageError(f"{where}: {text!r} must be a method of HTTP, as in POST")
    return method


def parse_headers(texts: Sequence[str], where: str = "--header") -> dict[str, str]:
    """Return headers by name; one that is given again is joined to the first (RFC 9110, 5.3).

    Raises:
        UsageError: no name and value, or a header that can't be asked for.
    """
    headers: dict[str, str] = {}
    for text in texts:
        name, colon, value = text.partition(":")
        name, value = name.strip(), value.strip()
        is_header = colon and _TOKEN.fullmatch(name) and _HEADER_VALUE.fullmatch(value)
        if not is_header or not _fits_latin_1(value):
            raise UsageError(f"{where}: {text!r} must be NAME:VALUE, as in 'Accept: text/html'")
        if name.lower() in _RESERVED_HEADERS:
            raise UsageError(f"{where}: {name}: {_RESERVED_HEADERS[name.lower()]}")
        known = next((one for one in headers if one.lower() == name.lower()), None)
        if known is None:
            headers[name] = value
        else:
            separator = "; " if name.lower() == "cookie" else ", "
            headers[known] += separator + value
    return headers


def read_body(text: str, where: str = "--body") -> bytes:
    """Return a request's body: the text itself, or what the file in `@FILE` holds.

    Raises:
        UsageError: the file can't be read.
    """
    if not text.startswith("@"):
        return text.encode()
    return read_file(Path(text[1:]), where)


def read_file(path: Path, where: str) -> bytes:
    """Return what a file holds; raises UsageError where it can't be read."""
    try:
        return path.read_bytes()
    except OSError as fault:
        raise UsageError(f"{where}: {path}: can't be read: {fault.strerror}") from None


def as_text(body: bytes) -> str | None:
    """Return a body as text, or None where it is none."""
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None


def _fits_latin_1(text: str) -> bool:
    return all(ord(character) < 256 for character in text)


class _Table(msgspec.Struct, frozen=True):
    """A request as its table has it; without `expect_status` probes tell it."""

    weight: float = 1.0
    method: str = "GET"
    path: str = "/"
    headers: dict[str, str] = {}
    body: str = ""
    body_file: str | None = None
    expect_status: int | None = None
    expect_body: str | None = None
    expect_pattern: str | None = None


def load_requests(path: Path) -> tuple[WeightedRequest, ...]:
    """Return the requests of a file, in its order; the tables' names are theirs.

    Raises:
        UsageError: the file, a key or a value is not understood.
    """
    tables = read_toml(path)
    if not tables:
        raise UsageError(f"{path}: holds no request; one is a table like [list]")
    if len(tables) > MOST_REQUESTS:
        raise UsageError(f"{path}: holds {len(tables)} requests, at most {MOST_REQUESTS}")
    requests = tuple(_request(name, table, path) for name, table in tables.items())
    talking = next((one.name for one in requests if one.messages), None)
    if talking is not None and len(requests) > 1:
        raise UsageError(f"{path}: [{talking}]: a conversation over WebSocket stands in it alone")
    return requests


def _request(name: str, table: Any, path: Path) -> WeightedRequest:
    where = f"{path}: [{name}]"
    if not isinstance(table, dict):
        raise UsageError(f"{path}: {name}: expected a table like [list], with `path` and `weight`")
    if "websocket" in table:
        return _conversation(name, table, where)
    check_keys(table, _Table.__struct_fields__, where)
    told = convert(table, _Table, where)
    if not (math.isfinite(told.weight) and told.weight > 0):
        raise UsageError(f"{where}: weight: {told.weight:g} must be a number above 0")
    if told.expect_status is not None:
        check_status(told.expect_status, where)
    if told.expect_body is not None and told.expect_pattern is not None:
        raise UsageError(f"{where}: give either expect_body or expect_pattern, not both")
    if told.expect_pattern is not None:
        checked_pattern(told.expect_pattern, f"{where}: expect_pattern")
    content = _content(told, path, where)
    text = as_text(content)
    return WeightedRequest(
        name=name,
        method=parse_method(told.method, f"{where}: method"),
        path=parse_path(told.path, f"{where}: path"),
        headers=_headers(told.headers, where),
        body=text or "",
        body_bytes=content if text is None else None,
        expect_status=told.expect_status or 0,
        expect_body=told.expect_body,
        expect_pattern=told.expect_pattern,
        weight=told.weight,
    )


class _ConversationTable(msgspec.Struct, frozen=True):
    """A conversation over WebSocket as its table has it."""

    websocket: str
    headers: dict[str, str] = {}
    conversations: int | None = None


def _conversation(name: str, table: dict[str, Any], where: str) -> WeightedRequest:
    check_keys(table, (*_ConversationTable.__struct_fields__, "messages"), where)
    messages = parse_messages(table.get("messages", []), f"{where}: messages")
    told = convert(table, _ConversationTable, where)
    request = WeightedRequest(
        name=name,
        path=parse_path(told.websocket, f"{where}: websocket"),
        headers=_headers(told.headers, where),
        conversations=checked_conversations(told.conversations, where),
    )
    return holding(request, messages)


def _headers(told: Mapping[str, str], where: str) -> dict[str, str]:
    return parse_headers([f"{key}: {value}" for key, value in told.items()], f"{where}: headers")


def _content(told: _Table, path: Path, where: str) -> bytes:
    """The body; a file's path is relative to that of the requests."""
    if told.body_file is None:
        return told.body.encode()
    if told.body:
        raise UsageError(f"{where}: give either body or body_file, not both")
    return read_file(path.parent / told.body_file, f"{where}: body_file")


class OwnApp(msgspec.Struct, frozen=True):
    """An app of the user's own, and the request it is measured with."""

    target: Annotated[
        str,
        Flag(
            "APP",
            APP,
            Kind("[APP]", parse_target),
            "Your own app as module:attribute, instead of the scenarios.",
            conflicts={
                "scenario": "--scenario chooses among the shipped ones: leave it out with APP"
            },
        ),
    ]
    app_dir: Annotated[
        Path,
        Flag(
            "--app-dir",
            APP,
            Kind("DIR", _folder, show=lambda _: "", locate=within),
            "Folder to import it from. Default: the current one.",
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
            "Body of the request.",
            conflicts=_single("--body"),
        ),
    ] = b""
    chunked: Annotated[
        bool,
        Flag(
            "--chunked",
            APP,
            SWITCH,
            "Send the body in chunks, without its length.",
            conflicts=_single("--chunked"),
        ),
    ] = False
    stream: Annotated[
        bool,
        Flag(
            "--stream",
            APP,
            SWITCH,
            "Time the answer by its parts: events, or chunks. One without an end is left.",
            conflicts=_single("--stream"),
        ),
    ] = False
    expect_status: Annotated[
        int | None,
        Flag(
            "--expect-status",
            APP,
            whole("STATUS", least=LOWEST_STATUS, most=HIGHEST_STATUS),
            "Correct status. Default: what probes find, if it is 2xx.",
            conflicts=_single("--expect-status"),
        ),
    ] = None
    expect_pattern: Annotated[
        str | None,
        Flag(
            "--expect-body",
            APP,
            Kind("REGEX", checked_pattern),
            "Regular expression that the response body must match. Default, without "
            "--expect-status too: the body that probes find, if it is always the same.",
            conflicts=_single("--expect-body"),
        ),
    ] = None
    websocket: Annotated[
        str | None,
        Flag(
            "--websocket",
            APP,
            Kind("PATH", parse_path),
            "Path of a WebSocket: messages are sent there, instead of requests.",
            conflicts=_single("--websocket")
            | dict.fromkeys(
                ("path", "method", "body", "expect-status", "expect-body"),
                "--websocket has a path of its own, --message and --expect-message: leave out "
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
            "Message that is sent over and over: text, or binary where a file is not UTF-8.",
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
            "Regular expression that the message in return must match. Default: the message that "
            "probes find, if it is always the same.",
            needs=("websocket",),
            needs_words="--expect-message comes over a WebSocket: add --websocket PATH",
        ),
    ] = None
    requests: Annotated[
        tuple[WeightedRequest, ...],
        Flag(
            "--requests",
            APP,
            Kind("FILE", _requests_in, locate=within),
            "TOML file of several weighted requests, instead of the flags for one.",
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
        """Where what is served is found: they come first on the servers' module path."""
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
    """Return the scenario that an app of the user's is; it bears the module's name."""
    first = own.requests[0] if own.requests else _request_of(own)
    if first.messages:
        needs = (*needs, WEBSOCKET)
    facts = {field: getattr(first, field) for field in Request.__struct_fields__}
    return Scenario(
        **(facts | {"name": own.target.partition(":")[0]}),
        app=own.served,
        needs=needs,
        description=f"{own.target}{' (factory)' if own.is_factory else ''} from {own.app_dir}",
        requests=() if first.messages else own.requests,
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
