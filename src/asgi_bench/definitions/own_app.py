"""An app of the user's own: which it is, and the request it is measured with."""

import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from asgi_bench.definitions.folders import shipped_apps
from asgi_bench.errors import UsageError
from asgi_bench.model import Request, Scenario, WeightedRequest

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
    "transfer-encoding": f"asgi-bench sends bodies with their length, not chunked; {_ELSEWHERE}",
    "upgrade": f"asgi-bench doesn't ask servers to upgrade; {_ELSEWHERE}",
}


class OwnApp(msgspec.Struct, frozen=True):
    """An app as `module:attribute`, found from `app_dir`, and its request.

    Its servers start in `working_dir`; None is `app_dir`.
    `expect_status` None has probes before the load tell what to expect. Several weighted
    `requests` take the place of the one.
    """

    target: str
    app_dir: Path
    is_factory: bool = False
    method: str = "GET"
    path: str = "/"
    headers: dict[str, str] = {}
    body: bytes = b""
    expect_status: int | None = None
    expect_pattern: str | None = None
    requests: tuple[WeightedRequest, ...] = ()
    working_dir: Path | None = None

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


def read_body(text: str) -> bytes:
    """Return a request's body: the text itself, or what the file in `@FILE` holds.

    Raises:
        UsageError: the file can't be read.
    """
    if not text.startswith("@"):
        return text.encode()
    return read_file(Path(text[1:]), "--body")


def read_file(path: Path, where: str) -> bytes:
    """Return what a file holds; raises UsageError where it can't be read."""
    try:
        return path.read_bytes()
    except OSError as fault:
        raise UsageError(f"{where}: {path}: can't be read: {fault.strerror}") from None


def scenario_of(own: OwnApp, needs: tuple[str, ...] = ("asgi3",)) -> Scenario:
    """Return the scenario that an app of the user's is; it bears the module's name."""
    first = own.requests[0] if own.requests else _request_of(own)
    facts = {field: getattr(first, field) for field in Request.__struct_fields__}
    return Scenario(
        **(facts | {"name": own.target.partition(":")[0]}),
        app=own.served,
        needs=needs,
        description=f"{own.target}{' (factory)' if own.is_factory else ''} from {own.app_dir}",
        requests=own.requests,
    )


def _request_of(own: OwnApp) -> Request:
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
    )


def as_text(body: bytes) -> str | None:
    """Return a body as text, or None where it is none."""
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None


def _fits_latin_1(text: str) -> bool:
    return all(ord(character) < 256 for character in text)
