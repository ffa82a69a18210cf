"""Wrong answers under load are shown, and connections that got none; so is a server that ended."""

import json
from pathlib import Path

import pytest

from tests.command_line import TINY, Finished, in_process
from tests.situation import Said, situation

pytestmark = pytest.mark.slow

SHORT = ("--rounds", "1", "--duration", "300ms")
UVICORN = ("-s", "uvicorn", "--variant", "default")
APP = """
import itertools
import os
import time
from pathlib import Path

_count = itertools.count()
_warm = set()


async def answer(send, body=b"ok", status=200, headers=()):
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [length, *headers]})
    await send({"type": "http.response.body", "body": body})


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        raise NotImplementedError
"""
# Right at first, then wrong and fast: a pool that broke, a limit of requests, an error in a 200.
FAST_ERRORS = """
    if next(_count) < 300:
        await answer(send, b'{"items": [1, 2, 3]}')
    elif scope["path"] == "/limited":
        await answer(send, b"slow down", 429, [(b"retry-after", b"30")])
    elif scope["path"] == "/hidden":
        await answer(send, b'{"errors": ["pool"]}')
    else:
        await answer(send, b"", 500)
"""
REQUESTS = """
[home]
path = "/"

[limited]
path = "/limited"

[hidden]
path = "/hidden"
"""
# Each worker's first request is slow, and whichever process takes the file loses its sessions.
SLOW_FIRST = """
    if scope["path"] == "/health":
        await answer(send, b"up")
        return
    if os.getpid() not in _warm:
        time.sleep(0.4)
        _warm.add(os.getpid())
    if next(_count) > 60 and not Path("sessions").exists():
        Path("sessions").write_text(str(os.getpid()))
    if Path("sessions").exists() and Path("sessions").read_text() == str(os.getpid()):
        await answer(send, b"who are you?", 401, [(b"www-authenticate", b"Session")])
    else:
        await answer(send, b"Hello")
"""
PICKY = """
from locust import FastHttpUser, task


class Picky(FastHttpUser):
    @task
    def index(self):
        with self.client.get("/items", catch_response=True) as response:
            response.failure("no items on this page")
"""


def run(folder: Path, app: str, *args: str) -> Finished:
    """A short run of an app that begins as all of these do."""
    (folder / "shop.py").write_text(APP + app)
    done = in_process("run", "shop:app", *SHORT, *UVICORN, *args, folder=folder)
    assert done.code == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A run of three requests that go wrong in three ways."""
    folder = tmp_path_factory.mktemp("broken")
    (folder / "requests.toml").write_text(REQUESTS)
    return run(folder, FAST_ERRORS, "-w", "1", "--requests", "requests.toml")


@situation(
    "answers",
    "A pool breaks under load: 500 without a word, and the server's log is empty",
    says="status 500 instead of 200 to home from process … (server: uvicorn, no body)",
)
def test_fast_errors_are_shown(said: Said, broken: Finished) -> None:
    """Every way that answers went wrong stands in the reason, whatever the format."""
    text = " ".join(broken.stdout.split())
    said(text)
    assert "requests got no correct response" in text
    assert "see the server's log" not in text
    document = json.loads(
        in_process(
            "report", str(broken.run_folder), "--format", "json", folder=broken.folder
        ).stdout
    )
    (cell,) = document["cells"]
    assert {wrong["request"] for wrong in cell["wrong_answers"]} == {"home", "limited", "hidden"}
    assert cell["unanswered_connections"] == 0
    page = broken.run_folder / "report.html"
    assert "{&#34;errors&#34;: [&#34;pool&#34;]}" in page.read_text()


@situation(
    "answers",
    "A limit of requests answers 429 after a while",
    says="status 429 instead of 200 to limited from process … (retry-after: 30, server: uvicorn, "
    "body: 'slow down')",
)
def test_a_limit_is_told_by_request(said: Said, broken: Finished) -> None:
    """The name of the request is that of the file."""
    said(broken.stdout)


@situation(
    "answers",
    "Errors hide in answers with status 200",
    says="""a body other than the expected one of 20 bytes to hidden from process … (server:
    uvicorn, body: '{"errors": ["pool"]}')""",
)
def test_an_error_in_a_200_is_told(said: Said, broken: Finished) -> None:
    """The process is one of the server's, and the trial counts by it."""
    said(broken.stdout)
    (trial,) = broken.run.trials
    (worker,) = trial.connections_by_process
    assert {wrong.pid for wrong in trial.wrong_answers} == {int(worker)}
    whole = trial.errors.status + trial.errors.body
    assert sum(wrong.count for wrong in trial.wrong_answers) == whole
    assert trial.wrong_by_process == {worker: whole}


@pytest.fixture(scope="module")
def forgetful(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A run with two workers, slow at first, one of which forgets its sessions."""
    folder = tmp_path_factory.mktemp("forgetful")
    return run(folder, SLOW_FIRST, "-w", "2", "-c", "32")


def test_a_worker_that_holds_nearly_all_connections_is_told(forgetful: Finished) -> None:
    """A slow first request leaves connections spread; where chance does not, the cell says so."""
    (trial,) = forgetful.run.trials
    counts = trial.connections_by_process
    assert sum(counts.values()) == 32
    codes = {reason.code for reason in trial.validity_reasons}
    assert min(counts.values()) >= 6 or "uneven-connections" in codes, counts


@situation(
    "answers",
    "Sessions live in the memory of one worker, and `-w 2` answers 401",
    says="only 1 of 2 workers sent wrong responses (process …)",
)
def test_a_worker_that_alone_answers_wrongly_is_named(said: Said, forgetful: Finished) -> None:
    """Whose connections they were is looked up while they are open."""
    said(forgetful.stdout)


@situation(
    "answers",
    "The server ends under load, as uvicorn does after `--limit-max-requests`",
    says="invalid uvicorn/default/w1/hello/c64: the server exited with code 0 under load, after … "
    "requests",
)
def test_a_server_that_ends_is_the_reason(said: Said, tmp_path: Path) -> None:
    """There is a report and there are charts, whatever is left to show."""
    done = in_process(
        *("run", *UVICORN, "-w", "1", *SHORT, "--server-args", "--limit-max-requests 700"),
        folder=tmp_path,
    )
    assert done.code == 0, done.stderr
    said(done.stdout)
    (trial,) = done.run.trials
    assert trial.validity == "invalid" and trial.server_ended == "exited with code 0"
    assert (done.run_folder / "report.html").exists()


@situation(
    "answers",
    "A check in your locustfile fails every answer",
    says="invalid tiny/default/w1/hello/c4: … requests got no correct response (… body): "
    "CatchResponseError: no items on this page to GET /items",
)
def test_failures_of_a_locustfile_stand_in_the_reason(said: Said, tmp_path: Path) -> None:
    """So they do for Locust's own clients; none of these knows the size of a head."""
    (tmp_path / "users.py").write_text(PICKY)
    done = in_process(
        *("run", *TINY, "--locustfile", "users.py", "-c", "4", *SHORT), folder=tmp_path
    )
    said(done.stdout)
    (trial,) = done.run.trials
    assert trial.response_bytes is None
