"""Nothing counts that the server under test did not do, and the reason is the users' own."""

import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from asgi_bench.machine.ports import free_endpoint
from asgi_bench.machine.sockets import listening_inodes
from asgi_bench.model import Endpoint
from tests.command_line import TINY, Finished, in_process
from tests.situation import Said, situation

pytestmark = pytest.mark.slow

SERVER = Path(__file__).resolve().parents[1] / "servers" / "server.py"
# Users that think, on a host that the file sets; two thirds of their requests name another one by
# its URL, and what they report as a journey is no request at all.
SHOP = """
from locust import FastHttpUser, constant, events, task

OTHER = "http://127.0.0.1:{port}"


@events.test_start.add_listener
def choose(environment, **_):
    environment.host = OTHER


@events.quitting.add_listener
def judge(environment, **_):
    environment.process_exit_code = 3


class Shopper(FastHttpUser):
    wait_time = constant(0.05)

    @task
    def journey(self):
        self.client.get("/")
        self.client.get(OTHER + "/")
        self.client.get(OTHER + "/again")
        self.environment.events.request.fire(
            request_type="JOURNEY", name="all", response_time=1, response_length=1, context={{}}
        )
"""
# What they report was answered by a cache of their own.
MOCK = """
from locust import User, constant, task


class Cached(User):
    wait_time = constant(0.001)

    @task
    def hit(self):
        self.environment.events.request.fire(
            request_type="GET", name="/", response_time=0.1, response_length=1, context={}
        )
"""
THINKING = """
from locust import HttpUser, between, task


class Thinking(HttpUser):
    wait_time = between(0.05, 0.1)

    @task
    def index(self):
        self.client.get("/")
"""


@pytest.fixture(scope="module")
def decoy() -> Iterator[int]:
    """The port of another server, which answers everything."""
    port = free_endpoint(random.Random()).port
    with subprocess.Popen(
        [sys.executable, "-I", "-S", str(SERVER), str(port)], stdout=subprocess.DEVNULL
    ) as process:
        while not listening_inodes(Endpoint.local(port)):
            assert process.poll() is None
        yield port
        process.kill()


def run_file(folder: Path, locustfile: str) -> Finished:
    """A short run of a locustfile's users against the tiny server."""
    (folder / "users.py").write_text(locustfile)
    done = in_process(
        *("run", *TINY, "--locustfile", "users.py", "-c", "4", "--rounds", "1"),
        *("--duration", "400ms"),
        folder=folder,
    )
    assert done.code == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def shop(decoy: int, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A run of users that ask another server too."""
    return run_file(tmp_path_factory.mktemp("shop"), SHOP.format(port=decoy))


@situation(
    "credit",
    "Some requests of your locustfile name another host by their URL",
    says="invalid tiny/default/w1/hello/c4: … of … requests went to 127.0.0.1:…, which isn't the "
    "server under test; use paths without a host in the locustfile",
)
def test_requests_to_another_host_are_invalid(said: Said, shop: Finished) -> None:
    """However right the answers are, they are not the server's."""
    said(shop.stdout)
    (trial,) = shop.run.trials
    assert trial.users is not None and 0 < trial.users.elsewhere < trial.requests
    assert trial.users.connections_elsewhere == 4
    assert trial.strangers == 0


@situation(
    "credit",
    "A listener of your locustfile sets `environment.host` to another server",
    says="note tiny/default/w1/hello/c4: the locustfile set the host to http://127.0.0.1:…; its "
    "users sent their requests to the server under test all the same",
)
def test_a_locustfile_can_not_change_the_host(said: Said, shop: Finished) -> None:
    """What names no host goes to the server under test."""
    said(shop.stdout)
    (trial,) = shop.run.trials
    assert trial.users is not None
    placed = trial.requests - trial.users.elsewhere - trial.users.unplaced
    assert placed > 0 and trial.connections_by_process


@situation(
    "credit",
    "Your locustfile reports journeys or cache hits as requests, and the load has connections to "
    "others",
    says="… of … requests that the locustfile reported have no URL, and the load process has 4 "
    "connections to 127.0.0.1:…",
)
def test_what_is_no_request_counts_for_nothing(said: Said, shop: Finished) -> None:
    """Nobody knows who answered it."""
    said(shop.stdout)


@situation(
    "reasons",
    "Your locustfile sets `environment.process_exit_code`",
    says="note tiny/default/w1/hello/c4: the locustfile set Locust's exit code to 3 "
    "(process_exit_code)",
)
def test_the_exit_code_of_a_locustfile_is_told(said: Said, shop: Finished) -> None:
    """Its own verdict, beside our exit code."""
    said(shop.stdout)


@situation(
    "credit",
    "What your users report never reaches the server: a cache or a mock answers",
    says="invalid tiny/default/w1/hello/c4: … requests were answered while the server's processes "
    "did nothing: 0.… µs of CPU time per request",
)
def test_answers_while_the_server_did_nothing_are_invalid(said: Said, tmp_path: Path) -> None:
    """There is no connection to see, but no work was done either."""
    said(run_file(tmp_path, MOCK).stdout)


@situation(
    "reasons",
    "Users of your locustfile think between requests (`wait_time`), and neither side is busy",
    says="note tiny/default/w1/hello/c4: the users' own waiting set the rate: 4 users waited …% of "
    "their time, in wait_time or in their tasks",
)
def test_the_users_own_waiting_is_the_reason(said: Said, tmp_path: Path) -> None:
    """Not too few connections."""
    done = run_file(tmp_path, THINKING)
    said(done.stdout)
    assert "connections are too few" not in done.stdout
