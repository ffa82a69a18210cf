from tests.known_answers import Behaviour, KnownAnswers
from tests.load.loading import load, target_at


def test_a_stall_holds_back_what_is_due_meanwhile(known: KnownAnswers) -> None:
    """In the first part of each period nothing is answered; what came is answered at its end."""
    server = known.behave(Behaviour(stall_s=0.06, stall_period_s=0.2))
    client = load(target_at(server.port, connections=2), 0.5)
    delays_ns = server.counts().delays_ns
    assert client.faults == {}
    held = [delay for delay in delays_ns if delay > 5_000_000]
    # A closed loop has its connections wait once in each stall, whatever would have come.
    assert 2 * 2 <= len(held) < len(delays_ns) / 4
    assert max(held) > 40_000_000
    assert len(delays_ns) == client.sent
