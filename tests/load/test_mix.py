from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_bench.load.arrivals import arrival_offsets_ns
from asgi_bench.load.closed_loop import Stretch, run_closed_loop
from asgi_bench.load.mix import BLOCK, drawn
from asgi_bench.load.open_loop import run_open_loop
from asgi_bench.load.pool import Pool
from asgi_bench.load.target import Target
from asgi_bench.model import RESPONSE_TIME
from asgi_bench.wire.exchange import Exchange
from asgi_bench.wire.http1 import encode_request
from tests.known_answers import BODY, LARGE_BODY, SLOW_S, Behaviour, KnownAnswers
from tests.load.loading import go_on, opened, target_at


def mixed_target(
    port: int,
    weights: Mapping[str, float],
    *,
    expected: Mapping[str, bytes] | None = None,
    timeout_s: float = 5.0,
) -> Target:
    """A target on a known-answer server: for each path its weight, and its answer if not usual."""
    usual = target_at(port, timeout_s=timeout_s)
    exchanges = tuple(
        Exchange(
            name=path,
            request=encode_request("GET", path, f"127.0.0.1:{port}", {}),
            expect_body=(expected or {}).get(path, BODY),
            weight=weight,
        )
        for path, weight in weights.items()
    )
    return Target("mix", usual.endpoint, 8, exchanges, usual.timeout_s)


WEIGHTS = st.lists(st.floats(0.01, 100), min_size=1, max_size=8)


@given(WEIGHTS, st.integers(0, 2**40))
def test_each_block_holds_each_request_by_its_weight(weights: list[float], seed: int) -> None:
    """A block misses its share of any request by less than two; the same seed draws the same."""
    draws = list(islice(drawn(weights, seed), 3 * BLOCK))
    assert draws == list(islice(drawn(weights, seed), 3 * BLOCK))
    for start in range(0, len(draws), BLOCK):
        counts = Counter(draws[start : start + BLOCK])
        assert set(counts) <= set(range(len(weights)))
        for place, weight in enumerate(weights):
            assert abs(counts[place] - BLOCK * weight / sum(weights)) < 2


def test_blocks_are_shuffled_and_seeds_differ() -> None:
    """Which request comes next can't be told from those before, nor from another seed's order."""
    draws = list(islice(drawn([1, 1], 1), 64 * BLOCK))
    assert draws != list(islice(drawn([1, 1], 2), 64 * BLOCK))
    pairs = Counter(pairwise(draws))
    for count in pairs.values():
        assert count == pytest.approx(16 * BLOCK, rel=0.1)


def closed(connections: Pool, seconds: float) -> Stretch:
    """A stretch of closed loop."""
    return run_closed_loop(connections, seconds, go_on)


def open_at_400(connections: Pool, seconds: float) -> Stretch:
    """A stretch of open loop at 400/s."""
    return run_open_loop(
        connections, arrival_offsets_ns(400, seconds, 3, "poisson"), seconds, go_on
    )


@pytest.mark.parametrize("run", [closed, open_at_400])
def test_counts_by_request_are_the_servers_own(run: object) -> None:
    """What was sent of each request is what the server saw of it, and so are right and wrong."""
    kinds = {
        "/plain": "plain",
        "/large": "large",
        "/unique": "unique",
        "/ending": "announced-close",
        "/status": "status",
        "/reset": "reset",
        "/cut": "truncated",
    }
    weights = dict.fromkeys(kinds, 1.0) | {"/plain": 6.0, "/large": 3.0}
    with KnownAnswers(Behaviour(by_path=kinds)) as server:
        target = mixed_target(server.port, weights, expected={"/large": LARGE_BODY})
        with closing(opened(target)) as connections:
            stretch = run(connections, 0.6)  # type: ignore[operator]
        counts = server.counts()
    tallies = dict(zip(weights, connections.tallies, strict=True))
    assert {path: tally.sent for path, tally in tallies.items()} == counts.paths
    assert sum(counts.paths.values()) == stretch.sent == connections.sent
    wrong = {"/status": "status", "/reset": "reset", "/cut": "reset"}
    for path, tally in tallies.items():
        errors = {kind: n for kind, n in tally.errors.items() if n}
        assert errors == ({wrong[path]: tally.sent} if path in wrong else {})
        assert tally.correct == (0 if path in wrong else tally.sent)
    assert stretch.requests == sum(tally.correct for tally in tallies.values())
    # Within two of each block of 64, whatever its answers cost.
    for path, weight in weights.items():
        share = weight / sum(weights.values())
        assert abs(counts.paths[path] - share * stretch.sent) < 2 * (stretch.sent / BLOCK + 1)


def test_an_answer_to_another_request_is_wrong() -> None:
    """The right body of one request is not the right one of the other."""
    with KnownAnswers(Behaviour(by_path={"/large": "large"})) as server:
        target = mixed_target(
            server.port, {"/plain": 1, "/large": 1}, expected={"/plain": LARGE_BODY}
        )
        with closing(opened(target)) as connections:
            closed(connections, 0.2)
    plain, large = connections.tallies
    assert plain.sent > 0
    assert plain.errors["body"] == plain.sent
    assert large.errors["body"] == large.sent
    assert connections.mean_response_bytes == 0


def test_a_slow_request_keeps_its_share_and_its_times() -> None:
    """It holds up its connections and is sent as often all the same; times go to their own."""
    with KnownAnswers(Behaviour(by_path={"/slow": "slow"})) as server:
        target = mixed_target(server.port, {"/fast": 3, "/slow": 1})
        with closing(opened(target)) as connections:
            stretch = closed(connections, 1.0)
    fast, slow = connections.tallies
    assert slow.correct == slow.sent
    assert abs(slow.sent - stretch.sent / 4) < 2 * (stretch.sent / BLOCK + 1)
    assert len(stretch.turns) == len(stretch.times_ns[RESPONSE_TIME])
    for turn, latency_ns in zip(stretch.turns, stretch.times_ns[RESPONSE_TIME], strict=True):
        assert (latency_ns >= SLOW_S * 1e9) == (turn == 1)
    assert fast.correct == fast.sent


def test_a_time_out_is_that_of_its_own_request() -> None:
    """A request that is never answered is the one that has the time-outs."""
    with KnownAnswers(Behaviour(by_path={"/silent": "silent"})) as server:
        target = mixed_target(server.port, {"/fast": 3, "/silent": 1}, timeout_s=1.0)
        with closing(opened(target)) as connections:
            closed(connections, 0.5)
    fast, silent = connections.tallies
    assert silent.sent == silent.errors["timeout"] > 0
    assert fast.sent == fast.correct > 0


def test_the_size_of_an_answer_is_the_mean_of_all() -> None:
    """Weighted by how many there were of each."""
    with KnownAnswers(Behaviour(by_path={"/large": "large"})) as server:
        target = mixed_target(
            server.port, {"/plain": 1, "/large": 1}, expected={"/large": LARGE_BODY}
        )
        with closing(opened(target)) as connections:
            closed(connections, 0.2)
    plain, large = connections.tallies
    assert plain.response_bytes < large.response_bytes
    total = plain.correct * plain.response_bytes + large.correct * large.response_bytes
    assert connections.mean_response_bytes == round(total / connections.correct)
