"""What really runs under a server's command line, told from inside by the app `apps/probe.py`."""

import msgspec


class Proof(msgspec.Struct, frozen=True):
    """What one server setting (`uvicorn/default/w1`) really is; a part that can't be told is None.

    `loop`, `protocol`, `parser` and `transport` are names of classes. `tcp_nodelay` is read from
    the accepted socket. `worker_pids` are the processes that answered, `packages` the versions of
    the distributions they had loaded. `debugging` names the modes for debugging that are on.
    `fault` says what differs from what the variant declares; `unproven` why nothing could be told.
    `differs` says what runs otherwise than asked for, and was measured all the same: what the
    user's own app changes.
    """

    setting: str
    loop: str | None = None
    protocol: str | None = None
    parser: str | None = None
    transport: str | None = None
    http_version: str | None = None
    asgi_version: str | None = None
    asgi_spec_version: str | None = None
    tcp_nodelay: bool | None = None
    python: str | None = None
    packages: dict[str, str] = {}
    worker_pids: tuple[int, ...] = ()
    fault: str | None = None
    unproven: str | None = None
    debugging: tuple[str, ...] = ()
    differs: tuple[str, ...] = ()
    socket_options: dict[str, int | str] = {}
    """Of an accepted socket, as set by the server or left as the kernel had it."""
    variables: dict[str, str | None] = {}
    """The environment that its processes began with: names, and a value where it is no secret."""
    modules: dict[str, str] = {}
    """Modules of the user's own that were loaded, none of them installed, with their digests."""
