"""What Locust users do besides sending: whom they request, how long they wait, what they set.

A locustfile may name another host, request several, or report what is no request at all. Locust
counts all of it alike; a measurement of one server must not.
"""

from __future__ import annotations

import socket
import time
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from gevent.event import Event
from locust import User

from asgi_bench.load.user import FastUser
from asgi_bench.model import UserFigures
from asgi_bench.model.endpoint import PORTS

# How often it is looked how many users there are.
LOOK_S = 0.1


class Conduct:
    """Watches the users of one load process; `begin` and `figures` enclose a slice."""

    def __init__(self, environment: Any) -> None:
        self._environment = environment
        self._base = str(environment.host)
        self._host_asked: str | None = None
        self.begin()

    def begin(self) -> None:
        """Forget what came before a slice."""
        self._elsewhere = self._unplaced = 0
        self._elsewhere_host: str | None = None
        self._in_flight_s = self._user_s = self._watched_s = 0.0
        self._users_s = 0.0

    def hold_host(self) -> None:
        """Keep the host that the harness set, whatever a locustfile sets it to."""

        def keep(environment: Any, host: str | None) -> None:
            if host is not None and not is_on(host, self._base):
                self._host_asked = host

        held = property(lambda environment: self._base, keep)
        cls = type(self._environment)
        self._environment.__class__ = type(f"Held{cls.__name__}", (cls,), {"host": held})

    def note(
        self, response_time: float | None = 0, url: Any = None, response: Any = None, **_: Any
    ) -> None:
        """Record one request event: the last request of redirects shows who responded."""
        self._in_flight_s += (response_time or 0) / 1e3
        where = getattr(getattr(response, "request", None), "url", None) or url
        if not where:
            self._unplaced += 1
        else:
            self.note_place(str(where), 1)

    def note_place(self, url: str, requests: int) -> None:
        """Record that this many requests went to a URL."""
        if not is_on(url, self._base):
            self._elsewhere += requests
            self._elsewhere_host = urlsplit(url).netloc

    def wait(self, over: Event, duration_s: float) -> bool:
        """Wait for a time, or until users are being stopped (True); count them meanwhile."""
        deadline_s = time.perf_counter() + duration_s
        while (left_s := deadline_s - time.perf_counter()) > 0:
            began_s = time.perf_counter()
            everyone, waiting = self._users()
            is_over = over.wait(min(left_s, LOOK_S))
            spent_s = time.perf_counter() - began_s
            self._watched_s += spent_s
            self._users_s += spent_s * everyone
            self._user_s += spent_s * waiting
            if is_over:
                return True
        return bool(over.is_set())

    def figures(self) -> UserFigures:
        """What happened since `begin`."""
        share = min(1.0, self._in_flight_s / self._user_s) if self._user_s else None
        return UserFigures(
            users=self._users_s / self._watched_s if self._watched_s else 0.0,
            has_shape=self._environment.shape_class is not None,
            in_flight_share=share,
            elsewhere=self._elsewhere,
            elsewhere_host=self._elsewhere_host,
            unplaced=self._unplaced,
            host_asked=self._host_asked,
        )

    def _users(self) -> tuple[int, int]:
        """How many users run, and how many of them wait when they like: all but FastUsers."""
        counts = self._environment.runner.user_classes_count
        fast = {each.__name__ for each in self._environment.user_classes if _is_fast(each)}
        everyone = sum(counts.values())
        return everyone, everyone - sum(counts.get(name, 0) for name in fast)


def _is_fast(user_class: type[User]) -> bool:
    return issubclass(user_class, FastUser)


def is_on(url: str, base: str) -> bool:
    """Whether a URL is on the server of a base URL, by any name of its host.

    A path alone, as a failed request has it, is.
    """
    if "://" not in url:
        return True
    if url.startswith(base) and url[len(base) : len(base) + 1] in ("", "/", "?", "#"):
        return True
    try:
        place, ours = urlsplit(url), urlsplit(base)
        ports = {each.port or PORTS.get(each.scheme) for each in (place, ours)}
        if place.scheme != ours.scheme or len(ports) > 1:
            return False
        return ours.hostname in _addresses(place.hostname or "")
    except ValueError:
        return False


@cache
def _addresses(host: str) -> frozenset[str]:
    try:
        return frozenset(str(found[4][0]) for found in socket.getaddrinfo(host, None))
    except OSError:
        return frozenset()
