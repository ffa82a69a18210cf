"""What a siege says of requests that got no right answer."""

import msgspec

from asgi_bench.load.messages import Loaded, Loss
from asgi_bench.measurement.behaviours.siege import losses_of
from asgi_bench.model import ErrorCounts, WrongAnswer
from asgi_bench.reporting.run.behaviour import sentences
from tests.situation import Said, situation
from tests.synthetic_behaviour import BADLY

BUSY = WrongAnswer(
    "status", "GET /", "status 503 instead of 200", 1.0, status=503, body="'busy'", body_bytes=4
)
SLICE = Loaded(
    begin_s=1.0,
    end_s=2.0,
    requests=10,
    sent=12,
    errors=ErrorCounts(status=1, reset=1),
    load_cpu_s=0.1,
    losses=(Loss(1.0, 1.1, "status", True), Loss(1.0, 1.1, "reset", False)),
    wrong_answers=(WrongAnswer("reset", "GET /", "reset the connection", 0.5), BUSY),
)


@situation(
    "answers",
    "`--behaviour`: an overloaded server refuses requests by a status",
    says="lost 2 requests (1 reset, 1 wrong, the first status 503 instead of 200 to GET / "
    "(body: 'busy'))",
)
def test_the_first_wrong_answer_is_told(said: Said) -> None:
    """Where a whole answer was wrong it is shown, in the words that a run has for it."""
    losses = losses_of([SLICE])
    assert (losses.wrong, losses.reset) == (1, 1)
    assert BADLY.overload is not None
    overload = msgspec.structs.replace(BADLY.overload, losses=losses)
    said(" ".join(sentences(msgspec.structs.replace(BADLY, overload=overload))))
    right = msgspec.structs.replace(SLICE, losses=SLICE.losses[1:])
    assert losses_of([right]).first_wrong is None
