import re
from pathlib import Path

import pytest
from locust.env import Environment

from asgi_bench.errors import UsageError
from asgi_bench.model import Endpoint
from asgi_bench.serving.places import make_certificate
from tests.known_answers import MESSAGE_KINDS, Behaviour, KnownAnswers, expected_errors
from tests.known_answers.tls_front import TlsFront
from tests.load.locust_runs import run_locust

ROOT = Path(__file__).parents[2]
LOCUSTFILE = """
from pathlib import Path

from asgi_bench.load import FastUser


class Visitor(FastUser):
    connections = 4
    path = "/items"
    expect_body = b"Hello, world!"

    def load(self):
        super().load()
        Path("loaded").touch()

    tasks = [load]
"""


def test_locusts_own_tables_are_the_servers_counts(known: KnownAnswers, tmp_path: Path) -> None:
    """Under plain `locust -f` its CSV has what the server received and got wrong, to the last."""
    script = (*["plain"] * 7, "status", "body", "truncated", "announced-close", "garbage")
    server = known.behave(Behaviour(script=script))
    run = run_locust(
        tmp_path,
        LOCUSTFILE,
        server.address,
        stop_when=lambda: server.counts_now().requests > 100,
    )
    counts = server.counts()
    errors = expected_errors(counts)
    assert run.exit_code == 0, run.output
    assert counts.requests > 100
    for name in ("/items", "Aggregated"):
        row = run.rows[name]
        assert (row.requests, row.failures) == (counts.requests, sum(errors.values()))
    assert run.failures == errors
    assert "Traceback" not in run.output


TALKER = """
from asgi_bench.load import FastUser


class Talker(FastUser):
    connections = 4
    path = "/ws"
    messages = [{"send": "Hello?"}, {"expect": "Hello, world!"}]
    random_masks = True
"""


def test_a_user_talks_over_websocket(known: KnownAnswers, tmp_path: Path) -> None:
    """Messages are Locust's requests, under the method WS; wrong ones are its failures."""
    script = (*["plain"] * 7, "fragmented", "longer", "truncated", "ping-between")
    server = known.behave(Behaviour(script=script))
    run = run_locust(
        tmp_path, TALKER, server.address, stop_when=lambda: server.counts_now().requests > 100
    )
    counts = server.counts()
    errors = expected_errors(counts, MESSAGE_KINDS)
    assert run.exit_code == 0, run.output
    row = run.rows["/ws"]
    assert (row.requests, row.failures) == (counts.requests, sum(errors.values()))
    assert run.failures == errors
    # Two of 2^32 may be the same by chance.
    assert counts.masks >= 0.99 * counts.requests


OPTIONS = """
from asgi_bench.load import FastUser


class Visitor(FastUser):
    connections = 4
    expect_body = b"Hello, world!"
    {options}
"""


def test_it_speaks_tls_to_who_has_the_certificate(known: KnownAnswers, tmp_path: Path) -> None:
    """A host of https:// is asked over TLS, and Locust's table is the server's count."""
    server = known.behave(Behaviour(script=("plain", "plain", "status")))
    certificate = make_certificate(tmp_path)
    locustfile = OPTIONS.format(options=f"ca_file = {str(certificate.authority)!r}")
    with TlsFront(server.port, certificate) as front:
        run = run_locust(
            tmp_path,
            locustfile,
            f"https://localhost:{front.endpoint().port}",
            stop_when=lambda: server.counts_now().requests > 50,
        )
    counts = server.counts()
    assert run.exit_code == 0, run.output
    row = run.rows["Aggregated"]
    assert (row.requests, row.failures) == (counts.requests, counts.kinds["status"])


@pytest.mark.parametrize(
    ("options", "host", "told"),
    [
        ("streams = 2", "http://127.0.0.1:1", "streams need HTTP/2: set http to 2"),
        ("http = '2'; pipeline = 2", "http://127.0.0.1:1", "pipeline needs HTTP/1.1 requests"),
        ("messages = [{}]; pipeline = 2", "http://127.0.0.1:1", "pipeline needs HTTP/1.1 requests"),
        ("unix_socket = '/s'", "https://127.0.0.1:1", "unix_socket works without TLS only"),
        ("http = '2'; messages = [{}]", "http://127.0.0.1:1", "leave out http"),
        ("", "ftp://127.0.0.1:1", "FastUser accepts only http[s]://HOST[:PORT]"),
    ],
)
def test_options_that_exclude_each_other_are_refused(options: str, host: str, told: str) -> None:
    """The line says what to change."""
    found: dict[str, object] = {}
    exec(OPTIONS.format(options=options), found)
    user = found["Visitor"](Environment())  # type: ignore[operator]
    user.host = host
    with pytest.raises(UsageError, match=re.escape(told)):
        user._endpoint()


@pytest.mark.parametrize(
    ("options", "endpoint"),
    [
        ("", Endpoint(("127.0.0.1", 8000), name="localhost")),
        ("unix_socket = '/s'", Endpoint("/s", "unix")),
        (
            "http = '2'; streams = 8",
            Endpoint(("127.0.0.1", 8000), protocol="http2", name="localhost"),
        ),
        (
            "messages = [{'send': 'x'}, {'expect': 'x'}]",
            Endpoint(("127.0.0.1", 8000), protocol="websocket", name="localhost"),
        ),
    ],
)
def test_options_say_where_and_how_it_asks(options: str, endpoint: Endpoint) -> None:
    """The host stays what requests name; all else is the endpoint's."""
    found: dict[str, object] = {}
    exec(OPTIONS.format(options=options), found)
    user = found["Visitor"](Environment())  # type: ignore[operator]
    user.host = "http://localhost:8000"
    target = user._target()
    assert target.endpoint == endpoint
    assert target.streams == (8 if "streams" in options else 1)


@pytest.mark.slow
@pytest.mark.timed
def test_the_rate_is_over_the_time_of_the_load(known: KnownAnswers, tmp_path: Path) -> None:
    """Locust's requests per second follow from the server's delay: 4 connections over 20 ms."""
    server = known.behave(Behaviour(delay_s=0.02))
    run = run_locust(tmp_path, LOCUSTFILE, server.address, run_time="2s")
    assert run.rows["/items"].requests == server.counts().requests
    assert 100 < run.rows["/items"].requests_per_s <= 4 / 0.02 * 1.05


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["plain", "silent"])
def test_a_signal_ends_it_and_loses_no_count(
    known: KnownAnswers, tmp_path: Path, kind: str
) -> None:
    """Locust's stop is obeyed in mid-stretch: what is out is awaited, its time-outs included."""
    server = known.behave(Behaviour(opening=("plain",) * 50, script=(kind,)))
    locustfile = LOCUSTFILE.replace("connections = 4", "connections = 4\n    timeout_s = 0.7")
    run = run_locust(tmp_path, locustfile, server.address, stop_when=(tmp_path / "loaded").exists)
    counts = server.counts()
    assert run.exit_code == 0, run.output
    assert run.rows["/items"].requests == counts.requests
    assert run.failures == ({} if kind == "plain" else {"timeout": counts.kinds["silent"]})


@pytest.mark.slow
def test_a_stop_during_the_ramp_is_clean(known: KnownAnswers, tmp_path: Path) -> None:
    """A user stopped while its connections open ends without a traceback, its counts kept."""
    server = known.behave(Behaviour())
    locustfile = LOCUSTFILE.replace("connections = 4", "connections = 2000")
    locustfile += """
    def on_start(self):
        Path("loaded").touch()
        super().on_start()
"""
    run = run_locust(tmp_path, locustfile, server.address, stop_when=(tmp_path / "loaded").exists)
    assert run.exit_code == 0, run.output
    assert "Traceback" not in run.output
    assert run.rows["Aggregated"].requests == server.counts().requests


@pytest.mark.slow
def test_another_scheme_is_refused_by_name(tmp_path: Path) -> None:
    """What FastUser does not speak it says, with the flag that named it."""
    run = run_locust(tmp_path, LOCUSTFILE, "ftp://127.0.0.1:1", run_time="1s")
    assert "--host ftp://127.0.0.1:1: FastUser accepts only http[s]://HOST[:PORT]" in run.output


def readme_example() -> str:
    """The locustfile that docs/locust.md shows."""
    text = (ROOT / "docs" / "locust.md").read_text()
    (example,) = re.findall(r"```python\n(# hello_locust\.py\n.*?)```", text, re.DOTALL)
    assert isinstance(example, str)
    return example


def test_the_example_of_the_readme_runs_as_it_stands(known: KnownAnswers, tmp_path: Path) -> None:
    """By plain `locust -f`: no failures, 64 connections, and every request is the server's."""
    server = known.behave(Behaviour())

    def is_loaded() -> bool:
        counts = server.counts_now()
        return counts.connections == 64 and counts.requests > 640

    run = run_locust(tmp_path, readme_example(), server.address, stop_when=is_loaded)
    counts = server.counts()
    assert run.exit_code == 0, run.output
    assert (run.rows["/"].failures, run.failures) == (0, {})
    assert run.rows["/"].requests == counts.requests > 64
    assert counts.connections == 64
