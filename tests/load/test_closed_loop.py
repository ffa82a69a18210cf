import itertools
import os
import select
import socket
import statistics
import threading
import time
from contextlib import closing

import pytest

from asgi_bench.load import pool
from asgi_bench.load.answers import Taken
from asgi_bench.load.closed_loop import run_closed_loop
from asgi_bench.load.openings import RETRY_NS
from asgi_bench.load.pool import Pool
from asgi_bench.model import RESPONSE_TIME
from tests.known_answers import (
    BODY,
    KINDS,
    LARGE_BODY,
    SLOW_S,
    TIMELY,
    Behaviour,
    KnownAnswers,
    expected_errors,
    unused_port,
)
from tests.load.loading import go_on, load, opened, tally, target_at


@pytest.mark.parametrize("kind", TIMELY)
def test_counts_equal_the_servers_own(known: KnownAnswers, kind: str) -> None:
    """Of every kind of answer, all that was sent and went wrong is what the server says."""
    server = known.behave(Behaviour(script=("plain", "plain", kind)))
    # A time-out that a stalled machine can't cause where nothing is silent.
    timeout_s = 0.5 if KINDS[kind].error == "timeout" else 5.0
    client = load(target_at(server.port, connections=4, timeout_s=timeout_s), 0.1)
    counts = server.counts()
    errors = expected_errors(counts)
    assert counts.kinds[kind] > 0
    assert client.sent == counts.requests
    assert client.faults == errors
    assert client.correct == counts.requests - sum(errors.values())
    assert client.correct == client.stretch.requests
    assert counts.connections == 4 + client.reconnects
    assert client.unasked == 0


def test_counts_equal_the_servers_own_when_all_goes_wrong_at_once(known: KnownAnswers) -> None:
    """A server that does everything in turn is counted as exactly."""
    server = known.behave(Behaviour(script=(*TIMELY, *["plain"] * 50)))
    client = load(target_at(server.port, connections=16, timeout_s=1.0), 1.5)
    counts = server.counts()
    errors = expected_errors(counts)
    assert set(counts.kinds) == set(TIMELY)
    assert client.sent == counts.requests
    assert client.faults == errors
    assert client.correct + sum(client.faults.values()) == client.sent
    assert counts.connections == 16 + client.reconnects


def test_a_known_share_of_errors_is_that_share(known: KnownAnswers) -> None:
    """One wrong status in eight and one wrong body in eight of 64 connections are just that."""
    script = ("status", "plain", "plain", "plain", "body", "plain", "plain", "plain")
    server = known.behave(Behaviour(script=script))
    client = load(target_at(server.port, connections=64), 0.4)
    counts = server.counts()
    whole, rest = divmod(client.sent, len(script))
    assert whole > 10
    assert client.sent == counts.requests
    assert client.faults == {"status": whole + (rest > 0), "body": whole + (rest > 4)}
    assert client.reconnects == 0


@pytest.mark.parametrize("kind", ["announced-close", "old", "until-close"])
def test_an_announced_close_is_no_error(known: KnownAnswers, kind: str) -> None:
    """A server that says it will close is connected to anew, and all its answers are right."""
    server = known.behave(Behaviour(script=("plain", "plain", kind), per_connection=True))
    client = load(target_at(server.port, connections=4), 0.25)
    counts = server.counts()
    assert client.faults == {}
    assert client.correct == client.sent == counts.requests
    assert client.reconnects == counts.kinds[kind] == counts.connections - 4
    assert counts.late == 0


def test_a_close_after_the_answer_is_no_error_unless_the_next_request_met_it(
    known: KnownAnswers,
) -> None:
    """What met an unannounced close is a reset, and nothing was sent a second time."""
    server = known.behave(
        Behaviour(script=("plain", "plain", "unannounced-close"), per_connection=True)
    )
    client = load(target_at(server.port, connections=4), 0.25)
    counts = server.counts()
    assert client.sent == counts.requests
    assert client.correct == sum(counts.kinds.values())
    assert client.faults.get("reset", 0) == counts.late
    assert client.reconnects == counts.kinds["unannounced-close"]


def test_answers_that_never_repeat_are_right(known: KnownAnswers) -> None:
    """Answers whose bytes differ each time are parsed each time, and timed like the others."""
    server = known.behave(Behaviour(script=("unique",)))
    client = load(target_at(server.port, connections=4), 0.2)
    counts = server.counts()
    assert client.correct == client.sent == counts.requests
    assert len(client.stretch.times_ns[RESPONSE_TIME]) == client.correct - 4


@pytest.mark.parametrize("script", [("large",), ("large-chunked",), ("large", "large-chunked")])
def test_answers_larger_than_a_read(known: KnownAnswers, script: tuple[str, ...]) -> None:
    """An answer of a megabyte is put together, verified and counted once."""
    server = known.behave(Behaviour(script=script))
    client = load(target_at(server.port, connections=4, expect_body=LARGE_BODY), 0.15)
    counts = server.counts()
    assert client.correct == client.sent == counts.requests > 4
    assert client.reconnects == 0


def test_requests_larger_than_a_send_buffer(known: KnownAnswers) -> None:
    """A request that takes many writes is sent whole, once for each that is counted."""
    server = known.behave(Behaviour())
    target = target_at(server.port, connections=4, method="POST", body=b"x" * 5_000_000)
    client = load(target, 0.3)
    counts = server.counts()
    assert client.correct == client.sent == counts.requests > 4
    assert client.reconnects == 0


def test_head_has_no_body(known: KnownAnswers) -> None:
    """An answer to HEAD ends with its head, whatever length it names."""
    server = known.behave(Behaviour(script=("plain", "chunked")))
    client = load(target_at(server.port, method="HEAD", expect_body=b""), 0.2)
    counts = server.counts()
    assert client.correct == client.sent == counts.requests
    assert client.reconnects == 0


@pytest.mark.timed
def test_latency_is_the_servers_delay(known: KnownAnswers) -> None:
    """Over a server of fixed delay the latencies are its own plus the way there and back."""
    server = known.behave(Behaviour(delay_s=0.01))
    client = load(target_at(server.port, connections=4), 0.5)
    counts = server.counts()
    ours, theirs = client.stretch.times_ns[RESPONSE_TIME], counts.delays_ns
    assert min(ours) > min(theirs) >= 10_000_000
    # The way itself, of which a busy machine makes more: the fastest quarter is least hurt by it.
    way_ns = statistics.quantiles(ours)[0] - statistics.quantiles(theirs)[0]
    assert 0 < way_ns < 5_000_000


@pytest.mark.timed
def test_the_first_answer_of_each_connection_is_left_out_of_the_latencies(
    known: KnownAnswers,
) -> None:
    """It counts as a request; its latency is that of the burst a stretch begins with."""
    server = known.behave(Behaviour(opening=("slow",), per_connection=True))
    with closing(opened(target_at(server.port, connections=4))) as connections:
        first = run_closed_loop(connections, 0.3, go_on)
        second = run_closed_loop(connections, 0.1, go_on)
    assert max(first.times_ns[RESPONSE_TIME]) < SLOW_S * 1e9 <= first.end_ns - first.begin_ns
    for stretch in (first, second):
        assert len(stretch.times_ns[RESPONSE_TIME]) == stretch.requests - 4 == stretch.sent - 4


def test_rates_count_to_the_last_answer(known: KnownAnswers) -> None:
    """A stretch lasts from its first send to its last answer, all of them counted."""
    server = known.behave(Behaviour(delay_s=0.05))
    began_ns = time.perf_counter_ns()
    client = load(target_at(server.port, connections=4), 0.12)
    ended_ns = time.perf_counter_ns()
    stretch = client.stretch
    assert stretch.requests == server.counts().requests >= 8
    assert began_ns < stretch.begin_ns < stretch.end_ns < ended_ns
    assert stretch.duration_s >= stretch.requests / 4 * 0.05


def test_a_reset_that_a_read_meets_is_no_end_of_the_answer(
    known: KnownAnswers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that is reset between its event and the read has not answered."""
    server = known.behave(Behaviour(script=("until-close-segments",)))
    reads = itertools.count()

    def read_then_reset(fd: int, size: int) -> bytes:
        if next(reads) == 1:
            raise ConnectionResetError
        return os.read(fd, size)

    monkeypatch.setattr(pool, "read", read_then_reset)
    client = load(target_at(server.port, connections=1), 0.001)
    assert client.faults == {"reset": 1}
    assert client.sent == server.counts().requests == 1


@pytest.mark.parametrize(
    "kind",
    ["announced-close", "unannounced-close", "status-close", "garbage", "truncated", "reset"],
)
def test_response_times_explain_no_more_than_the_connections_time(
    known: KnownAnswers, kind: str
) -> None:
    """Whatever ends a connection, the share of its time that is accounted for is at most all."""
    server = known.behave(Behaviour(script=("plain", "plain", "plain", kind)))
    client = load(target_at(server.port, connections=4), 0.1)
    assert client.reconnects > 0
    share = client.stretch.accounted_share
    assert share is not None and 0 < share <= 1


@pytest.mark.parametrize("kind", ["announced-close", "old", "until-close", "status-close"])
def test_to_connect_anew_is_no_waiting_for_the_generator(known: KnownAnswers, kind: str) -> None:
    """Where each connection has one answer, response times are all the time from send to answer."""
    server = known.behave(Behaviour(script=(kind,)))
    client = load(target_at(server.port, connections=4), 0.1)
    assert client.reconnects == server.counts().requests > 4
    assert client.stretch.accounted_share == 1


@pytest.mark.timed
def test_to_wait_for_a_time_out_is_no_waiting_for_the_generator(known: KnownAnswers) -> None:
    """What got no answer counts on neither side."""
    server = known.behave(Behaviour(script=("plain", "plain", "silent"), delay_s=0.01))
    client = load(target_at(server.port, connections=1, timeout_s=0.2), 0.4)
    assert client.faults["timeout"] > 0
    share = client.stretch.accounted_share
    assert share is not None and 0.5 < share <= 1


def test_a_send_that_fails_ends_its_connections_time(
    known: KnownAnswers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that broke between an answer and the next request leaves no time behind."""
    server = known.behave(Behaviour())
    writes = itertools.count()

    def write_or_break(fd: int, data: bytes) -> int:
        if next(writes) % 3 == 2:
            raise BrokenPipeError
        return os.write(fd, data)

    monkeypatch.setattr(pool, "write", write_or_break)
    client = load(target_at(server.port, connections=2), 0.1)
    assert client.reconnects > 0
    assert client.correct == client.sent == server.counts().requests
    share = client.stretch.accounted_share
    assert share is not None and 0 < share <= 1


@pytest.mark.parametrize("kind", ["unique", "announced-close", "reset"])
@pytest.mark.timed
def test_to_wait_for_the_generator_is_not_accounted_for(known: KnownAnswers, kind: str) -> None:
    """Time between an answer and the next request tells, on connections that were lost too."""
    script = ("unique", "unique", "unique", kind)
    server = known.behave(Behaviour(script=script, per_connection=True))
    with closing(opened(target_at(server.port, connections=1))) as connections:
        take = connections.take

        def take_long(slot: int, data: bytes) -> Taken:
            taken = take(slot, data)
            time.sleep(0.02)
            return taken

        connections.take = take_long  # type: ignore[method-assign]
        stretch = run_closed_loop(connections, 0.4, go_on)
        assert (connections.reconnects > 0) == (kind != "unique")
    assert stretch.accounted_share is not None
    assert stretch.accounted_share < 0.5


@pytest.mark.parametrize("kind", ["silent", "half-silent"])
def test_a_time_out_ends(known: KnownAnswers, kind: str) -> None:
    """A server that never answers costs each request its time-out, and the stretch ends."""
    server = known.behave(Behaviour(script=(kind,)))
    began = time.monotonic()
    client = load(target_at(server.port, connections=4, timeout_s=0.2), 0.3)
    took_s = time.monotonic() - began
    counts = server.counts()
    assert client.correct == 0
    assert client.faults == {"timeout": client.sent}
    assert client.sent == counts.requests >= 8
    assert 0.4 <= took_s < 10


@pytest.mark.timed
def test_a_time_out_does_not_lengthen_the_stretch(known: KnownAnswers) -> None:
    """One connection that waits in vain leaves the rate of the others as it was."""
    server = known.behave(Behaviour(opening=(*["plain"] * 200, "silent")))
    client = load(target_at(server.port, connections=4, timeout_s=0.7), 0.1)
    assert client.faults == {"timeout": 1}
    assert client.stretch.duration_s < 0.6


@pytest.mark.timed
def test_a_server_that_refuses_is_not_hammered() -> None:
    """Refused connections are errors, tried again at leisure, with the CPU at rest."""
    target = target_at(unused_port(), connections=8)
    with closing(Pool(target)) as connections:
        began_s, cpu_s = time.monotonic(), time.process_time()
        stretch = run_closed_loop(connections, 0.4, go_on, ramp=8)
        took_s, cpu_s = time.monotonic() - began_s, time.process_time() - cpu_s
        client = tally(connections, stretch)
    assert client.sent == client.correct == 0
    assert set(client.faults) == {"connect"}
    assert 8 < client.faults["connect"] <= 8 * (1 + took_s * 1e9 / RETRY_NS)
    assert cpu_s < took_s / 2


def test_a_server_that_dies_under_load_ends_nothing_but_itself() -> None:
    """Its requests under way are resets, the rest refused connections, and the stretch ends."""
    with KnownAnswers(Behaviour(delay_s=0.02)) as server:
        with closing(opened(target_at(server.port, connections=8))) as connections:
            alive = run_closed_loop(connections, 0.1, go_on)

            def kill() -> bool:
                server.kill()
                return connections.errors["connect"] < 20

            dying = run_closed_loop(connections, 30, kill, poll_s=0)
            client = tally(connections, dying)
    assert alive.requests == alive.sent > 0
    assert client.faults == {"reset": 8, "connect": client.faults["connect"]}
    assert dying.sent == 8
    assert dying.requests == 0


def test_a_breath_that_says_no_ends_the_stretch(known: KnownAnswers) -> None:
    """Stopped from outside, what is out is awaited and nothing more is sent."""
    server = known.behave(Behaviour(delay_s=0.02))
    with closing(opened(target_at(server.port, connections=4))) as connections:
        breaths = iter([True, True, False])
        stretch = run_closed_loop(connections, 30, lambda: next(breaths, False), poll_s=0)
    counts = server.counts()
    assert stretch.sent == stretch.requests == counts.requests
    assert stretch.duration_s < 10


def test_a_breath_finds_true_counts(known: KnownAnswers) -> None:
    """Whoever gets a turn in mid-stretch sees all that was answered, errors and times included."""
    server = known.behave(Behaviour(script=("plain", "plain", "status"), delay_s=0.005))
    latencies_ns: list[int] = []
    with closing(opened(target_at(server.port, connections=4))) as connections:
        seen: list[tuple[int, int, int]] = []

        def look() -> bool:
            answered = connections.correct + connections.error_counts.total
            seen.append((answered, connections.sent, len(latencies_ns)))
            return True

        stretch = run_closed_loop(connections, 0.3, look, poll_s=0, latencies_ns=latencies_ns)
    assert stretch.times_ns[RESPONSE_TIME] is latencies_ns
    assert len({answered for answered, _, _ in seen}) > 3
    for answered, sent, timed in seen:
        assert answered <= sent <= answered + 4
        # Every third has an error in place of a time, and each connection's first has neither.
        assert answered * 2 / 3 - 8 <= timed <= answered


@pytest.mark.parametrize("at_once", [1, 8])
def test_a_ramp_opens_every_connection_under_load(known: KnownAnswers, at_once: int) -> None:
    """A ramp ends with all connections open, of which the earlier ones had work before."""
    server = known.behave(Behaviour())
    with closing(Pool(target_at(server.port, connections=30))) as connections:
        stretch = run_closed_loop(connections, 0.001, go_on, ramp=30, at_once=at_once)
        connections.refresh()
        assert len(connections.idle) == len(set(connections.client_ports)) == 30
    counts = server.counts()
    assert counts.connections == 30
    assert stretch.requests == counts.requests > 30


def test_a_ramp_opens_every_connection_on_a_machine_that_stalls(known: KnownAnswers) -> None:
    """Pauses longer than what is left of a ramp cost it time, not connections."""
    server = known.behave(Behaviour(delay_s=0.001))

    def pause() -> bool:
        time.sleep(0.03)
        return True

    with closing(Pool(target_at(server.port, connections=6))) as connections:
        run_closed_loop(connections, 0.001, pause, ramp=6, poll_s=0)
        connections.refresh()
        assert len(connections.idle) == 6


def test_response_bytes_are_those_on_the_wire(known: KnownAnswers) -> None:
    """The size of an answer is known whatever its size."""
    for kind, body in (("plain", BODY), ("large", LARGE_BODY)):
        server = known.behave(Behaviour(script=(kind,)))
        with closing(opened(target_at(server.port, expect_body=body))) as connections:
            run_closed_loop(connections, 0.05, go_on)
        head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body)
        assert connections.mean_response_bytes == len(head) + len(body)


ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(BODY), BODY)


class _BusyWhileFull:
    """A server of one thread that needs a millisecond for each answer as long as all ask.

    It answers in the order of asking, faster after a rest and at once where fewer ask: the burst of
    a start and a drain cost it less. `full_s` has when it gave each answer of the first kind.
    """

    def __init__(self, connections: int) -> None:
        self._connections = connections
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=connections)
        self.port: int = self._listener.getsockname()[1]
        self.full_s: list[float] = []
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        peers = [self._listener.accept()[0] for _ in range(self._connections)]
        self._listener.close()
        waiting: list[socket.socket] = []
        cheap = 2 * self._connections
        while peers:
            idle_since_s = time.perf_counter()
            readable, _, _ = select.select(peers, [], [], 0 if waiting else None)
            if time.perf_counter() - idle_since_s > 0.002:
                cheap = 2 * self._connections
            for peer in readable:
                if peer.recv(4096):
                    waiting.append(peer)
                else:
                    peers.remove(peer)
                    peer.close()
            if waiting:
                is_full = len(waiting) == self._connections
                waiting.pop(0).sendall(ANSWER)
                if is_full and not cheap:
                    self.full_s.append(time.perf_counter())
                if is_full:
                    # Whoever was answered asks again meanwhile.
                    time.sleep(0.0003 if cheap else 0.001)
                    cheap = max(0, cheap - 1)

    def join(self) -> None:
        """Wait for its end: that of its last connection."""
        self._thread.join()


@pytest.mark.timed
def test_what_is_steady_has_neither_burst_nor_drain() -> None:
    """A server that is faster the less it is asked for is as fast as it is while all ask.

    With both it would be taken for a fifth faster: of eight cycles one costs nothing, and two less.
    """
    server = _BusyWhileFull(8)
    ratios: dict[bool, list[float]] = {True: [], False: []}
    with closing(opened(target_at(server.port))) as pool:
        for stays_full in [True, False] * 9:
            server.full_s.clear()
            # The server has to have had its rest.
            time.sleep(0.005)
            stretch = run_closed_loop(pool, 0.06, go_on, stays_full=stays_full)
            if len(server.full_s) < 2:
                continue  # The machine was too busy for all to ask at once.
            true_rps = (len(server.full_s) - 1) / (server.full_s[-1] - server.full_s[0])
            steady_s = stretch.steady_slot_ns / 1e9 / stretch.slots
            ratios[stays_full].append(stretch.steady_requests / steady_s / true_rps)
        assert pool.sent == pool.correct
    server.join()
    assert min(map(len, ratios.values())) > 2
    full, drained = (abs(statistics.median(ratios[each]) - 1) for each in (True, False))
    assert full < drained / 2
