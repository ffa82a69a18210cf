"""Closed-loop load that goes on while something happens to a server, with an account of it."""

import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec

from asgi_bench.analysis.wrong_answers import answer_words
from asgi_bench.load.driver import LoadSession, Look
from asgi_bench.load.messages import Load, Loaded, Loss, Opened
from asgi_bench.measurement.standing import StandingServer
from asgi_bench.model import Losses

# Load without a break would leave the load process out of reach until its end.
SLICE_S = 0.2
# Undisturbed load before anything happens: what is lost in it is not due to what follows.
CALM_S = 0.6
LOOK_EVERY_S = 0.02


class Account(NamedTuple):
    """What came of the requests of a siege.

    `before` are the losses of the undisturbed load; the other figures begin with the slice in which
    it happened. `in_flight_lost` of the `losses` had been sent before that moment. `over_s` is how
    long after it `is_over` was true, None where it was not within the limit.
    """

    sent: int
    answered: int
    losses: Losses
    in_flight_lost: int
    before: Losses
    over_s: float | None


class Siege:
    """A session on one server."""

    def __init__(self, session: LoadSession, server: StandingServer) -> None:
        self._session = session
        self._server = server

    def open(self, connections: int, warmup_s: float) -> Opened:
        """Open connections under load; raises LoadFault, as all that follows."""
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

    def endure(
        self, act: Callable[[], None], is_over: Callable[[], bool], limit_s: float
    ) -> Account:
        """Load the server, do something to it, and go on until that is over, at most so long."""
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
        while over_s is None and time.perf_counter() - began_s < limit_s:
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
