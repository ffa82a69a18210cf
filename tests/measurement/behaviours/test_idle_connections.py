import pytest

from asgi_bench.measurement.behaviours.idle_connections import NEAR, WATCHED, watch_idle
from asgi_bench.model import (
    Endpoint,
    IdleKeepAlive,
)
from asgi_bench.serving.faults import ServerFault
from tests.known_answers import Behaviour, KnownAnswers, unused_port
from tests.measurement.behaviours.conftest import SCENARIO, TIMEOUT_S, UpServer

IDLE_S = 0.5


@pytest.mark.timed
def test_servers_are_watched_side_by_side(up: UpServer) -> None:
    """One closes after its time, another not in the time watched, a third isn't there at all."""
    with up("--idle-close", str(IDLE_S)) as closing, up() as patient:
        targets = {
            "closing": (closing.process.endpoint, SCENARIO),
            "patient": (patient.process.endpoint, SCENARIO),
            "absent": (Endpoint.local(unused_port()), SCENARIO),
        }
        found = watch_idle(targets, 1.0, TIMEOUT_S)
    assert isinstance(found["absent"], ServerFault)
    assert found["patient"] == IdleKeepAlive(watched_s=1.0, connections=WATCHED, closed=0)
    seen = found["closing"]
    assert isinstance(seen, IdleKeepAlive)
    assert seen.closed == WATCHED
    assert seen.earliest_s is not None
    assert seen.latest_s is not None
    # From the answer as the client has it, which is a moment later than the server's.
    assert IDLE_S * 0.9 < seen.earliest_s <= seen.latest_s < 1.0
    # The first of the requests come before the close, the last after it: those aren't sent.
    assert 0 < seen.sent_near < NEAR
    assert 0 <= seen.lost_near < seen.sent_near


def test_an_answer_that_announces_the_close_leaves_nothing_to_idle() -> None:
    """It is an idle time of nothing; nobody sends on such a connection."""
    with KnownAnswers(Behaviour(script=("announced-close",))) as server:
        found = watch_idle({"it": (Endpoint.local(server.port), SCENARIO)}, 0.2, TIMEOUT_S)["it"]
    assert found == IdleKeepAlive(0.2, WATCHED, WATCHED, earliest_s=0.0, latest_s=0.0)
