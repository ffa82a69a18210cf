import random

import pytest

from asgi_bench.measurement.behaviours import overload
from asgi_bench.measurement.behaviours.overload import watch_overload
from tests.measurement.behaviours.conftest import CONNECTIONS, LoadOn, UpServer

pytestmark = pytest.mark.slow


@pytest.mark.timed
def test_a_server_of_known_capacity_keeps_it(
    up: UpServer, load_on: LoadOn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it can't take is not sent, what was sent is answered, and afterwards all is normal."""
    monkeypatch.setattr(overload, "OVERLOAD_S", 0.8)
    monkeypatch.setattr(overload, "CAPACITY_S", 0.4)
    monkeypatch.setattr(overload, "NORMAL_S", 0.4)
    monkeypatch.setattr(overload, "FLOOD_CONNECTIONS", 32)
    with up("--delay-ms", "2") as server:
        found = watch_overload(
            load_on(server), load_on(server), server, CONNECTIONS, random.Random(1)
        )
    assert found is not None
    assert found.capacity_rps < 500
    assert found.offered_rps == pytest.approx(1.75 * found.capacity_rps)
    assert found.throughput_share == pytest.approx(found.throughput_rps / found.capacity_rps)
    # One thread that sleeps answers as many, whatever is offered.
    assert 0.6 < found.throughput_share < 1.3
    assert found.sent == found.answered
    assert found.due == found.sent + found.unsent
    assert found.unsent > 0
    assert found.losses.lost == 0
    assert found.recovery_s is not None
    assert found.service_p50_s is not None
    # 32 connections wait for their turn of 2 ms each.
    assert found.service_p50_s > 0.03
