"""What a load host and its master say to each other: whose word it is, and in which turn."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_bench.load.seal import Forged, Seal, is_proven, new_nonce, proof

TOKEN = "a token of some length"
PARTS = (b"host_1", b"n1", b"n2")


def talk(token: str = TOKEN) -> tuple[Seal, Seal]:
    """Both ends of one talk."""
    return Seal(TOKEN, "master", *PARTS), Seal(token, "worker", *PARTS)


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=64)), max_size=8))
def test_what_either_says_is_heard_in_turn(words: list[tuple[bool, bytes]]) -> None:
    """Whoever speaks, whatever is said, and however often."""
    master, worker = talk()
    for is_masters, word in words:
        one, other = (master, worker) if is_masters else (worker, master)
        assert other.open(one.close(word)) == word


@given(st.binary(max_size=64), st.integers(min_value=0), st.integers(1, 255))
def test_a_changed_message_is_forged(word: bytes, place: int, change: int) -> None:
    """A single byte, wherever it stands; the true one is taken afterwards."""
    master, worker = talk()
    said = master.close(word)
    changed = bytearray(said)
    changed[place % len(said)] ^= change
    with pytest.raises(Forged):
        worker.open(bytes(changed))
    assert worker.open(said) == word


@given(st.binary(max_size=100) | st.none() | st.text() | st.integers())
def test_whatever_comes_from_outside_is_forged(data: object) -> None:
    """Nothing else comes of it than that."""
    with pytest.raises(Forged):
        talk()[0].open(data)


def test_nothing_is_heard_twice_left_out_or_sent_back() -> None:
    """Each message has its turn, and its direction."""
    master, worker = talk()
    first, second = master.close(b"1"), master.close(b"2")
    with pytest.raises(Forged):
        worker.open(second)
    with pytest.raises(Forged):
        master.open(first)
    assert worker.open(first) == b"1"
    with pytest.raises(Forged):
        worker.open(first)
    assert worker.open(second) == b"2"


def test_another_token_seals_nothing() -> None:
    """Who doesn't know it is not heard, and hears nothing."""
    master, stranger = talk("another token of some length")
    with pytest.raises(Forged):
        stranger.open(master.close(b"load"))
    with pytest.raises(Forged):
        master.open(stranger.close(b"ready"))


def test_a_proof_is_of_its_purpose_and_its_parts() -> None:
    """None serves for another host, another moment, or the other side."""
    given_proof = proof(TOKEN, "hello", b"host", b"nonce")
    assert is_proven(given_proof, TOKEN, "hello", b"host", b"nonce")
    for token, purpose, parts in (
        ("another token", "hello", (b"host", b"nonce")),
        (TOKEN, "welcome", (b"host", b"nonce")),
        (TOKEN, "hello", (b"hostn", b"once")),
        (TOKEN, "hello", (b"host", new_nonce())),
    ):
        assert not is_proven(given_proof, token, purpose, *parts)
    assert not is_proven(None, TOKEN, "hello", b"host", b"nonce")
