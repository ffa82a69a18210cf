import pytest

from asgi_bench.measurement.behaviours import worker_restart
from asgi_bench.measurement.behaviours.worker_restart import NotApplicable, watch_restart
from tests.measurement.behaviours.conftest import UpServer
from tests.measurement.behaviours.test_graceful_stop import CONNECTIONS, Besiege

pytestmark = pytest.mark.slow


def test_a_worker_that_is_not_replaced_is_missed(
    up: UpServer, besiege: Besiege, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others go on, so the server survives; what the killed one held is lost."""
    monkeypatch.setattr(worker_restart, "LIMIT_S", 0.4)
    with up("--delay-ms", "1", workers=2) as server:
        found = watch_restart(besiege(server), server, CONNECTIONS)
    assert found.workers == 2
    assert found.survived
    assert found.replaced_after_s is None
    assert 0 < found.losses.lost <= CONNECTIONS
    assert found.sent == found.answered + found.losses.lost


def test_a_worker_that_is_replaced_is_seen(up: UpServer, besiege: Besiege) -> None:
    """The time is from the kill until another process accepts connections."""
    with up("--delay-ms", "1", "--respawn", workers=2) as server:
        found = watch_restart(besiege(server), server, CONNECTIONS)
    assert found.survived
    assert found.replaced_after_s is not None
    assert found.replaced_after_s < found.limit_s
    assert found.losses.lost <= CONNECTIONS


def test_a_single_process_has_no_worker_to_kill(up: UpServer, besiege: Besiege) -> None:
    """It is said why there is nothing to see, and nothing is killed."""
    with up() as server:
        with pytest.raises(NotApplicable, match="single process"):
            watch_restart(besiege(server), server, CONNECTIONS)
        assert server.process.is_alive
