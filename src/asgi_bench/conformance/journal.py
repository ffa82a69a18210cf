"""The journal that the app writes: what a server passed to it, and the result of each step."""

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from asgi_bench.conformance.findings import Unanswered

_POLL_S = 0.005


class Sized(bytes):
    """Bytes of which the journal may have only the beginning."""

    size: int = 0


class Entry(msgspec.Struct, frozen=True):
    """A line of the journal; `at_s` is on the monotonic clock, which all processes share."""

    token: str
    what: str
    at_s: float
    data: Any
    pid: int


class Journal:
    """The lines of a journal so far; waiting reads on. Usable from several threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._entries: list[Entry] = []
        self._read = 0
        self._lock = threading.Lock()

    def entries(self, token: str) -> list[Entry]:
        """What is recorded under a token."""
        return [entry for entry in self.every() if entry.token == token]

    def every(self) -> list[Entry]:
        """All lines."""
        self._read_on()
        return list(self._entries)

    def let_on(self, token: str) -> None:
        """Let a script continue that waits at its gate."""
        self.path.with_name(f"{self.path.name}.{token}").touch()

    def awaited(
        self, token: str, is_it: Callable[[Entry], bool], what: str, patience_s: float
    ) -> Entry:
        """The first line under a token that matches; raises Unanswered if none comes in time."""
        end_s = time.monotonic() + patience_s
        while True:
            is_late = time.monotonic() >= end_s
            for entry in self.entries(token):
                if is_it(entry):
                    return entry
            if is_late:
                raise Unanswered(f"the app saw {self.seen(token)}, and no {what}")
            time.sleep(_POLL_S)

    def seen(self, token: str) -> str:
        """What the app has seen, in words."""
        told = [_in_words(entry) for entry in self.entries(token)]
        return ", ".join(told[:12]) + (", …" if len(told) > 12 else "") if told else "nothing"

    def _read_on(self) -> None:
        """Read what has come since; a line that isn't whole yet waits."""
        with self._lock:
            if not self.path.exists():
                return
            with self.path.open("rb") as file:
                file.seek(self._read)
                new = file.read()
            whole = new[: new.rfind(b"\n") + 1]
            self._read += len(whole)
            self._entries += [
                Entry(**json.loads(line, object_hook=_restored)) for line in whole.splitlines()
            ]


def _restored(value: dict[str, Any]) -> Any:
    """Bytes as they were."""
    if value.keys() != {"bytes", "size"}:
        return value
    told = Sized(value["bytes"].encode("latin-1"))
    told.size = value["size"]
    return told


def _in_words(entry: Entry) -> str:
    match entry.what, entry.data:
        case "receive", {"type": kind, **more}:
            return f"{kind} (more_body)" if more.get("more_body") else str(kind)
        case "scope", {"type": kind, **more}:
            return f"a scope of {kind} {more.get('path', '')}".rstrip()
        case (("raised" | "refused"), [first, *_]):
            return f"{entry.what} {first}"
        case "sent", kind:
            return f"sent {kind}"
        case _:
            return entry.what
