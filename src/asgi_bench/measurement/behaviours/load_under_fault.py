"""Load that goes on while a server is stopped or loses a worker: what becomes of the requests?"""

import os
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import NamedTuple

import msgspec

from asgi_bench.analysis.validity.answers import answer_words
from asgi_bench.load.generator import LoadSession, Look
from asgi_bench.load.messages import Load, Loaded, Loss, Opened
from asgi_bench.machine.sockets import watchers
from asgi_bench.measurement.running_servers import RunningServer
from asgi_bench.model import GracefulStop, Losses, WorkerRestart

# Load without a break would leave the load process out of reach until its end.
SLICE_S = 0.2
# Undisturbed load before anything happens: what is lost in it is not due to what follows.
CALM_S = 0.6
LOOK_EVERY_S = 0.02
# Orchestrators kill after 10 s (docker) to 30 s (Kubernetes); the shipped runners set 3 s at most.
LIMIT_S = 10.0


class Account(NamedTuple):
    """What became of the requests.

    `before` are the losses of the undisturbed load; the other figures begin with the slice in which
    it happened. `in_flight_lost` of the `losses` had been sent before that moment. `over_s` is how
    long after it `is_over` was true, None if it was not within the limit.
    """

    sent: int
    answered: int
    losses: Losses
    in_flight_lost: int
    before: Losses
    over_s: float | None


class NotApplicable(Exception):
    """There is no worker whose restart could be observed; the text says why."""


class WatchedLoad:
    """A session on one server that reports every lost request."""

    def __init__(self, session: LoadSession, server: RunningServer) -> None:
        self._session = session
        self._server = server

    def open(self, connections: int, warmup_s: float) -> Opened:
        """Open connections under load; raises LoadFault, as everything below."""
        server = self._server
        return self._session.open(
            server.scenario, server.process.endpoint, connections, warmup_s=warmup_s
        )

    def load(
        self,
        duration_s: float,
        *,
        look: Callable[[], None] | None = None,
        rate_rps: float | None = None,
        seed: int = 0,
        patience_s: float | None = None,
    ) -> Loaded:
        """Put load on the server, a closed loop without a rate; `look` is called meanwhile."""
        command = Load(
            self._session.name,
            duration_s,
            rate_rps=rate_rps,
            seed=seed,
            is_step=True,
            patience_s=patience_s,
            tells_losses=True,
        )
        return self._session.load(command, None if look is None else Look(look, LOOK_EVERY_S))

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def during(self, act: Callable[[], None], is_over: Callable[[], bool]) -> Account:
        """Load the server, do something to it, and go on until that is over, LIMIT_S at most."""
        before = losses_of([self.load(CALM_S)])
        began_s = time.perf_counter()
        acted_s: float | None = None
        over_s: float | None = None

        def look() -> None:
            nonlocal acted_s, over_s
            now_s = time.perf_counter()
            if acted_s is None:
                if now_s - began_s >= SLICE_S / 2:
                    acted_s = now_s
                    act()
            elif over_s is None and is_over():
                over_s = time.perf_counter() - acted_s

        slices = [self.load(SLICE_S, look=look)]
        while over_s is None and time.perf_counter() - began_s < LIMIT_S:
            slices.append(self.load(SLICE_S, look=look))
        return Account(
            sent=sum(piece.sent for piece in slices),
            answered=sum(piece.requests for piece in slices),
            losses=losses_of(slices),
            in_flight_lost=sum(
                loss.sent_s < (acted_s or began_s) for piece in slices for loss in piece.losses
            ),
            before=before,
            over_s=over_s,
        )


def watch_stop(load: WatchedLoad, server: RunningServer, connections: int) -> GracefulStop:
    """Load a server, send SIGTERM meanwhile, and report what was lost and how it ended.

    The signal goes to the processes that were started, and to no worker, as from whoever
    supervises a container. Raises LoadFault.
    """
    process = server.process
    load.open(connections, warmup_s=0.0)
    account = load.during(lambda: process.request_stop(roots_only=True), process.poll_stop)
    report = process.finish_stop(time.monotonic())
    load.close()
    return GracefulStop(
        connections=connections,
        # In a closed loop every connection has a request under way at any moment.
        in_flight=connections,
        in_flight_lost=account.in_flight_lost,
        sent=account.sent,
        answered=account.answered,
        losses=account.losses,
        losses_before=account.before,
        stop_s=report.duration_s if account.over_s is None else account.over_s,
        limit_s=LIMIT_S,
        was_killed=report.was_killed,
        exit_code=None if report.was_killed else report.exit_code,
    )


def watch_restart(load: WatchedLoad, server: RunningServer, connections: int) -> WorkerRestart:
    """Load a server, SIGKILL a worker meanwhile, and report what that cost.

    Raises NotApplicable for a server without a supervisor, LoadFault.
    """
    process = server.process
    if process.planned.socket_sharing == "inherited":
        raise NotApplicable("it has no supervisor of its own: asgi-bench starts its processes")
    before = watchers(process.endpoint, process.pids)
    workers = sorted(before - set(process.root_pids))
    if not workers:
        raise NotApplicable(
            "it is a single process without a supervisor"
            if before
            else "its workers can't be told apart from its other processes"
        )
    load.open(connections, warmup_s=0.0)

    def kill() -> None:
        with suppress(ProcessLookupError):
            os.kill(workers[0], signal.SIGKILL)

    def is_over() -> bool:
        accepting = watchers(process.endpoint, process.pids) - {workers[0]}
        return not process.is_alive or len(accepting) >= len(before)

    account = load.during(kill, is_over)
    survived = process.is_alive
    load.close()
    return WorkerRestart(
        workers=len(workers),
        survived=survived,
        limit_s=LIMIT_S,
        sent=account.sent,
        answered=account.answered,
        losses=account.losses,
        replaced_after_s=account.over_s if survived else None,
    )


def losses_of(slices: Iterable[Loaded]) -> Losses:
    """Return what was lost in some stretches of load, by kind."""
    slices = tuple(slices)
    lost = [_as_losses(loss) for piece in slices for loss in piece.losses]
    refused = sum(piece.errors.connect for piece in slices)
    found = sum(lost, start=Losses(refused=refused))
    if not found.wrong:
        return found
    seen = (wrong for piece in slices for wrong in piece.wrong_answers)
    whole = [answer_words(wrong) for wrong in seen if wrong.kind in ("status", "body")]
    return msgspec.structs.replace(found, first_wrong=whole[0] if whole else None)


def _as_losses(loss: Loss) -> Losses:
    match loss.kind:
        case "timeout":
            return Losses(timeout=1)
        case "reset":
            return Losses(truncated=1) if loss.has_begun else Losses(reset=1)
    return Losses(wrong=1)
