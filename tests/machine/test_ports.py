"""Free ports."""

import random
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_bench.errors import BenchError
from asgi_bench.machine import ports
from asgi_bench.model import Endpoint


@given(st.tuples(st.integers(1024, 65535), st.integers(1024, 65535)).map(sorted))
def test_candidates_keep_clear_of_outgoing_connections(ephemeral: list[int]) -> None:
    """No port of the ephemeral range, unless that leaves (nearly) nothing."""
    low, high = ephemeral
    drawn = ports.candidates(low, high)
    assert len(drawn) >= 200
    assert all(1024 <= port <= 65535 for port in drawn)
    outside = 65535 - 1024 + 1 - (high - low + 1)
    if outside >= 200:
        assert not any(low <= port <= high for port in drawn)


def test_ports_are_free_outside_the_range_and_given_once() -> None:
    """What is handed out can be bound, is no port for outgoing connections, and never repeats."""
    low, high = ports.ephemeral_range()
    drawn = [ports.free_endpoint(random.Random(7)) for _ in range(20)]
    assert len(set(drawn)) == 20
    for endpoint in drawn:
        assert not low <= endpoint.port <= high
        with socket.socket() as sock:
            sock.bind(endpoint.address)


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "127.0.0.2"])
def test_a_port_in_use_is_not_free(address: str) -> None:
    """A listener at any address takes the port."""
    with socket.socket() as sock:
        sock.bind((address, 0))
        port = sock.getsockname()[1]
        if address != "127.0.0.2":  # Bound there but not listening, it is in nobody's way.
            assert not ports.is_free(Endpoint.local(port))
        sock.listen()
        assert not ports.is_free(Endpoint.local(port))
    assert ports.is_free(Endpoint.local(port))


def test_no_free_port_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """If every draw is in use the search must end with one line."""
    monkeypatch.setattr(ports, "is_free", lambda port: False)
    with pytest.raises(BenchError, match="no free port"):
        ports.free_endpoint(random.Random(1))
