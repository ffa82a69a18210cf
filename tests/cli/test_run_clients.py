"""Runs by Locust's own clients: how they differ is seen in what was stored."""

import shutil
from pathlib import Path

import pytest

from asgi_bench.analysis.summary import summarize
from tests.command_line import FAULTY_SERVERS, SERVERS, Finished, in_process

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=["fasthttp", pytest.param("http", marks=pytest.mark.slow)])
def stock(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Finished]:
    """A run by one of Locust's own clients: of a fast server, and of one that falls silent."""
    folder = tmp_path_factory.mktemp(request.param)
    runners, server = SERVERS, "tiny"
    if shutil.which("nginx"):
        runners, server = shutil.copytree(SERVERS / "nginx", folder / "runners"), "nginx"
    finished = in_process(
        *("run", "--runners", str(runners), "--runners", str(FAULTY_SERVERS), "-s", server),
        *("-s", "silent", "--variant", "default", "-w", "1", "--client", request.param),
        *("--rounds", "1", "--duration", "1s", "-c", "8", "--timeout", "700ms"),
        folder=folder,
    )
    assert finished.code == 0, finished.stderr
    return server, finished


def test_locusts_own_clients_load_one_cell_after_another(stock: tuple[str, Finished]) -> None:
    """--client: one slice a trial, not interleaved, and they are far from the server's limit."""
    server, finished = stock
    (trial,) = finished.trials(server)
    (piece,) = trial.slices
    assert trial.interleaved is False
    assert trial.errors.total == 0
    assert trial.requests == piece.requests > 0
    assert trial.sent_total > trial.requests
    assert piece.duration_s >= 1.0
    # Who else used the CPUs is known of such a slice as of any other.
    assert {"server_wait_s", "steal_s", "neighbour_cpu_s"} <= piece.meters.keys()
    assert trial.server_cpu_s < 0.5 * trial.load_cpu_s
    # Where others leave the generator its CPU, it is the limit; else nobody can tell.
    bound = {"generator-bound", "concurrency-bound"} & {r.code for r in trial.validity_reasons}
    assert piece.load_wait_s is not None
    is_busy = trial.load_cpu_s + piece.load_wait_s >= 0.9 * trial.duration_s
    assert bound == {"generator-bound" if is_busy else "concurrency-bound"}
    assert trial.validity == "invalid" or not is_busy
    name = {"fasthttp": "FastHttpUser", "http": "HttpUser"}[finished.run.header.plan.client]
    assert f"sent by Locust's {name}" in finished.stdout


def test_locusts_own_clients_wait_no_longer_either(stock: tuple[str, Finished]) -> None:
    """--timeout 700ms: given up within the second of the load, as with our own user."""
    (trial,) = stock[1].trials("silent")
    assert trial.errors.timeout > 0
    assert trial.errors.total == trial.errors.timeout
    assert trial.requests == 0


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")
@pytest.mark.parametrize("client", ["fasthttp", "http"])
def test_locusts_own_clients_are_the_limit_beside_nginx(tmp_path: Path, client: str) -> None:
    """Every trial against nginx is generator-bound: invalid, unranked, and told why."""
    runners = shutil.copytree(SERVERS / "nginx", tmp_path / "runners")
    finished = in_process(
        *("run", "--runners", str(runners), "-s", "nginx", "-w", "1", "--client", client),
        *("--rounds", "3", "--duration", "1s"),
        folder=tmp_path,
    )
    assert finished.code == 0, finished.stderr
    assert len(finished.run.trials) == 3
    for trial in finished.run.trials:
        assert "generator-bound" in {reason.code for reason in trial.validity_reasons}
        assert trial.validity == "invalid"
    (cell,) = summarize(finished.run).cells
    assert cell.validity == "invalid"
    assert "the load generator was the limit" in " ".join(finished.stdout.split())


@pytest.mark.slow
def test_our_user_is_never_the_limit_of_slow_servers(tmp_path: Path) -> None:
    """Neither hypercorn nor daphne is generator-bound, in any variant and round."""
    finished = in_process(
        *("run", "-s", "hypercorn", "-s", "daphne", "-w", "1", "--rounds", "2"),
        *("--duration", "1s", "-c", "8,64"),
        folder=tmp_path,
    )
    assert finished.code == 0, finished.stderr
    assert len(finished.run.trials) == 2 * 2 * 4
    for trial in finished.run.trials:
        codes = {reason.code for reason in trial.validity_reasons}
        assert not codes & {"generator-bound", "unaccounted-time"}, trial.cell
