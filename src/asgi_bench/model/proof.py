"""What really runs under a server's command line, reported from inside by `apps/probe.py`."""

import msgspec

# How an interpreter is called that was built without a lock, behind its version.
FREE_THREADED = "free-threaded"


class Proof(msgspec.Struct, frozen=True):
    """What one server setting really is, reported from inside; null for what can't be known."""

    setting: str
    """Server, variant and workers: `uvicorn/default/w1`."""
    loop: str | None = None
    """The class of the event loop."""
    protocol: str | None = None
    """The class of the HTTP protocol."""
    parser: str | None = None
    """The class of the HTTP parser, unless the protocol has its own."""
    transport: str | None = None
    """The class of the transport."""
    http_version: str | None = None
    """The HTTP version that the server gave to the app."""
    asgi_version: str | None = None
    """The ASGI version that the server gave to the app."""
    asgi_spec_version: str | None = None
    """The version of the ASGI specification that the server gave to the app."""
    tcp_nodelay: bool | None = None
    """TCP_NODELAY of the accepted sockets. `false` delays the second part of a response by some 40
    ms if it is sent as two."""
    python: str | None = None
    """The interpreter: `CPython 3.11.7`; `free-threaded` follows if it was built that way."""
    gil: bool | None = None
    """Whether its interpreter lock was on, in any worker: an extension module may turn it on in a
    free-threaded build. Null in older runs."""
    packages: dict[str, str] = {}
    """The versions of the distributions that were loaded."""
    worker_pids: tuple[int, ...] = ()
    """The processes that responded."""
    fault: str | None = None
    """What differs from what the variant states (`proves` in its runner file): its cells have
    failed."""
    unproven: str | None = None
    """Why nothing could be reported."""
    debugging: tuple[str, ...] = ()
    """Modes for debugging that are on: asyncio's, Python's development mode, tracemalloc, traces,
    profiles."""
    differs: tuple[str, ...] = ()
    """What runs differently because of the user's own app, or a debugging mode that nobody
    requested: its cells are measured and invalid."""
    socket_options: dict[str, int | str] = {}
    """Options of an accepted socket by name, as the server set them or the kernel had them."""
    variables: dict[str, str | None] = {}
    """The environment that its processes began with, as `variables` of `run.json`, with what a
    wrapper around the interpreter has added."""
    modules: dict[str, str] = {}
    """The user's own modules that were loaded, the app and what is beside it, each with the first
    digits of its SHA-256; nothing that is installed."""
