"""How the lives of a server went: started and stopped with apps that work, or fail."""

import msgspec

from asgi_bench.conformance.findings import Finding
from asgi_bench.conformance.journal import Entry


class End(msgspec.Struct, frozen=True):
    """How a server ended, by itself or after SIGTERM."""

    exit_code: int | None
    """Of the first process; None where it had to be killed."""
    was_killed: bool = False


class Life(msgspec.Struct, frozen=True):
    """One life of a server."""

    was_ready: bool
    """Whether it answered requests."""
    entries: tuple[Entry, ...]
    """What the app wrote down of its lifespan."""
    requests: tuple[Entry, ...]
    """The scopes of requests that came with a token."""
    end: End
    log: str
    """What the server printed."""

    def moment(self, what: str, kind: str | None = None) -> float | None:
        """When something was first recorded of the lifespan; None if it never was."""
        for entry in self.entries:
            if entry.what == what and (kind is None or entry.data.get("type") == kind):
                return entry.at_s
        return None


class Lives(msgspec.Struct, frozen=True):
    """What is known about a server's lives; None for those it was not started for."""

    well: Life
    """On an app that lives well: the life in which HTTP/1.1 was checked, ended while in use."""
    drained: dict[str, Finding]
    """What became of the connections that were in use at its end, by the check's name."""
    answered_at_s: float | None = None
    """When the app had answered the request that was at work then; None where it hasn't."""
    startup_failed: Life | None = None
    """On an app whose startup fails."""
    raising: Life | None = None
    """On an app that knows no lifespan."""
    shutdown_failed: Life | None = None
    """On an app whose shutdown fails."""
    why_not: str = ""
    """Why the server runs no lifespan, where its runner file says so."""
