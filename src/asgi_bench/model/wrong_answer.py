"""What a wrong answer looked like: the first of its like, kept as it was seen."""

from collections.abc import Iterable

import msgspec

# Every kind of error with a few statuses or requests each: a sentence shows fewer still.
MOST_WRONG_ANSWERS = 12


class WrongAnswer(msgspec.Struct, frozen=True):
    """The first of the wrong answers of one kind to one request with one status.

    All text in it is from outside, but `body` is quoted and the rest one line.
    """

    kind: str
    """Its kind: a field of the counts of errors (`status`, `body`, `connect`, `reset`,
    `timeout`)."""
    request: str
    """The request's name where several are sent, otherwise its method and path; empty for none."""
    text: str
    """What was wrong, in words."""
    at_s: float
    """When it was seen, in seconds since the run began."""
    count: int = 1
    """How many of its like came in the slices; 0 where only the warm-up had any."""
    status: int | None = None
    """The status of a whole answer; null where none came."""
    headers: dict[str, str] = {}
    """Those headers of a whole answer that may say why."""
    body: str | None = None
    """How the body of a whole answer begins, in quotes."""
    body_bytes: int | None = None
    """The length of that body."""
    client_port: int | None = None
    """The port of the connection on the load generator's side; null where a user's Locust client
    sent the request."""
    pid: int | None = None
    """The process of the server that held the connection, where that could be seen."""

    @property
    def likeness(self) -> tuple[str, str, int | None]:
        """What it has in common with all that are counted with it."""
        return self.kind, self.request, self.status


def merged_wrong_answers(wrong: Iterable[WrongAnswer]) -> tuple[WrongAnswer, ...]:
    """Return the first of each kind among what several saw, with the counts of all."""
    by_likeness: dict[tuple[str, str, int | None], WrongAnswer] = {}
    for each in sorted(wrong, key=lambda each: each.at_s):
        first = by_likeness.get(each.likeness)
        by_likeness[each.likeness] = (
            msgspec.structs.replace(first, count=first.count + each.count) if first else each
        )
    return tuple(by_likeness.values())[:MOST_WRONG_ANSWERS]
