"""An app that tells what really serves it: event loop, HTTP protocol and parser, socket, versions.

Started under the command line that is measured, it answers every request with one JSON object.
A flag may be ignored and a fast part may be missing without a word: `--loop auto` takes asyncio
where uvloop can't be imported. What is running can't be mistaken.

It needs nothing but the standard library and runs on asyncio, uvloop and trio alike. Ask with the
query `port=N`, where N is the client's own port: that is how it knows its socket.
"""

import asyncio
import contextlib
import gc
import hashlib
import json
import os
import platform
import re
import socket
import sys
import sysconfig
import tracemalloc
import types
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

# From `send` and `receive` one reaches the server's own objects, nearest first. These are the
# names by which the six shipped servers' parts were found; others follow the same customs.
# The one that decrypts, over TLS, is none of HTTP.
PROTOCOL = re.compile(r"(?:(?!SSL)\w*Protocol|HTTPChannel)")
PARSER = re.compile(
    r"httptools\..*|gunicorn_h1c\..*|h11\._connection\.Connection|h2\.connection\.H2Connection"
    r"|gunicorn\.asgi\.parser\.PythonProtocol|.*Parser"
)
TRANSPORT = re.compile(r"(?:\w*Transport|SocketStream)|twisted\.internet\.tcp\.Server")
# Those that move speed and stay as they were set: TCP_QUICKACK, and the sizes of buffers and
# windows, are moved by the kernel as it goes.
OPTIONS = {
    socket.SOL_SOCKET: ("SO_KEEPALIVE", "SO_LINGER", "SO_PRIORITY", "SO_REUSEPORT"),
    socket.IPPROTO_TCP: (
        *("TCP_CORK", "TCP_DEFER_ACCEPT", "TCP_NODELAY", "TCP_NOTSENT_LOWAT"),
        "TCP_USER_TIMEOUT",
    ),
}
NOT_OWN = ("asgi_bench_factory", "asgi_bench_probe", "asgi_bench_proof", "probe")
STDLIB = sysconfig.get_path("stdlib") + os.sep
MOST_MODULES = 1000
DIGEST_LETTERS = 12
# Everything of a worker can be reached in the end; the server's parts lie near.
MOST_OBJECTS = 5000
# Ways that lead everywhere, or nowhere.
NO_WAY = (types.ModuleType, type, types.CodeType, types.FrameType, str, bytes, int, float)


async def app(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """Answer with what serves this request; any scope but `http` is refused."""
    if scope["type"] != "http":
        raise NotImplementedError(f"this application speaks http, not {scope['type']}")
    await receive()
    body = json.dumps(describe(scope, receive, send)).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def describe(scope: dict[str, Any], *roots: object) -> dict[str, Any]:
    """Return all that can be told; what can't is None."""
    names = [class_name(found) for found in reachable(roots)]
    asked = re.fullmatch(rb"port=(\d+)", scope.get("query_string", b""))
    return {
        "pid": os.getpid(),
        "loop": loop_name(),
        "protocol": nearest(PROTOCOL, names),
        "parser": nearest(PARSER, names),
        "transport": nearest(TRANSPORT, names),
        "http_version": scope.get("http_version"),
        "asgi_version": scope["asgi"].get("version"),
        "asgi_spec_version": scope["asgi"].get("spec_version"),
        "tcp_nodelay": tcp_nodelay(int(asked[1])) if asked else None,
        "socket_options": socket_options(int(asked[1])) if asked else {},
        "python": python_words(),
        "gil": gil_is_on(),
        "packages": loaded_packages(),
        "debugging": debugging(),
        "modules": own_modules(),
    }


def python_words() -> str:
    """Return the interpreter and its version, and whether it was built without a lock."""
    words = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{words} free-threaded" if sysconfig.get_config_var("Py_GIL_DISABLED") else words


def gil_is_on() -> bool:
    """Return whether the interpreter lock is on: a module may turn it on in a build without."""
    asked = getattr(sys, "_is_gil_enabled", None)
    return True if asked is None else bool(asked())


def class_name(thing: object) -> str:
    """Return module and name of an object's class."""
    return f"{type(thing).__module__}.{type(thing).__qualname__}"


def nearest(pattern: "re.Pattern[str]", names: Iterable[str]) -> "str | None":
    """Return the first class whose own name, or whose full one, matches."""
    for name in names:
        if pattern.fullmatch(name) or pattern.fullmatch(name.rpartition(".")[2]):
            return name
    return None


def reachable(roots: Iterable[object]) -> Iterator[object]:
    """Yield what can be reached from the roots, the nearest first."""
    waiting = deque(roots)
    seen: set[int] = set()
    while waiting and len(seen) < MOST_OBJECTS:
        thing = waiting.popleft()
        if thing is None or isinstance(thing, NO_WAY) or id(thing) in seen:
            continue
        seen.add(id(thing))
        yield thing
        if isinstance(thing, types.FunctionType):
            # Not its globals: what it closes over.
            waiting.extend(thing.__closure__ or ())
        else:
            waiting.extend(gc.get_referents(thing))


def loop_name() -> "str | None":
    """Return the class of the running event loop."""
    try:
        return class_name(asyncio.get_running_loop())
    except RuntimeError:
        pass
    trio = sys.modules.get("trio")
    try:
        # Public names tell only that trio runs; its loop is a private class.
        trio.lowlevel.current_task()  # type: ignore[union-attr]
        return class_name(sys.modules["trio._core._run"].GLOBAL_RUN_CONTEXT.runner)
    except (AttributeError, KeyError, RuntimeError):
        return None


def debugging() -> list[str]:
    """Return the modes for debugging that are on: each slows down whatever runs."""
    try:
        is_debug = asyncio.get_running_loop().get_debug()
    except RuntimeError:
        is_debug = False
    found = {
        "Python's development mode": sys.flags.dev_mode,
        "asyncio's debug mode": is_debug and not sys.flags.dev_mode,
        "tracemalloc": tracemalloc.is_tracing(),
        "a trace function": sys.gettrace() is not None,
        "a profile function": sys.getprofile() is not None,
        # Coverage and debuggers since Python 3.12.
        "a monitoring tool": has_monitor(),
    }
    return [name for name, is_on in found.items() if is_on]


def has_monitor() -> bool:
    """Return whether a debugger, coverage or a profiler listens to `sys.monitoring`."""
    monitoring = getattr(sys, "monitoring", None)
    return any(monitoring and monitoring.get_tool(number) for number in range(6))


def tcp_nodelay(client_port: int) -> "bool | None":
    """Read the option from our end of the connection that comes from a port."""
    found = socket_options(client_port)
    return bool(found["TCP_NODELAY"]) if "TCP_NODELAY" in found else None


def socket_options(client_port: int) -> "dict[str, int | str]":
    """Read the options of our end of the connection that comes from a port."""
    for entry in Path("/proc/self/fd").iterdir():
        try:
            copy = os.dup(int(entry.name))
        except OSError:
            continue
        try:
            sock = socket.socket(fileno=copy)
        except OSError:
            os.close(copy)
            continue
        with sock:
            try:
                if sock.getpeername()[1] == client_port:
                    return options_of(sock)
            except (OSError, IndexError):
                continue
    return {}


def options_of(sock: socket.socket) -> "dict[str, int | str]":
    """Return the options that move speed; what this kernel doesn't know is left out."""
    found: dict[str, int | str] = {}
    for level, names in OPTIONS.items():
        for name in names:
            with contextlib.suppress(AttributeError, OSError):
                found[name] = sock.getsockopt(level, getattr(socket, name))
    with contextlib.suppress(OSError):
        control = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16)
        found["TCP_CONGESTION"] = control.rstrip(b"\0").decode()
    return found


def loaded_packages() -> dict[str, str]:
    """Return the versions of the distributions whose modules are loaded, by name."""
    found = {}
    for name in sorted({module.partition(".")[0] for module in sys.modules}):
        origin = getattr(getattr(sys.modules.get(name), "__spec__", None), "origin", None) or ""
        if "-packages" in origin:
            try:
                found[name] = metadata.version(name)
            except metadata.PackageNotFoundError:
                continue
    return found


def own_modules() -> dict[str, str]:
    """Return a digest of each loaded module that was not installed: the app and what lies beside.

    Python's own and this file are left out; so is what has no source.
    """
    found: dict[str, str] = {}
    for name, module in sorted(sys.modules.copy().items()):
        origin = getattr(getattr(module, "__spec__", None), "origin", None) or ""
        if not origin.endswith(".py") or name in NOT_OWN or "-packages" in origin:
            continue
        if not origin.startswith(STDLIB) and len(found) < MOST_MODULES:
            with contextlib.suppress(OSError):
                digest = hashlib.sha256(Path(origin).read_bytes()).hexdigest()
                found[name] = digest[:DIGEST_LETTERS]
    return found
