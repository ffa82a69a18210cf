"""Runs that show Locust's own face: a locustfile of the user's, and the live page."""

import json
import socket
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from asgi_bench.analysis.percentiles import merge_histograms
from asgi_bench.load.generator import QUIT_TIMEOUT_S, WEB_PAGE, WEB_PORT
from asgi_bench.model import RESPONSE_TIME
from tests.command_line import TINY, Finished, background, in_process, told

pytestmark = pytest.mark.slow

LOCUSTFILE = """
import json
from pathlib import Path

from locust import FastHttpUser, constant, events, task


class Shopper(FastHttpUser):
    wait_time = constant(0)

    @task(3)
    def look(self):
        self.client.get("/items")

    @task
    def buy(self):
        with self.client.post("/orders", data="one", catch_response=True) as response:
            response.failure("status") if response.status_code == 500 else response.success()


@events.quitting.add_listener
def keep(environment, **_):
    times = environment.stats.total.response_times
    Path(__file__).with_name("times.json").write_text(json.dumps(sorted(times)))
"""


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A run of a user's own locustfile against a server that counts."""
    folder = tmp_path_factory.mktemp("locustfile")
    (folder / "shop.py").write_text(LOCUSTFILE)
    return in_process(
        *("run", *TINY, "--locustfile", "shop.py", "-c", "3", "--rounds", "2"),
        *("--duration", "400ms"),
        folder=folder,
    )


def test_a_locustfile_goes_through_the_same_accounting(scenario: Finished) -> None:
    """One slice a trial, CPU clocked, its requests and its server's own count one number."""
    assert scenario.code == 0, scenario.stderr
    assert len(scenario.run.trials) == 2
    for trial in scenario.run.trials:
        (piece,) = trial.slices
        assert trial.requests == piece.requests > 0
        assert 0.4 <= piece.duration_s < 5
        assert trial.errors_total.total == 0
        assert trial.server_cpu_s > 0 and trial.load_cpu_s > 0
        histogram = merge_histograms([trial.times_hdr.get(RESPONSE_TIME)])
        assert histogram is not None and histogram.total == trial.requests
        (ended,) = (line for line in told(scenario.run_folder, trial) if "received" in line)
        assert trial.sent_total == ended["received"]


def test_a_locustfile_is_marked_as_not_interleaved(scenario: Finished) -> None:
    """In the stored trials, the plan and the table."""
    assert not any(trial.interleaved for trial in scenario.run.trials)
    plan = scenario.run.header.plan
    assert (plan.client, plan.locustfile) == ("locustfile", str(scenario.folder / "shop.py"))
    assert "sent by a locustfile, not interleaved" in scenario.stdout


def test_a_locustfile_has_buckets_of_tenths_of_a_millisecond(scenario: Finished) -> None:
    """Locust's own tables are fed in 0.1 ms: a fast server doesn't read 0 or whole ones."""
    times = [float(text) for text in json.loads((scenario.folder / "times.json").read_text())]
    assert times
    assert all(time == round(time, 1) for time in times)
    assert any(time != round(time) for time in times)


FAST = """
from asgi_bench.load import FastUser


class Visitor(FastUser):
    connections = 4
    path = "/items"
"""
SHAPE = """
from locust import LoadTestShape


class Steps(LoadTestShape):
    def tick(self):
        return {tick}
"""


def test_fast_users_share_the_connections_of_a_cell(tmp_path: Path) -> None:
    """Two of four for -c 8: a trial shorter than a stretch of theirs has its counts and times."""
    (tmp_path / "fast.py").write_text(FAST)
    arguments = ("--locustfile", "fast.py", "-c", "8", "--rounds", "1", "--duration", "400ms")
    done = in_process("run", *TINY, *arguments, folder=tmp_path)
    assert done.code == 0, done.stderr
    (trial,) = done.run.trials
    assert (trial.outcome, trial.errors_total.total) == ("ok", 0)
    (piece,) = trial.slices
    assert trial.requests == piece.requests > 0
    histogram = merge_histograms([trial.times_hdr.get(RESPONSE_TIME)])
    assert histogram is not None and 0 < histogram.total <= trial.requests
    (ended,) = (line for line in told(done.run_folder, trial) if "received" in line)
    assert trial.sent_total == ended["received"]


@pytest.mark.parametrize(
    ("locustfile", "line"),
    [
        (
            FAST,
            "--connections: no number of the locustfile's users has 6 connections together: 1 "
            "has 4, 2 have 8",
        ),
        ("import no_such_module", "No module named 'no_such_module'"),
        ("", "/users.py: the load process died with exit code 1: "),
    ],
    ids=["connections", "import", "empty"],
)
def test_a_locustfile_that_can_not_be_run_is_refused(
    tmp_path: Path, locustfile: str, line: str
) -> None:
    """In one line, with exit code 2, before a server is started or a folder made."""
    (tmp_path / "users.py").write_text(locustfile)
    arguments = ("--locustfile", "users.py", "-c", "4,6", "--rounds", "1")
    done = in_process("run", *TINY, *arguments, folder=tmp_path)
    assert done.code == 2
    assert line in done.stderr.splitlines()[-1]
    assert not list(tmp_path.glob("results/*/run.json"))


def test_a_shape_that_lasts_is_measured_over_its_steps(tmp_path: Path) -> None:
    """One user, then three: the trial is whole, and its server's count and ours are one."""
    ticks = "(1, 10) if self.get_run_time() < 0.5 else (3, 10)"
    (tmp_path / "steps.py").write_text(FAST + SHAPE.format(tick=ticks))
    arguments = ("--locustfile", "steps.py", "-c", "8", "--rounds", "1", "--duration", "2s")
    done = in_process("run", *TINY, *arguments, folder=tmp_path)
    assert done.code == 0, done.stderr
    (trial,) = done.run.trials
    assert trial.outcome == "ok", trial.reason
    (ended,) = (line for line in told(done.run_folder, trial) if "received" in line)
    assert trial.sent_total == ended["received"]


def test_a_shape_that_ends_too_soon_fails_its_trial(tmp_path: Path) -> None:
    """What it measured is half without load: the trial says what the shape would have to do."""
    ticks = "(1, 10) if self.get_run_time() < 0.5 else None"
    (tmp_path / "short.py").write_text(FAST + SHAPE.format(tick=ticks))
    arguments = ("--locustfile", "short.py", "-c", "8", "--rounds", "1", "--duration", "5s")
    done = in_process("run", *TINY, *arguments, folder=tmp_path)
    assert done.code == 1
    (trial,) = done.run.trials
    assert trial.outcome == "failed"
    assert "a LoadTestShape must last longer than --duration" in (trial.reason or "")


def page(path: str = "/") -> str | None:
    """What the live page shows, or None where there is none."""
    try:
        with urllib.request.urlopen(f"{WEB_PAGE}{path}", timeout=5) as answer:
            text: str = answer.read().decode()
            return text
    except (OSError, urllib.error.URLError):
        return None


def requests_shown() -> int:
    """How many requests the live page tells of."""
    stats = json.loads(page("/stats/requests") or '{"stats": []}')["stats"]
    return sum(row["num_requests"] for row in stats if row["name"] == "Aggregated")


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_the_live_page_counts_along(tmp_path: Path, processes: int) -> None:
    """--web-ui: during the run Locust's page is there, its counts rise, and it ends with it."""
    # Locust renews what the page shows every 2 s.
    assert page() is None, "something else listens where Locust's page would"
    arguments: tuple[str, ...] = ("--web-ui", "-c", "4", "--rounds", "1", "--duration", "8s")
    arguments += ("--load-processes", str(processes)) if processes > 1 else ()
    with background(*TINY, *arguments, folder=tmp_path) as run:
        run.until(lambda: "Locust" in (page() or ""))
        run.until(lambda: requests_shown() > 0)
        seen = requests_shown()
        run.until(lambda: requests_shown() > seen)
        done = run.finish()
    assert done.code == 0, done.stderr
    assert f"Locust's live page: {WEB_PAGE}" in done.stderr
    # Locust's page would hold its process up until it was killed, 10 s later.
    phases = json.loads((done.run_folder / "phases.json").read_text())
    assert phases["stop"] < QUIT_TIMEOUT_S / 2
    assert page() is None


def test_a_taken_port_is_told_before_anything_is_measured(tmp_path: Path) -> None:
    """--web-ui where another program has the page's port: one line, exit code 1, no trial."""
    with socket.create_server(("127.0.0.1", WEB_PORT)):
        done = in_process("run", *TINY, "--web-ui", "--rounds", "1", folder=tmp_path)
    assert done.code == 1
    assert f"--web-ui: another program uses port {WEB_PORT}" in done.stderr.splitlines()[-1]
    assert not list(tmp_path.glob("results/*/run.json"))
