"""Streams that clients hold open and leave: what they take meanwhile, and what is left of them."""

import pytest

from asgi_bench.analysis.summary import summarize
from asgi_bench.model import Trial
from tests.command_line import SERVERS, Finished, in_process
from tests.situation import Said, situation

pytestmark = pytest.mark.slow

CONNECTIONS = 8
EVENTS = 20
# What the first of them holds for each of its requests.
HELD_BYTES = 4 * 1024 * 1024


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """One short run of both variants side by side."""
    done = in_process(
        *("run", "--runners", str(SERVERS / "streaming"), "-s", "streaming", "-w", "1"),
        *("--scenario", "events", "-c", str(CONNECTIONS), "--rounds", "1", "--duration", "1s"),
        folder=tmp_path_factory.mktemp("streaming"),
    )
    assert done.code == 0, done.stderr
    return done


def trial_of(finished: Finished, variant: str) -> Trial:
    """The only trial of one of them."""
    return next(one for one in finished.run.trials if f"/{variant}/" in one.cell)


def findings_of(finished: Finished, variant: str) -> dict[str, str]:
    """What was found of it, by code."""
    (cell,) = [one for one in summarize(finished.run).cells if one.variant == variant]
    return {reason.code: reason.text for reason in cell.validity_reasons}


@situation(
    "memory",
    "Clients leave their event streams, and the app is never told: it goes on sending",
    says="5 s after all clients had gone: … streams still running in the app",
)
def test_streams_that_go_on_are_counted(finished: Finished, said: Said) -> None:
    """Every stream that was ever begun still runs, and the report says so everywhere."""
    trial = trial_of(finished, "deaf")
    assert trial.leftovers is not None
    assert trial.leftovers.streams == trial.sent_total
    assert trial.leftovers.after_s >= 5
    assert trial.leftovers.connections == 0
    assert f"{trial.sent_total:,} streams still running" in finished.stdout
    said(findings_of(finished, "deaf")["left-over"])


@situation(
    "memory",
    "The app is told that clients leave, and ends their event streams",
    says="Left: what remains 5 s after all clients have gone",
)
def test_streams_that_end_leave_nothing(finished: Finished, said: Said) -> None:
    """Neither a stream nor a connection nor a descriptor; without a finding."""
    left = trial_of(finished, "default").leftovers
    assert left is not None
    assert (left.streams, left.connections, left.descriptors) == (0, 0, 0)
    assert "left-over" not in findings_of(finished, "default")
    said(finished.stdout)


def test_all_wait_side_by_side(finished: Finished) -> None:
    """All were looked at after the load of all, and none had to wait for another's five seconds."""
    trials = finished.run.trials
    lives = [trial.server_life_s for trial in trials if trial.server_life_s]
    loaded_s = max(piece.end_s for trial in trials for piece in trial.slices)
    left = [trial.leftovers for trial in trials if trial.leftovers]
    assert len(left) == len(lives) == 2
    assert all(stopped_s - loaded_s > 5 for _, stopped_s in lives)
    assert max(one.after_s for one in left) - min(one.after_s for one in left) < 5


def test_the_memory_of_open_streams_is_what_they_hold(finished: Finished) -> None:
    """It is read while all of them are open, not after; so are the events that came."""
    trial = trial_of(finished, "default")
    assert trial.open_streams is not None and trial.server_pss_idle_bytes is not None
    # Of streams that are just being left a few may be there, too.
    connections = trial.open_streams.connections
    assert CONNECTIONS <= connections < 2 * CONNECTIONS
    held = trial.open_streams.server_pss_bytes - trial.server_pss_idle_bytes
    assert held == pytest.approx(connections * HELD_BYTES, rel=0.3)
    assert trial.messages_per_request == EVENTS
