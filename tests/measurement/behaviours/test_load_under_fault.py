import msgspec
import pytest

from asgi_bench.load.messages import Loaded, Loss
from asgi_bench.measurement.behaviours import load_under_fault
from asgi_bench.measurement.behaviours.load_under_fault import (
    NotApplicable,
    losses_of,
    watch_restart,
    watch_stop,
)
from asgi_bench.model import ErrorCounts, Losses, WrongAnswer
from asgi_bench.reporting.run.behaviour import sentences
from tests.measurement.behaviours.conftest import CONNECTIONS, LoadOn, UpServer
from tests.situation import Said, situation
from tests.synthetic_behaviour import BADLY

BUSY = WrongAnswer(
    "status", "GET /", "status 503 instead of 200", 1.0, status=503, body="'busy'", body_bytes=4
)
SLICE = Loaded(
    begin_s=1.0,
    end_s=2.0,
    requests=10,
    sent=12,
    errors=ErrorCounts(status=1, reset=1),
    load_cpu_s=0.1,
    losses=(Loss(1.0, 1.1, "status", True), Loss(1.0, 1.1, "reset", False)),
    wrong_answers=(WrongAnswer("reset", "GET /", "reset the connection", 0.5), BUSY),
)


@situation(
    "answers",
    "`--behaviour`: an overloaded server refuses requests by a status",
    says="lost 2 requests (1 reset, 1 wrong, the first status 503 instead of 200 to GET / "
    "(body: 'busy'))",
)
def test_the_first_wrong_answer_is_told(said: Said) -> None:
    """Where a whole answer was wrong it is shown, in the words that a run has for it."""
    losses = losses_of([SLICE])
    assert (losses.wrong, losses.reset) == (1, 1)
    assert BADLY.overload is not None
    overload = msgspec.structs.replace(BADLY.overload, losses=losses)
    said(" ".join(sentences(msgspec.structs.replace(BADLY, overload=overload))))
    right = msgspec.structs.replace(SLICE, losses=SLICE.losses[1:])
    assert losses_of([right]).first_wrong is None


@pytest.mark.slow
def test_a_server_that_drops_its_requests_is_caught(up: UpServer, load_on: LoadOn) -> None:
    """Each connection's one request under way is lost, without the beginning of an answer."""
    with up("--delay-ms", "2") as server:
        found = watch_stop(load_on(server), server, CONNECTIONS)
    # Some connect once more while the kernel takes the dead server apart, and lose that too.
    assert found.losses.lost == found.losses.reset >= CONNECTIONS
    # One may have been answered already when the signal was sent, and its successor be lost.
    assert CONNECTIONS - 1 <= found.in_flight_lost <= CONNECTIONS
    assert found.sent == found.answered + found.losses.lost
    assert found.losses_before == Losses()
    assert found.exit_code == 0
    assert not found.was_killed
    assert found.losses.refused > 0


@pytest.mark.slow
def test_a_server_that_finishes_its_requests_loses_none(up: UpServer, load_on: LoadOn) -> None:
    """All that is under way at the signal is answered, and the server ends by itself."""
    with up("--delay-ms", "2", "--finish") as server:
        found = watch_stop(load_on(server), server, CONNECTIONS)
    assert found.in_flight_lost == 0
    assert found.in_flight == CONNECTIONS
    assert found.answered >= CONNECTIONS
    assert not found.was_killed
    assert found.stop_s < found.limit_s


@pytest.mark.slow
def test_a_server_that_does_not_end_is_killed(
    up: UpServer, load_on: LoadOn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the limit there is no exit code, and the server is gone all the same."""
    monkeypatch.setattr(load_under_fault, "LIMIT_S", 0.3)
    # The supervisor waits for its workers, which were not told.
    with up("--deaf", workers=2) as server:
        found = watch_stop(load_on(server), server, CONNECTIONS)
        assert server.process.pids == ()
    assert found.was_killed
    assert found.exit_code is None
    assert found.in_flight_lost == 0


@pytest.mark.slow
def test_a_worker_that_is_not_replaced_is_missed(
    up: UpServer, load_on: LoadOn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others go on, so the server survives; what the killed one held is lost."""
    monkeypatch.setattr(load_under_fault, "LIMIT_S", 0.4)
    with up("--delay-ms", "1", workers=2) as server:
        found = watch_restart(load_on(server), server, CONNECTIONS)
    assert found.workers == 2
    assert found.survived
    assert found.replaced_after_s is None
    assert 0 < found.losses.lost <= CONNECTIONS
    assert found.sent == found.answered + found.losses.lost


@pytest.mark.slow
def test_a_worker_that_is_replaced_is_seen(up: UpServer, load_on: LoadOn) -> None:
    """The time is from the kill until another process accepts connections."""
    with up("--delay-ms", "1", "--respawn", workers=2) as server:
        found = watch_restart(load_on(server), server, CONNECTIONS)
    assert found.survived
    assert found.replaced_after_s is not None
    assert found.replaced_after_s < found.limit_s
    assert found.losses.lost <= CONNECTIONS


@pytest.mark.slow
def test_a_single_process_has_no_worker_to_kill(up: UpServer, load_on: LoadOn) -> None:
    """It is said why there is nothing to see, and nothing is killed."""
    with up() as server:
        with pytest.raises(NotApplicable, match="single process"):
            watch_restart(load_on(server), server, CONNECTIONS)
        assert server.process.is_alive
