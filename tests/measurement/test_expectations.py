import sys
from pathlib import Path

import msgspec
import pytest

from asgi_bench.errors import BenchError, UsageError
from asgi_bench.measurement import expectations
from asgi_bench.measurement.expectations import learn_answers
from asgi_bench.model import Cell, ClosedLoop, Plan, PlannedCell, Scenario, WeightedRequest

pytestmark = pytest.mark.slow

# Answers every request with what an expression gives; `n` counts them.
SERVER = """
import http.server, itertools, os, sys, time
count = itertools.count()
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        n = next(count)
        status, body = eval(sys.argv[2])
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words):
        pass
print("served")
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
OPEN = Scenario(name="app", app="app:app", expect_status=0)


def _cell(answer: str, server: str = "one") -> PlannedCell:
    command = (sys.executable, "-u", "-I", "-S", "-c", SERVER, "{port}", answer)
    return PlannedCell(Cell(server, "default", 1, "app", ClosedLoop(1)), command=command)


def _settled(folder: Path, scenario: Scenario, *cells: PlannedCell) -> tuple[Scenario, list[str]]:
    plan = Plan(cells, (scenario,), rounds=1, duration_s=1, seed=1, reference="two/default/w1")
    told: list[str] = []
    (settled,) = learn_answers(plan, folder, told.append).scenarios
    return settled, told


@pytest.mark.parametrize(
    ("answer", "compared"),
    [
        ("(201, b'always')", ("status", "framing", "body")),
        # Three probes of one process are alike, and those of another are not.
        ("(201, b'%d' % os.getpid())", ("status", "framing")),
        # The same in both processes, but not a second later.
        ("(201, b'%d' % time.time())", ("status", "framing")),
    ],
)
def test_a_body_is_compared_where_it_never_differs(
    tmp_path: Path, answer: str, compared: tuple[str, ...]
) -> None:
    """Neither from process to process nor from second to second."""
    settled, told = _settled(tmp_path, OPEN, _cell(answer))
    assert (settled.expect_status, settled.compared) == (201, compared)
    assert settled.accepts(b"always")
    assert len(told) == 1
    assert told[0].startswith(
        "GET / of app returns 201; compared in every response: status, framing"
    )


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the clock plays no part the probes needn't be spread over a second."""
    monkeypatch.setattr(expectations, "PROBE_PAUSE_S", 0.0)


@pytest.mark.usefixtures("at_once")
def test_one_server_that_fails_is_not_the_apps_fault(tmp_path: Path) -> None:
    """The reference is asked first; where it can't serve, the next server is."""
    broken = PlannedCell(
        Cell("two", "default", 1, "app", ClosedLoop(1)), command=(sys.executable, "--nonsense")
    )
    settled, _ = _settled(tmp_path, OPEN, _cell("(200, b'right')"), broken)
    assert settled.expect_body == "right"
    settled, _ = _settled(
        tmp_path / "b", OPEN, _cell("(200, b'first')"), _cell("(200, b'reference')", "two")
    )
    assert settled.expect_body == "reference"


def test_an_app_that_no_server_can_serve_is(tmp_path: Path) -> None:
    """One line with the first server's reason; its account is the log, once."""
    broken = PlannedCell(
        Cell("one", "default", 1, "app", ClosedLoop(1)),
        command=(sys.executable, "-c", "raise SystemExit('no\\ndatabase')"),
    )
    with pytest.raises(BenchError) as caught:
        _settled(tmp_path, OPEN, broken)
    assert str(caught.value) == (
        "no server could serve the app; one/default/w1/app: exited with code 1 before it was "
        "ready: database"
    )
    assert caught.value.account == "no\ndatabase"


@pytest.mark.usefixtures("at_once")
def test_a_server_that_the_app_does_not_suit_refuses_it_for_no_other(tmp_path: Path) -> None:
    """One that serves it tells what is right; one without lifespan is asked last."""
    wrong, right = _cell("(500, b'')", "two"), _cell("(200, b'right')")
    settled, _ = _settled(tmp_path, OPEN, wrong, right)
    assert (settled.expect_status, settled.expect_body) == (200, "right")
    without = msgspec.structs.replace(_cell("(200, b'other')", "two"), has_lifespan=False)
    settled, _ = _settled(tmp_path / "b", OPEN, without, right)
    assert settled.expect_body == "right"
    alone = msgspec.structs.replace(wrong, has_lifespan=False)
    with pytest.raises(UsageError) as caught:
        _settled(tmp_path / "c", OPEN, alone)
    assert str(caught.value).endswith(
        "(asked of two/default/w1/app; two has no lifespan: it never runs the app's start-up)"
    )


@pytest.mark.usefixtures("at_once")
def test_a_wrong_status_comes_with_the_servers_account(tmp_path: Path) -> None:
    """What the server logged about it is told beside the line."""
    with pytest.raises(UsageError, match="answered with status 500") as caught:
        _settled(tmp_path, OPEN, _cell("(500, b'')"))
    assert caught.value.account == "served"


def test_what_is_known_is_not_asked_for(tmp_path: Path) -> None:
    """No server is started; what is compared is told all the same."""
    hello = Scenario(name="app", app="app:app", expect_body="x")
    settled, told = _settled(tmp_path, hello, _cell("nonsense"))
    assert (settled.compared, told) == (("status", "framing", "body"), [])
    stated = Scenario(name="app", app="app:app", expect_pattern="^x")
    settled, told = _settled(tmp_path, stated, _cell("nonsense"))
    assert settled.compared == ("status", "framing", "pattern")
    assert told == [
        "GET / of app returns 200; compared in every response: status, framing, a match of '^x' "
        "in the body"
    ]
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("at_once")
def test_each_of_several_requests_is_learnt_by_itself(tmp_path: Path) -> None:
    """What is stated of one stays; the first one's answer stands for the scenario."""
    mix = msgspec.structs.replace(
        OPEN,
        path="/a",
        requests=(
            WeightedRequest("a", path="/a", expect_status=0),
            WeightedRequest("b", path="/b", expect_status=0, weight=2),
            WeightedRequest("c", path="/c", expect_status=202, expect_pattern="^x"),
            WeightedRequest("d", path="/d", expect_status=0, expect_body="stated"),
        ),
    )
    answer = "(201 if self.path == '/b' else 200, self.path.encode())"
    settled, told = _settled(tmp_path, mix, _cell(answer))
    a, b, c, d = settled.requests
    assert (a.expect_status, a.expect_body, a.compared[-1]) == (200, "/a", "body")
    assert (b.expect_status, b.expect_body, b.weight) == (201, "/b", 2)
    assert (c.expect_status, c.expect_body, c.compared[-1]) == (202, None, "pattern")
    assert (d.expect_status, d.expect_body) == (200, "stated")
    assert (settled.name, settled.path) == ("app", "/a")
    assert (settled.expect_status, settled.expect_body) == (200, "/a")
    assert [line.partition(";")[0] for line in told] == [
        "GET /a of a returns 200",
        "GET /b of b returns 201",
        "GET /c of c returns 202",
        "GET /d of d returns 200",
    ]


@pytest.mark.usefixtures("at_once")
def test_a_request_of_a_file_that_fails_is_named(tmp_path: Path) -> None:
    """The line speaks of the file's keys, not of flags."""
    requests = (
        WeightedRequest("a", expect_status=0),
        WeightedRequest("b", path="/b", expect_status=0),
    )
    mix = msgspec.structs.replace(OPEN, requests=requests)
    with pytest.raises(UsageError) as caught:
        _settled(tmp_path, mix, _cell("(404 if self.path == '/b' else 200, b'')"))
    assert str(caught.value) == (
        "[b]: GET /b is answered with status 404 (no body); if that is right, state it with "
        "expect_status = 404, otherwise check its path, method, headers and body (asked of "
        "one/default/w1/app)"
    )


def test_nothing_is_asked_where_nothing_will_be_measured(tmp_path: Path) -> None:
    """Every cell is skipped: each has its own reason, and the run has no other."""
    skipped = PlannedCell(Cell("one", "default", 1, "app", ClosedLoop(1)), skip_reason="absent")
    settled, _ = _settled(tmp_path, OPEN, skipped)
    assert settled.expect_status == 0


@pytest.mark.usefixtures("at_once")
def test_what_was_asked_counts_for_the_cell_whose_servers_answered(tmp_path: Path) -> None:
    """As many requests as its servers saw, those that told they were ready included."""
    seen = tmp_path / "seen"
    answer = f"open({str(seen)!r}, 'a').write('x') and (200, b'ok')"
    cells = (_cell(answer, "two"), _cell(answer, "one"))
    plan = Plan(cells, (OPEN,), rounds=1, duration_s=1, seed=1, reference="two/default/w1")
    learnt = learn_answers(plan, tmp_path, lambda _: None)
    assert learnt.asked == {cells[0].cell.key: len(seen.read_text())}


def test_a_locustfile_says_itself_what_is_right(tmp_path: Path) -> None:
    """Nothing is asked for it, and its expectation stays open: any answer makes a server ready."""
    cell = _cell("exit()")
    plan = Plan((cell,), (OPEN,), rounds=1, duration_s=1, seed=1, reference=None)
    plan = msgspec.structs.replace(plan, client="locustfile", locustfile="users.py")
    assert learn_answers(plan, tmp_path, lambda _: None).answered(plan) == plan
