"""Servers whose every answer is known beforehand, and which count what they received.

    with KnownAnswers(Behaviour(script=("plain", "plain", "status"))) as server:
        ...  # load on 127.0.0.1, server.port
    assert server.counts().requests == sent

A `script` names the kind of each answer in turn (`kinds.KINDS`), so shares are exact.
"""

from tests.known_answers.behaviour import Behaviour, Counts
from tests.known_answers.kinds import BODY, KINDS, LARGE_BODY, SLOW_S, TIMELY
from tests.known_answers.message_kinds import MESSAGE_KINDS, TIMELY_MESSAGES
from tests.known_answers.process import KnownAnswers, expected_errors, unused_port

__all__ = [
    "BODY",
    "KINDS",
    "LARGE_BODY",
    "MESSAGE_KINDS",
    "SLOW_S",
    "TIMELY",
    "TIMELY_MESSAGES",
    "Behaviour",
    "Counts",
    "KnownAnswers",
    "expected_errors",
    "unused_port",
]
