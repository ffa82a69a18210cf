"""A server started for its checks: once for each way to reach it, and with apps that fail."""

import random
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import get_args

import msgspec

from asgi_bench.conformance.check import Check, LifeCheck, StartName
from asgi_bench.conformance.clients.http2 import Http2
from asgi_bench.conformance.draining import done_at_s, drain
from asgi_bench.conformance.findings import Finding, Unanswered, cant_tell, not_offered
from asgi_bench.conformance.journal import Journal
from asgi_bench.conformance.lives import End, Life, Lives
from asgi_bench.conformance.putting import Found, judge_all, put_all
from asgi_bench.conformance.start import Patience, Start
from asgi_bench.model import PlannedCell, Scenario
from asgi_bench.model.endpoint import HttpVersion, Transport
from asgi_bench.serving.faults import ServerFault
from asgi_bench.serving.places import Places
from asgi_bench.serving.process import ServerProcess
from asgi_bench.serving.readiness import Readiness, wait_for_all

Way = tuple[HttpVersion, Transport]
JOURNAL, LIFESPAN = "ASGI_BENCH_JOURNAL", "ASGI_BENCH_LIFESPAN"
STOP_TIMEOUT_S = 10.0
# A server whose app fails at its startup has had the time of all checks by then.
FAILED_START_S = 5.0
# Each costs a start, and the time of the checks that are put again.
MOST_REVIVALS = 30
# What the app is told to do wrong, each in a life of its own.
BAD_LIVES = ("startup-failed", "raise", "shutdown-failed")


class Candidate(msgspec.Struct, frozen=True):
    """A server with a variant, and its cell for each way to reach it."""

    server: str
    variant: str
    packages: frozenset[str]
    """The names of the distributions that it is made of."""
    features: frozenset[str]
    ways: dict[Way, PlannedCell]

    @property
    def plain(self) -> PlannedCell:
        """HTTP/1.1 over TCP."""
        return self.ways["1", "tcp"]


class _Up:
    """One start: its process, and what its checks see of it."""

    def __init__(
        self, planned: PlannedCell, places: Places, folder: Path, log_path: Path, lifespan: str
    ) -> None:
        place = places.place(planned.cell, random.Random())
        self.journal = Journal(folder / f"{log_path.stem}.jsonl")
        env = {**planned.env, JOURNAL: str(self.journal.path), LIFESPAN: lifespan}
        self.process = ServerProcess(
            msgspec.structs.replace(planned, env=env),
            endpoint=place.endpoint,
            log_path=log_path,
            fill=place.fill,
        )
        self.fault: str | None = None
        self.given_up: str | None = None
        """Why it is taken for ended though it runs."""
        self._log_path = log_path

    @property
    def ended(self) -> str | None:
        """How it ended; None while it stands."""
        return self.given_up or self.process.exit_description

    def log(self) -> str:
        """What it has printed so far."""
        if not self._log_path.exists():
            return ""
        return self._log_path.read_text(encoding="utf-8", errors="replace")

    def start(self) -> None:
        """Start it; what goes wrong is its fault."""
        try:
            self.process.start()
        except ServerFault as fault:
            self.fault = fault.reason

    def seen(self, features: frozenset[str], patience: Patience) -> Start:
        """It as its checks see it."""
        return Start(
            self.process.endpoint, self.journal, features=features, log=self.log, patience=patience
        )

    def life(self, was_ready: bool, end: End) -> Life:
        """How it lived, when it has ended."""
        requests = [entry for entry in self.journal.every() if entry.token != "lifespan"]  # noqa: S105
        return Life(
            was_ready,
            tuple(self.journal.entries("lifespan")),
            tuple(entry for entry in requests if entry.what == "scope"),
            end,
            self.log(),
        )


def check_server(
    candidate: Candidate,
    scenario: Scenario,
    checks: Sequence[Check],
    life_checks: Sequence[LifeCheck],
    *,
    logs: Path,
    startup_timeout_s: float,
    patience: Patience,
) -> list[Found]:
    """Start a server in every way, run all checks on it, and stop it.

    Raises ServerFault if it can't be started for HTTP/1.1 over TCP.
    """
    with ExitStack() as stack:
        places = stack.enter_context(Places())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="asgi-bench-matrix-")))
        chosen = _starts(candidate)

        def begin(name: str, planned: PlannedCell, lifespan: str = "") -> _Up:
            log_path = logs / f"{candidate.server}-{candidate.variant}-{name}.log"
            up = _Up(planned, places, folder, log_path, lifespan)
            stack.callback(up.process.kill)
            up.start()
            return up

        ups = {name: begin(name, planned) for name, planned in chosen.items()}
        standing = _Standing(
            ups,
            lambda name, number: begin(f"{name}-{number}", chosen[name]),
            lambda up: _await([up], scenario, startup_timeout_s),
            candidate,
            patience,
        )
        bad = {}
        if candidate.plain.has_lifespan:
            bad = {kind: begin(kind, candidate.plain, kind) for kind in BAD_LIVES}
        _await(
            [*ups.values(), *(bad[kind] for kind in BAD_LIVES[1:] if bad)],
            scenario,
            startup_timeout_s,
        )
        if ups["http"].fault is not None:
            raise ServerFault(ups["http"].fault)
        # So that it is known which of them serve at all.
        for name in get_args(StartName):
            standing.serves(name)
        found = list(put_all(checks, standing))
        lives = _lives(standing, bad, scenario)
        if not candidate.plain.has_lifespan:
            why_not = "its runner file states no lifespan"
            lives = msgspec.structs.replace(lives, why_not=why_not)
        return [*found, *judge_all(life_checks, lives)]


def _starts(candidate: Candidate) -> dict[StartName, PlannedCell]:
    """The starts that there are: as few as reach all ways."""
    ways = {way: one for way, one in candidate.ways.items() if one.skip_reason is None}
    chosen: dict[StartName, PlannedCell | None] = {
        "http": ways["1", "tcp"],
        "unix": ways.get(("1", "unix")),
        # One that agrees on either version.
        "tls": ways.get(("2", "tls"), ways.get(("1", "tls"))),
        "h2c": None if _is_same(candidate) else ways.get(("2", "tcp")),
    }
    return {name: planned for name, planned in chosen.items() if planned is not None}


def _shared(candidate: Candidate) -> dict[StartName, StartName]:
    """The starts that serve for others: HTTP/2 over TLS where there is that, else without."""
    plain: StartName = "http" if _is_same(candidate) else "h2c"
    over_tls = candidate.ways["2", "tls"].skip_reason is None
    return {"h2c": plain, "http2": "tls" if over_tls else plain}


def _is_same(candidate: Candidate) -> bool:
    """Whether what serves HTTP/1.1 serves HTTP/2 too."""
    other = candidate.ways["2", "tcp"]
    return other.skip_reason is None and other.command == candidate.plain.command


class _Standing:
    """A server's starts while checks are put to it: those that end are begun anew."""

    def __init__(
        self,
        ups: Mapping[StartName, _Up],
        begin: Callable[[StartName, int], _Up],
        wait: Callable[[_Up], None],
        candidate: Candidate,
        patience: Patience,
    ) -> None:
        self.features = candidate.features
        self._ups = dict(ups)
        self._begin, self._wait = begin, wait
        self._candidate = candidate
        self._patience = patience
        self._shared = _shared(candidate)
        self._starts: dict[StartName, Start] = {}
        self._served: set[StartName] = set()
        self._revivals = 0

    def up(self, name: StartName) -> _Up:
        """The server of a start that there is."""
        return self._ups[self._own(name)]

    def start(self, name: StartName) -> Start | None:
        """As `putting.Standing`."""
        own = self._own(name)
        up = self._ups.get(own)
        if up is None or up.fault is not None:
            return None
        if own not in self._starts:
            self._starts[own] = up.seen(self.features, self._patience)
        return self._starts[own]

    def why_not(self, name: StartName) -> Finding:
        """As `putting.Standing`."""
        up = self._ups.get(self._own(name))
        if up is not None and up.fault is not None:
            return cant_tell(up.fault)
        way = _WAYS.get(name)
        reason = None if way is None else self._candidate.ways[way].skip_reason
        return not_offered(reason or "its runner file tells no such way")

    def ended(self, name: StartName) -> str | None:
        """As `putting.Standing`."""
        up = self._ups.get(self._own(name))
        return None if up is None or up.fault is not None else up.ended

    def serves(self, name: StartName) -> bool:
        """As `putting.Standing`. What has never served can't have ended."""
        start = self.start(name)
        if start is None:
            return False
        up = self.up(name)
        try:
            if name in ("http2", "h2c") or (name == "tls" and "http2" in self.features):
                _ask_over_http2(start)
            else:
                # A proxy in front may answer when the app's process is gone.
                start.scope_of()
        except Unanswered as fault:
            if self._own(name) not in self._served:
                return True
            up.given_up = up.ended or f"a plain request is not served any more: {fault}"
            return False
        self._served.add(self._own(name))
        return True

    def revive(self, name: StartName) -> None:
        """As `putting.Standing`. One that ends again and again is left alone."""
        own = self._own(name)
        old = self._ups[own]
        old.process.kill()
        self._starts.pop(own, None)
        self._revivals += 1
        if self._revivals > MOST_REVIVALS:
            old.fault = f"it ended {MOST_REVIVALS} times while checks were put to it: {old.ended}"
            return
        new = self._begin(own, self._revivals)
        self._wait(new)
        self._ups[own] = new

    def _own(self, name: StartName) -> StartName:
        return self._shared.get(name, name)


def _ask_over_http2(start: Start) -> None:
    """A plain request; raises Unanswered where it doesn't reach the app."""
    with Http2(start) as client:
        number, token = client.request()
        answer = client.answer(number)
    if not start.was_called(token):
        raise Unanswered(f"the app was not called, the answer: {answer.told}")


_WAYS: Mapping[StartName, Way] = {
    "unix": ("1", "unix"),
    "tls": ("1", "tls"),
    "http2": ("2", "tls"),
    "h2c": ("2", "tcp"),
}


def _await(ups: Sequence[_Up], scenario: Scenario, timeout_s: float) -> None:
    """Wait until each is ready, or has a fault."""
    standing = [up for up in ups if up.fault is None]
    outcomes = wait_for_all([(up.process, scenario, 1) for up in standing], timeout_s)
    for up, outcome in zip(standing, outcomes, strict=True):
        if not isinstance(outcome, Readiness):
            up.fault = outcome.reason


def _lives(standing: _Standing, bad: Mapping[str, _Up], scenario: Scenario) -> Lives:
    """Stop the main server while it is in use, and see how the others ended.

    Raises ServerFault where it has ended, and can't be started again.
    """
    if standing.ended("http") is not None:
        standing.revive("http")
    main, start = standing.up("http"), standing.start("http")
    if start is None:
        raise ServerFault(main.fault or "it can't be started again")
    drained: dict[str, Finding] = {}
    token = ""
    try:
        drained, token = drain(start, lambda: main.process.request_stop(roots_only=True))
    except Unanswered as fault:
        drained = {"in-flight": cant_tell(f"the server is not in use: {fault}")}
    lives = Lives(
        well=main.life(True, _stopped(main)),
        drained=drained,
        answered_at_s=done_at_s(start.journal.entries(token)),
    )
    if not bad:
        return lives
    failed = bad["startup-failed"]
    _await([failed], scenario, FAILED_START_S)
    return msgspec.structs.replace(
        lives,
        startup_failed=failed.life(failed.fault is None, _ended(failed)),
        raising=bad["raise"].life(bad["raise"].fault is None, _stopped(bad["raise"])),
        shutdown_failed=bad["shutdown-failed"].life(True, _stopped(bad["shutdown-failed"])),
    )


def _ended(up: _Up) -> End:
    """How a server ended that should by itself."""
    end_s = time.monotonic() + FAILED_START_S
    while up.process.is_alive and time.monotonic() < end_s:
        time.sleep(0.05)
    ended = not up.process.is_alive
    report = up.process.stop(STOP_TIMEOUT_S)
    return End(report.exit_code if ended else None, was_killed=not ended)


def _stopped(up: _Up) -> End:
    """Stop a server in order."""
    up.process.request_stop(roots_only=True)
    report = up.process.finish_stop(time.monotonic() + STOP_TIMEOUT_S)
    return End(None if report.was_killed else report.exit_code, report.was_killed)
