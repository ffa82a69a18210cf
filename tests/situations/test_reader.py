"""Answers as they are rare on the wire, and broken ones: every reader says the same of them."""

from pathlib import Path

import pytest

from asgi_bench.analysis.summary import summarize
from asgi_bench.errors import ExitCode
from asgi_bench.measurement import expectations
from asgi_bench.model import RESPONSE_TIME
from tests.command_line import SERVERS, Finished, in_process
from tests.situation import Said, situation

pytestmark = pytest.mark.slow

ODD = ("--runners", str(SERVERS / "odd"), "-s", "odd", "-w", "1")
ONE_ROUND = ("--rounds", "1", "--duration", "300ms", "-c", "8")
# The server of the tests takes no app, and asgi-bench wants one to be named.
NO_APP = "async def app(scope, receive, send): ...\n"
FRAMED = "compared in every response: status, framing, body (2 bytes)"
NO_SERVER = "no server could serve the app; odd/default/w1/app: "


def folder_with(folder: Path, **files: str) -> Path:
    """The folder with these files, by stem, and the app."""
    for stem, text in {"app": NO_APP, **files}.items():
        (folder / f"{stem}.py").write_text(text)
    return folder


# By path, the status where it is not 200.
WHOLE = {
    "many": None,
    "long": None,
    "interim": None,
    "fold": None,
    "joined": None,
    "twice": None,
    "closing": None,
    "until-close": None,
    "204": 204,
    "304": 304,
    "600": 600,
}


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A run of all whole answers, a request each."""
    folder = folder_with(tmp_path_factory.mktemp("whole"))
    tables = [
        f'[{name}]\npath = "/{name}"\n' + (f"expect_status = {status}\n" if status else "")
        for name, status in WHOLE.items()
    ]
    (folder / "odd.toml").write_text("\n".join(tables))
    return in_process("run", "app:app", *ODD, "--requests", "odd.toml", *ONE_ROUND, folder=folder)


def test_whole_answers_are_measured_however_rare_they_are(mixed: Finished) -> None:
    """Every one that a recipient has to understand is learned, and right under load."""
    assert mixed.code == 0, mixed.stderr
    (cell,) = summarize(mixed.run).cells
    assert cell.errors.total == cell.errors_total.total == 0
    assert {each.name: each.requests > 0 for each in cell.by_request} == dict.fromkeys(WHOLE, True)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            name,
            marks=situation("reader", what, says=f"GET /{name} of {name} returns 200; {FRAMED}"),
        )
        for name, what in {
            "many": "The answer has a hundred `set-cookie` headers",
            "long": "The answer has a header of 70,000 bytes, as a security policy may be",
            "interim": "The server sends early hints (103) before the answer",
            "fold": "A header of the answer continues on the next line",
            "joined": "A proxy joined two equal lengths into `content-length: 2, 2`",
            "twice": "The answer has the same `content-length` twice",
            "closing": "The server announces a close with each answer",
            "until-close": "The answer has no length: the connection's close ends it",
        }.items()
    ],
)
def test_what_is_whole_is_learned(mixed: Finished, said: Said, name: str) -> None:
    """What was learned of it says status and body."""
    assert name in WHOLE
    said(mixed.stderr)


@situation(
    "reader",
    "The server closes after each answer and does not say so, as with `--timeout-keep-alive 0`",
    says="ok odd/default/w1/app",
)
def test_a_close_without_a_word_is_no_fault(tmp_path: Path, said: Said) -> None:
    """The next request goes out on another connection."""
    flags = ("--path", "/silently", "--expect-status", "200")
    checked = in_process("check", "app:app", *ODD, *flags, folder=folder_with(tmp_path))
    assert checked.code == 0, checked.stderr
    said(checked.stdout)


@situation(
    "reader",
    "The server closes after each answer, or after some of them",
    says="… of the responses ended their connection; opening a new one took … ms on average, … of "
    "the connections' time: throughput includes that, response times don't",
)
def test_what_connecting_costs_is_told_apart(mixed: Finished, said: Said) -> None:
    """The trial is valid, and response times are there."""
    (trial,) = mixed.run.trials
    (reason,) = [one for one in trial.validity_reasons if one.code == "reconnects"]
    assert (reason.level, trial.times_hdr.get(RESPONSE_TIME) is not None) == ("valid", True)
    # Two of eleven requests, drawn evenly.
    assert 0.1 < (reason.value or 0) < 0.3
    said(reason.text)


BROKEN = {
    "204-chunked": (
        "The server sends a 204 with a chunked body, of no chunks",
        r"its answer breaks HTTP/1.1: 5 bytes beyond the end of the answer (a 204 has no body): "
        r"'0\r\n\r\n'",
    ),
    "beyond": (
        "The answer is longer than its `content-length`",
        "its answer breaks HTTP/1.1: 2 bytes beyond the end of the answer (its content-length is "
        "2): 'ay'",
    ),
    "short": (
        "The answer is shorter than its `content-length`, and the connection stays open",
        "no complete response within 0.5 s: 5 of the 20 bytes of its body came",
    ),
    "cut-off": (
        "The answer is shorter than its `content-length`, and the server closes",
        "closed the connection in the middle of its response: 5 of the 20 bytes of its body came",
    ),
    "103": (
        "The app misuses an interim status (100, 103) as its answer",
        "no complete response within 0.5 s: nothing came but an interim status 103; a final one "
        "has to follow",
    ),
    "space": (
        "A header of the answer has a space before its colon",
        "its answer breaks HTTP/1.1: malformed header line 'x : a'",
    ),
    "gzip": (
        "The server compresses by a transfer coding that nobody asked for",
        "its answer breaks HTTP/1.1: transfer-encoding 'gzip, chunked': nothing but chunked was "
        "allowed",
    ),
    "differing": (
        "The answer has two lengths",
        "its answer breaks HTTP/1.1: differing content-length headers, '2' and '3'",
    ),
    "huge": (
        "The headers of the answer are larger than asgi-bench reads",
        "its response is larger than asgi-bench reads: head over 256 KiB, a limit of "
        "asgi-bench's own",
    ),
    "download": (
        "The app serves downloads that are larger than asgi-bench reads",
        "its response is larger than asgi-bench reads: body over 64 MiB, a limit of asgi-bench's "
        "own",
    ),
}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=situation("reader", what, says=NO_SERVER + says))
        for name, (what, says) in BROKEN.items()
    ],
)
def test_what_is_broken_fails_at_once_and_is_quoted(tmp_path: Path, said: Said, name: str) -> None:
    """Each server is asked once, and not until the time for its start has passed."""
    flags = ("--path", f"/{name}", "--timeout", "500ms", "--startup-timeout", "1h")
    checked = in_process("check", "app:app", *ODD, *flags, folder=folder_with(tmp_path))
    assert checked.code == ExitCode.FAILED
    said(checked.stderr)


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(
            "/host",
            marks=situation(
                "reader",
                "The app allows only some hosts (Django's ALLOWED_HOSTS, Starlette's "
                "TrustedHostMiddleware)",
                says="is answered with status 400 (body: 'Invalid host header'); perhaps the app "
                "rejects the host 127.0.0.1: allow it (Django's ALLOWED_HOSTS, Starlette's "
                "allowed_hosts), or send an allowed one with --header 'Host: NAME'",
            ),
        ),
        pytest.param(
            "/slash",
            marks=situation(
                "reader",
                "The path redirects to the same path with a slash (FastAPI, Django)",
                says="is answered with status 307 (location: /slash/, no body); perhaps you mean "
                "--path /slash/",
            ),
        ),
        pytest.param(
            "/login",
            marks=situation(
                "reader",
                "The path requires a login",
                says="is answered with status 401 (body: 'log in'); if that is right, state it "
                "with --expect-status 401",
            ),
        ),
        pytest.param(
            "/600",
            marks=situation(
                "reader",
                "The app answers with a status that HTTP does not have",
                says="is answered with status 600 (body: 'ok'); if that is right, state it with "
                "--expect-status 600",
            ),
        ),
    ],
)
def test_a_refused_status_says_what_came(
    tmp_path: Path, said: Said, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it leads, what it says, and what is most likely behind it."""
    monkeypatch.setattr(expectations, "PROBE_PAUSE_S", 0.0)
    checked = in_process("check", "app:app", *ODD, "--path", path, folder=folder_with(tmp_path))
    assert checked.code == ExitCode.USAGE
    said(checked.stderr)


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(
            "Transfer-Encoding: chunked",
            marks=situation(
                "reader",
                "`--header 'Transfer-Encoding: chunked'`, to send a body in chunks",
                says="--header: Transfer-Encoding: --chunked sends the body in chunks: "
                "leave it out",
            ),
        ),
        pytest.param(
            "Expect: 100-continue",
            marks=situation(
                "reader",
                "`--header 'Expect: 100-continue'`",
                says="--header: Expect: asgi-bench sends bodies immediately and doesn't wait for a "
                "100; your own --locustfile can",
            ),
        ),
    ],
)
def test_a_header_that_frames_is_refused_with_a_way_out(
    tmp_path: Path, said: Said, header: str
) -> None:
    """The reason is true, and what can be done instead is said."""
    flags = ("--method", "POST", "--body", "x", "--header", header)
    refused = in_process("check", "app:app", *ODD, *flags, folder=folder_with(tmp_path))
    assert refused.code == ExitCode.USAGE
    said(refused.stderr)


@situation(
    "reader",
    "The first answers are whole, and under load some are broken",
    says="requests got no correct response (… body): its answer breaks HTTP/1.1: 2 bytes beyond "
    "the end of the answer (its content-length is 2): 'ay' to GET /sometimes",
)
def test_load_says_what_is_broken_as_the_probes_do(tmp_path: Path, said: Said) -> None:
    """The same words, in the reason why the trial is invalid."""
    flags = ("--path", "/sometimes", "--expect-status", "200", *ONE_ROUND)
    finished = in_process("run", "app:app", *ODD, *flags, folder=folder_with(tmp_path))
    assert finished.code == 0, finished.stderr
    (trial,) = finished.run.trials
    assert (trial.validity, trial.errors.body > 0) == ("invalid", True)
    said(" ".join(reason.text for reason in trial.validity_reasons))


NO_CONTENT = """
async def app(scope, receive, send):
    assert scope["type"] == "http"
    headers = [(b"transfer-encoding", b"chunked")]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
"""


@situation(
    "reader",
    "The app sends a 204 as a stream: some servers put a chunked body after it",
    says="ok hypercorn/default/w1/app: … failed uvicorn/default/w1/app: its answer breaks "
    r"HTTP/1.1: 5 bytes beyond the end of the answer (a 204 has no body): '0\r\n\r\n'",
)
def test_what_a_server_makes_of_an_answer_is_its_own(tmp_path: Path, said: Said) -> None:
    """The server that frames it wrongly fails with the bytes; the one that doesn't is well."""
    flags = ("-s", "uvicorn", "-s", "hypercorn", "--variant", "default", "-w", "1")
    folder = folder_with(tmp_path, app=NO_CONTENT)
    checked = in_process("check", "app:app", *flags, "--expect-status", "204", folder=folder)
    assert checked.code == ExitCode.FAILED
    said("\n".join(sorted(checked.stdout.splitlines(), reverse=True)))


LOGIN = """
from locust import FastHttpUser, constant, task

class Customer(FastHttpUser):
    wait_time = constant(0)

    @task
    def basket(self):
        with self.client.get("/login", catch_response=True) as response:
            if response.status_code == 401 and response.text == "log in":
                response.success()
"""
# As ApacheBench: no keep-alive, and the close ends the answer.
OLD = """
import socket, time
from urllib.parse import urlsplit
from locust import User, constant, task

class Old(User):
    wait_time = constant(0)

    @task
    def get(self):
        at, began, fault, answered = urlsplit(self.host), time.perf_counter(), None, b""
        try:
            with socket.create_connection((at.hostname, at.port), timeout=3) as connection:
                connection.sendall(b"GET /closing HTTP/1.0\\r\\nHost: a\\r\\n\\r\\n")
                while part := connection.recv(65536):
                    answered += part
        except OSError as error:
            fault = error
        self.environment.events.request.fire(
            request_type="GET", name="1.0", response_time=(time.perf_counter() - began) * 1000,
            response_length=len(answered), exception=fault, context={},
        )
"""


@pytest.mark.parametrize(
    ("path", "users"),
    [
        pytest.param(
            "/login",
            LOGIN,
            marks=situation(
                "reader",
                "`--locustfile`, and the app's first page requires a login",
                says="closed loop, 2 connections · 1 round · sent by a locustfile",
            ),
        ),
        pytest.param(
            "/closing",
            OLD,
            marks=situation(
                "reader",
                "`--locustfile` with users of HTTP/1.0, and a server that closes after each answer",
                says="closed loop, 2 connections · 1 round · sent by a locustfile",
            ),
        ),
    ],
)
def test_a_locustfile_says_what_is_right(tmp_path: Path, said: Said, path: str, users: str) -> None:
    """Any whole answer makes the server ready, and one that closes is whole."""
    folder = folder_with(tmp_path, users=users)
    flags = ("--path", path, "--locustfile", "users.py", *ONE_ROUND, "-c", "2")
    finished = in_process("run", "app:app", *ODD, *flags, folder=folder)
    assert finished.code == 0, finished.stderr
    (trial,) = finished.run.trials
    assert (trial.outcome, trial.errors.total, trial.requests > 0) == ("ok", 0, True)
    said(finished.stdout)


@situation(
    "reader",
    "The app refuses a large upload (413) before it has come, and the server closes",
    says="Sent: bytes of requests per second, including heads.",
)
def test_an_answer_that_comes_early_is_the_answer(tmp_path: Path, said: Said) -> None:
    """It counts though the sending failed, and what went out is told, not what was to be sent."""
    folder = folder_with(tmp_path)
    (folder / "large").write_bytes(bytes(8 * 1024**2))
    flags = ("--path", "/early", "--method", "POST", "--body", "@large", "--expect-status", "413")
    finished = in_process("run", "app:app", *ODD, *flags, *ONE_ROUND, folder=folder)
    assert finished.code == 0, finished.stderr
    (cell,) = summarize(finished.run).cells
    assert (cell.errors_total.total, cell.requests > 0) == (0, True)
    sent, throughput = cell.sent_bytes_per_s.value, cell.throughput_rps.value
    assert sent is not None and throughput is not None
    assert 4096 < sent / throughput < 8 * 1024**2
    said(finished.stdout)
