from collections.abc import Callable

import pytest

from asgi_bench.measurement.behaviours import graceful_stop
from asgi_bench.measurement.behaviours.graceful_stop import watch_stop
from asgi_bench.measurement.behaviours.siege import Siege
from asgi_bench.measurement.standing import StandingServer
from asgi_bench.model import Losses
from tests.measurement.behaviours.conftest import UpServer

pytestmark = pytest.mark.slow

Besiege = Callable[[StandingServer], Siege]
CONNECTIONS = 8


def test_a_server_that_drops_its_requests_is_caught(up: UpServer, besiege: Besiege) -> None:
    """Each connection's one request under way is lost, without the beginning of an answer."""
    with up("--delay-ms", "2") as server:
        found = watch_stop(besiege(server), server, CONNECTIONS)
    # Some connect once more while the kernel takes the dead server apart, and lose that too.
    assert found.losses.lost == found.losses.reset >= CONNECTIONS
    # One may have been answered already when the signal was sent, and its successor be lost.
    assert CONNECTIONS - 1 <= found.in_flight_lost <= CONNECTIONS
    assert found.sent == found.answered + found.losses.lost
    assert found.losses_before == Losses()
    assert found.exit_code == 0
    assert not found.was_killed
    assert found.losses.refused > 0


def test_a_server_that_finishes_its_requests_loses_none(up: UpServer, besiege: Besiege) -> None:
    """All that is under way at the signal is answered, and the server ends by itself."""
    with up("--delay-ms", "2", "--finish") as server:
        found = watch_stop(besiege(server), server, CONNECTIONS)
    assert found.in_flight_lost == 0
    assert found.in_flight == CONNECTIONS
    assert found.answered >= CONNECTIONS
    assert not found.was_killed
    assert found.stop_s < found.limit_s


def test_a_server_that_does_not_end_is_killed(
    up: UpServer, besiege: Besiege, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the limit there is no exit code, and the server is gone all the same."""
    monkeypatch.setattr(graceful_stop, "LIMIT_S", 0.3)
    # The supervisor waits for its workers, which were not told.
    with up("--deaf", workers=2) as server:
        found = watch_stop(besiege(server), server, CONNECTIONS)
        assert server.process.pids == ()
    assert found.was_killed
    assert found.exit_code is None
    assert found.in_flight_lost == 0
