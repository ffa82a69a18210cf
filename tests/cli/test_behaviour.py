"""`--behaviour` on whole runs."""

from pathlib import Path

import pytest

from asgi_bench.errors import ExitCode
from tests.command_line import SERVERS, in_process

TINY = ("run", "--runners", str(SERVERS), "-s", "tiny", "--variant", "default")


def test_only_the_fast_client_can_tell_what_was_lost(tmp_path: Path) -> None:
    """One line, and nothing is measured."""
    finished = in_process(*TINY, "--behaviour", "--client", "http", folder=tmp_path)
    assert finished.code == ExitCode.USAGE
    assert "--behaviour needs the client `fast`" in finished.stderr


def test_idle_connections_are_watched_with_behaviour_alone(tmp_path: Path) -> None:
    """--idle-watch alone would change nothing, and is refused; as a project's default it waits."""
    finished = in_process(*TINY, "--idle-watch", "5s", "--dry-run", folder=tmp_path)
    assert finished.code == ExitCode.USAGE
    assert finished.stderr.splitlines()[-1].endswith("add --behaviour")
    (tmp_path / "pyproject.toml").write_text('[tool.asgi-bench]\nidle-watch = "5s"\n')
    assert in_process(*TINY, "--dry-run", folder=tmp_path).code == 0


def test_a_dry_run_tells_how_long_it_takes(tmp_path: Path) -> None:
    """The time for each server setting, and for the idle connections."""
    args = ("-w", "1,2", "--behaviour", "--idle-watch", "28s", "--dry-run")
    finished = in_process(*TINY, *args, folder=tmp_path)
    assert finished.stdout.splitlines()[-1].startswith("behaviour of 2 server settings: about ")


@pytest.mark.slow
def test_behaviour_is_watched_after_the_rounds(tmp_path: Path) -> None:
    """Each setting has its entry, its sections in the report, and a log; the ranking stands."""
    finished = in_process(
        *TINY,
        *("-w", "1,2", "--rounds", "1", "--duration", "100ms", "-c", "8"),
        *("--behaviour", "--idle-watch", "1s", "--server-args", "--finish --respawn"),
        folder=tmp_path,
    )
    assert finished.code == 0
    one, two = finished.run.behaviours
    assert (one.setting, two.setting) == ("tiny/default/w1/hello", "tiny/default/w2/hello")
    for each in (one, two):
        assert each.stop is not None
        assert (each.stop.connections, each.stop.in_flight_lost) == (8, 0)
        assert each.overload is not None
        assert each.overload.answered > 0
        assert each.idle is not None
        assert (each.idle.watched_s, each.idle.closed) == (1.0, 0)
    assert "single process" in one.missing["restart"]
    assert two.restart is not None
    assert two.restart.replaced_after_s is not None
    assert "Behaviour" in finished.stdout
    assert "restart: 1 of 2 workers killed, another served after" in finished.stdout
    assert len(list(finished.run_folder.rglob("behaviour.log"))) == 2
    # One of each, and the reference once more beside the two workers.
    assert len(finished.run.trials) == 3
