"""Ready: the right answer, from our own processes, every worker accepting."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from asgi_bench.machine import sockets
from asgi_bench.machine.processes import process_table
from asgi_bench.machine.sockets import ConnectionOwners
from asgi_bench.machine.tcp_sockets import LISTEN, TcpRow
from asgi_bench.model import ErrorCounts, Scenario
from asgi_bench.serving import readiness
from asgi_bench.serving.faults import ServerFault
from asgi_bench.serving.process import ServerProcess, stop_all
from asgi_bench.serving.readiness import Candidate, Readiness, wait_for_all, wait_until_ready
from tests.situation import Said, situation

from .conftest import FAKE, MakeServer


def requests_read(server: ServerProcess) -> int:
    """How many requests the fake server says it got."""
    return server.log.path.read_text().count("request\n")


@contextmanager
def stranger(port: int) -> Iterator[int]:
    """A process that is none of ours and listens on the port by SO_REUSEPORT; its pid."""
    argv = [sys.executable, "-I", "-S", FAKE, "stranger", str(port)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"up\n"
        try:
            yield other.pid
        finally:
            other.kill()


def test_a_good_server_is_ready_after_two_requests(
    make_server: MakeServer, scenario: Scenario
) -> None:
    """One connection, two requests, no error; the start-up time is from the start on."""
    with make_server() as server:
        ready = wait_until_ready(server, scenario, 1, 20)
        assert ready.probes_sent == 2 == requests_read(server)
        assert ready.errors == ErrorCounts()
        assert ready.worker_pids == server.root_pids
        assert server.started_s is not None
        assert 0 < ready.startup_s <= time.monotonic() - server.started_s


@situation(
    "asked",
    "`-w 4 --server-args '--workers 1'`: fewer workers serve than you asked for",
    says="asked for 3 workers, 1 serves, and no process is left to become another: something "
    "else sets the worker count too; set it only with --workers",
)
def test_fewer_workers_than_asked_for_are_refused_soon(
    said: Said, make_server: MakeServer, scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As soon as none can come any more: not at the end of the time for the start."""
    monkeypatch.setattr(readiness, "_TOO_FEW_AFTER_S", 0.2)
    with make_server(workers=3) as server:
        with pytest.raises(ServerFault) as caught:
            wait_until_ready(server, scenario, 3, 20)
    said(caught.value.reason)


def test_every_worker_must_accept(make_server: MakeServer, scenario: Scenario) -> None:
    """Two workers behind a master are both seen; the master is no worker."""
    with make_server("two-workers", workers=2) as server:
        ready = wait_until_ready(server, scenario, 2, 20)
        assert len(ready.worker_pids) == 2
        assert set(ready.worker_pids) == set(server.pids) - set(server.root_pids)
        assert ready.probes_sent == 2


def test_processes_on_an_inherited_socket_are_ready(
    make_server: MakeServer, scenario: Scenario
) -> None:
    """The listener we opened is ours, and each process that inherited it must accept."""
    with make_server("inherits", workers=2, sharing="inherited") as server:
        ready = wait_until_ready(server, scenario, 2, 20)
        assert set(ready.worker_pids) == set(server.root_pids)


def test_a_server_without_epoll_is_known_by_its_answers(
    make_server: MakeServer, scenario: Scenario
) -> None:
    """A worker that waits by other means than epoll is seen by the connection it answers on."""
    with make_server("no-epoll") as server:
        ready = wait_until_ready(server, scenario, 1, 20)
        assert ready.worker_pids == server.root_pids


NONE_SENT = (0, ErrorCounts())


@pytest.mark.parametrize(
    ("mode", "sent", "text"),
    [
        ("exits", NONE_SENT, "exited with code 3 before it was ready"),
        ("crashes", NONE_SENT, "was ended by SIGSEGV before it was ready"),
        ("daemon-and-exit", NONE_SENT, "exited with code 0 before it was ready"),
        ("never-listens", NONE_SENT, r"not ready within 1.2 s: nothing listens on port \d+"),
        ("never-accepts", (1, ErrorCounts(timeout=1)), "not ready .*: no answer to a request"),
        ("silent", (1, ErrorCounts(timeout=1)), "not ready .*: no answer to a request"),
        ("status", (1, ErrorCounts(status=1)), "answered status 500, expected 200"),
        (
            "body",
            (1, ErrorCounts(body=1)),
            r"answered body 'Goodbye' \(7 bytes\), expected 'Hello, world!'",
        ),
        ("long-body", (1, ErrorCounts(body=1)), r"answered body 'x{60}…' \(1000 bytes\)"),
        (
            "garbage",
            (1, ErrorCounts(body=1)),
            r"its answer breaks HTTP/1.1: malformed status line 'SSH-2.0-OpenSSH_9.2'",
        ),
        (
            "cut-off",
            (1, ErrorCounts(reset=1)),
            "closed the connection in the middle of its response: 13 of the 20 bytes of its body "
            "came",
        ),
    ],
)
@pytest.mark.timed
def test_a_server_that_misbehaves_is_a_fault_with_its_reason(
    make_server: MakeServer,
    scenario: Scenario,
    mode: str,
    sent: tuple[int, ErrorCounts],
    text: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each way to fail has its own words, and what was sent is counted, errors by kind."""
    monkeypatch.setattr(readiness, "_BLIND_PROBE_AFTER_S", 0.1)
    server = make_server(mode)
    server.start()
    start = time.monotonic()
    with pytest.raises(ServerFault, match=text) as caught:
        wait_until_ready(server, scenario, 1, 1.2)
    if "not ready" not in text:
        assert time.monotonic() - start < 1.2
    fault = caught.value
    assert (fault.probes_sent, fault.errors) == sent
    if mode != "never-accepts":
        assert fault.probes_sent == requests_read(server)


@pytest.mark.parametrize(
    ("mode", "errors", "text"),
    [
        (
            "interim",
            ErrorCounts(timeout=1),
            "no complete response within 0.3 s: nothing came but an interim status 103; a final "
            "one has to follow",
        ),
        (
            "short",
            ErrorCounts(timeout=1),
            "no complete response within 0.3 s: 13 of the 20 bytes of its body came",
        ),
        (
            "beyond",
            ErrorCounts(body=1),
            "its answer breaks HTTP/1.1: 5 bytes beyond the end of the answer "
            r"(a 204 has no body): '0\r\n\r\n'",
        ),
    ],
)
def test_an_answer_that_waiting_will_not_mend_is_asked_for_once(
    make_server: MakeServer, mode: str, errors: ErrorCounts, text: str
) -> None:
    """What has begun and is wrong fails within the answer's time-out, not the start's."""
    server = make_server(mode)
    server.start()
    wish = Scenario(name="any", app="", expect_status=0)
    with pytest.raises(ServerFault) as caught:
        wait_until_ready(server, wish, 1, 20, answer_timeout_s=0.3)
    assert caught.value.reason == text
    assert (caught.value.errors, requests_read(server)) == (errors, 1)


def test_connections_that_are_closed_without_an_answer_are_given_up(
    make_server: MakeServer, scenario: Scenario
) -> None:
    """A server may do so while it boots, and no longer than an answer may take."""
    server = make_server("unanswered")
    server.start()
    with pytest.raises(ServerFault, match=r"^closed the connection without a response$") as caught:
        wait_until_ready(server, scenario, 1, 20, answer_timeout_s=0.5)
    assert caught.value.probes_sent == caught.value.errors.reset == requests_read(server) > 1


@pytest.mark.parametrize("mode", ["closing", "parts"])
def test_a_server_that_closes_after_each_answer_is_ready(
    make_server: MakeServer, scenario: Scenario, mode: str
) -> None:
    """The second request goes out on another connection, whether the close was announced or not."""
    with make_server(mode) as server:
        ready = wait_until_ready(server, scenario, 1, 20)
        assert ready.worker_pids == server.root_pids
        assert ready.probes_sent - ready.errors.reset == 2
        assert ready.errors.total == ready.errors.reset


def test_interim_answers_are_passed_over(make_server: MakeServer, scenario: Scenario) -> None:
    """Early hints before the answer are no answer of their own."""
    with make_server("early-hints") as server:
        assert wait_until_ready(server, scenario, 1, 20).errors == ErrorCounts()


def test_a_worker_that_hangs_is_counted_in_the_fault(
    make_server: MakeServer, scenario: Scenario
) -> None:
    """Right answers don't do while one of two workers doesn't accept."""
    server = make_server("one-of-two-workers", workers=2)
    server.start()
    with pytest.raises(ServerFault, match="not ready within 2 s: 1 of 2 workers accept") as caught:
        wait_until_ready(server, scenario, 2, 2)
    assert caught.value.errors == ErrorCounts()
    assert caught.value.probes_sent == requests_read(server) >= 2


@pytest.mark.parametrize("mode", ["gateway", "resets-first"])
def test_early_trouble_is_waited_out_and_counted(
    make_server: MakeServer, scenario: Scenario, mode: str
) -> None:
    """A gateway before its backend, or a reset while booting, delays but doesn't fail."""
    with make_server(mode) as server:
        ready = wait_until_ready(server, scenario, 1, 20)
        assert ready.errors.total >= 1
        assert ready.probes_sent == ready.errors.total + 2
        if mode == "gateway":
            assert ready.errors.status == ready.errors.total
            assert requests_read(server) == ready.probes_sent


def test_nothing_is_sent_before_anyone_accepts(make_server: MakeServer, scenario: Scenario) -> None:
    """A master that opens its listener early, and perhaps anew, must not cost us an error."""
    with make_server("rebinds") as server:
        ready = wait_until_ready(server, scenario, 1, 20)
        assert (ready.probes_sent, ready.errors) == (2, ErrorCounts())


def test_an_answer_from_a_stranger_is_a_fault(
    make_server: MakeServer, scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even where the listener is ours, the process that answers must be."""
    foreign = ConnectionOwners({}, strangers=1)
    monkeypatch.setattr(sockets, "connection_owners", lambda *_: foreign)
    with make_server() as server:
        with pytest.raises(
            ServerFault, match="answered by a process that does not belong to this server"
        ):
            wait_until_ready(server, scenario, 1, 20)


def test_the_scenarios_own_request_is_sent(make_server: MakeServer, tmp_path: Path) -> None:
    """Method, path, headers and body are the scenario's; its status is what is expected."""
    script = (
        "import http.server, sys\n"
        "class Handler(http.server.BaseHTTPRequestHandler):\n"
        "    protocol_version = 'HTTP/1.1'\n"
        "    def do_PUT(self):\n"
        "        body = self.rfile.read(int(self.headers['content-length']))\n"
        "        asked = self.path, body, self.headers['x-k']\n"
        "        good = asked == ('/a?b=1', b'\\xc3\\xa9', 'v')\n"
        "        self.send_response(201 if good else 400)\n"
        "        self.send_header('content-length', '0')\n"
        "        self.end_headers()\n"
        "http.server.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1])), Handler).serve_forever()"
    )
    wish = Scenario(
        name="put",
        app="x",
        method="PUT",
        path="/a?b=1",
        headers={"x-k": "v"},
        body="é",
        expect_status=201,
    )
    with make_server(command=(sys.executable, "-I", "-c", script, "{port}")) as server:
        assert wait_until_ready(server, wish, 1, 20).errors == ErrorCounts()


def test_a_stranger_beside_us_is_a_fault_naming_it(
    make_server: MakeServer, scenario: Scenario
) -> None:
    """By SO_REUSEPORT a stranger takes half of the connections: its pid must be told."""
    server = make_server("reuse-port")
    server.start()
    with stranger(server.endpoint.port) as pid:
        with pytest.raises(
            ServerFault, match=rf"port {server.endpoint.port} is held by .*\(pid {pid}\)"
        ):
            wait_until_ready(server, scenario, 1, 20)
        server.kill()


def test_a_stranger_on_the_port_explains_the_exit(
    make_server: MakeServer, scenario: Scenario
) -> None:
    """A server that ends since its port is taken: the stranger is the reason, not the exit."""
    script = "import time; time.sleep(0.3); raise SystemExit(1)"
    server = make_server(command=(sys.executable, "-I", "-S", "-c", script))
    server.start()
    with stranger(server.endpoint.port) as pid:
        with pytest.raises(ServerFault, match=rf"\(pid {pid}\), not only by this server"):
            wait_until_ready(server, scenario, 1, 20)
        server.kill()


@pytest.mark.timed
def test_one_that_hangs_holds_up_no_other(make_server: MakeServer, scenario: Scenario) -> None:
    """Outcomes come in the order asked; good servers are ready long before the hanging one."""
    modes = ("silent", "good", "exits", "two-workers")
    servers = [make_server(mode, workers=2 if mode == "two-workers" else 1) for mode in modes]
    for server in servers:
        server.start()
    silent, good, exited, two = wait_for_all(
        [(server, scenario, server.workers) for server in servers], 2.5
    )
    stop_all(servers, 5)
    assert isinstance(silent, ServerFault) and "not ready within 2.5 s" in silent.reason
    assert isinstance(good, Readiness) and good.startup_s < 2
    assert isinstance(two, Readiness) and two.startup_s < 2
    assert isinstance(exited, ServerFault) and "code 3" in exited.reason


def test_waiting_for_none_is_done_at_once() -> None:
    """An empty block has nothing to wait for."""
    assert wait_for_all([], 5) == []


def test_a_stranger_that_came_between_two_looks_is_named(
    make_server: MakeServer, scenario: Scenario
) -> None:
    """The sockets were read before it listened, and the server ended of it before the next look."""
    command = (sys.executable, "-I", "-S", "-c", "raise SystemExit(1)")
    with make_server(command=command) as server, stranger(server.endpoint.port) as pid:
        deadline = time.monotonic() + 20
        while server.exit_description is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        with pytest.raises(ServerFault, match=rf"is held by .*\(pid {pid}\)"):
            Candidate(server, scenario, 1).look([], process_table())


@situation(
    "alone",
    "A server ends just after it began to listen: the kernel still lists its socket for a moment",
    says="exited with code 1 before it was ready",
)
def test_what_a_server_held_itself_is_no_strangers(
    said: Said, make_server: MakeServer, scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that were read while it listened show a socket that nobody holds any more."""
    command = (sys.executable, "-I", "-S", "-c", "raise SystemExit(1)")
    with make_server(command=command) as server:
        candidate = Candidate(server, scenario, 1)
        deadline = time.monotonic() + 20
        while server.exit_description is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        # No process has this inode, which one more reading of the kernel's table has.
        stale = [TcpRow(server.endpoint.port, 0, LISTEN, 2**40)]
        readings = [stale, []]
        monkeypatch.setattr(readiness, "tcp_rows", lambda _: readings.pop(0) if readings else [])
        assert candidate.look(stale, process_table()) is None
        with pytest.raises(ServerFault) as caught:
            candidate.look([], process_table())
        said(caught.value.reason)


# A supervisor of two workers that end: by an exception, or by code 7 without a word. It asks late
# how they ended, as uvicorn does.
SUPERVISOR = """
import os, sys, time
while True:
    pids = []
    for _ in range(2):
        pid = os.fork()
        if not pid:
            time.sleep(0.25)
            if sys.argv[1] == "silent":
                os._exit(7)
            raise RuntimeError("no loop here")
        pids.append(pid)
    time.sleep(0.5)
    for pid in pids:
        os.waitpid(pid, 0)
"""


def supervisor(make_server: MakeServer, how: str) -> ServerProcess:
    """It and its workers, started."""
    command = (sys.executable, "-I", "-S", "-c", SUPERVISOR, how)
    server = make_server(how, command=command, workers=2, worker_timeout_flag="--patience")
    server.start()
    return server


def test_workers_that_crash_again_and_again_are_not_waited_for(
    make_server: MakeServer, scenario: Scenario
) -> None:
    """The exception that they all end by is the reason, long before the time is up."""
    server = supervisor(make_server, "crash")
    began_s = time.monotonic()
    told = r"its workers crash on start, \d+ so far: RuntimeError: no loop here"
    with pytest.raises(ServerFault, match=told):
        wait_until_ready(server, scenario, 2, 60)
    assert time.monotonic() - began_s < 30


@pytest.mark.slow
@situation(
    "reasons",
    "A supervisor replaces workers that were killed or ended, and says nothing of it",
    says="of its workers ended and were replaced, the last exited with code 7 "
    "(--server-args '--patience SECONDS' gives them longer to start)",
)
def test_workers_that_are_replaced_in_silence_are_told(
    make_server: MakeServer, scenario: Scenario, said: Said
) -> None:
    """How many, how the last of them ended, and the flag that the server has for it."""
    server = supervisor(make_server, "silent")
    with pytest.raises(ServerFault, match="not ready within 2 s: nothing listens") as caught:
        wait_until_ready(server, scenario, 2, 2)
    said(caught.value.reason)


def test_a_server_at_work_may_need_longer(make_server: MakeServer, scenario: Scenario) -> None:
    """One that still uses its CPU when the time is up names the flag; one that waits is told."""
    working = (sys.executable, "-I", "-S", "-c", "while True: pass")
    waiting = (sys.executable, "-I", "-S", "-c", "import time; time.sleep(60)")
    servers = [make_server(command=working), make_server(command=waiting)]
    for server in servers:
        server.start()
    busy, idle = wait_for_all([(server, scenario, 1) for server in servers], 0.5)
    assert isinstance(busy, ServerFault) and isinstance(idle, ServerFault)
    assert busy.reason.endswith("busy: allow longer with --startup-timeout")
    assert re.search(r"not ready within 0.5 s: nothing listens on port \d+$", idle.reason)


def test_a_log_explains_errors_only_by_errors(make_server: MakeServer, scenario: Scenario) -> None:
    """What a server printed before is no reason for its wrong answer."""
    with make_server("status") as server, pytest.raises(ServerFault) as caught:
        wait_until_ready(server, scenario, 1, 20)
    assert caught.value.reason == "answered status 500, expected 200"
