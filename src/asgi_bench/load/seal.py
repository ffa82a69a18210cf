"""How a load host and its master authenticate each other, and seal what they say.

Both know the run's token, which is never sent. Each proves that it does, and from then on seals its
messages: nothing can be changed, dropped, repeated or forged. Anyone who sees the network can read
everything: use a tunnel to prevent that.
"""

import hashlib
import hmac
import secrets
from typing import Literal

NONCE_BYTES = 16
_MAC_BYTES = hashlib.sha256().digest_size


class Forged(Exception):
    """A message that doesn't come from someone who knows the token, or that was sent before."""


def new_nonce() -> bytes:
    """A number that was never used before."""
    return secrets.token_bytes(NONCE_BYTES)


def proof(token: str, purpose: str, *parts: bytes) -> bytes:
    """What only someone who knows the token can compute from some parts."""
    lengths = b"".join(len(part).to_bytes(4, "big") for part in parts)
    text = purpose.encode() + b"\0" + lengths + b"".join(parts)
    return hmac.digest(token.encode(), text, hashlib.sha256)


def is_proven(given: object, token: str, purpose: str, *parts: bytes) -> bool:
    """Whether a given proof is the right one."""
    return isinstance(given, bytes) and hmac.compare_digest(given, proof(token, purpose, *parts))


class Seal:
    """One end of the conversation between a master and one worker, each message sealed in order."""

    def __init__(self, token: str, side: Literal["master", "worker"], *parts: bytes) -> None:
        """`parts` are what both have told each other: no other talk has the same."""
        self._key = proof(token, "talk", *parts)
        other = {"master": b"worker", "worker": b"master"}[side]
        self._names = side.encode(), other
        self._said = self._heard = 0

    def close(self, body: bytes) -> bytes:
        """Return a message as it travels."""
        mac = self._mac(self._names[0], self._said, body)
        self._said += 1
        return mac + body

    def open(self, message: object) -> bytes:
        """Return the content of a message; raises Forged unless it is the other end's next one."""
        if not isinstance(message, bytes) or len(message) < _MAC_BYTES:
            raise Forged("it bears no seal")
        mac, body = message[:_MAC_BYTES], message[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(self._names[1], self._heard, body)):
            raise Forged("its seal is not right")
        self._heard += 1
        return body

    def _mac(self, side: bytes, number: int, body: bytes) -> bytes:
        return hmac.digest(self._key, side + number.to_bytes(8, "big") + body, hashlib.sha256)
