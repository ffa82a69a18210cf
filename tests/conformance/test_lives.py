"""The lives of the small server, judged as those of real ones are."""

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from asgi_bench.conformance.catalogue import LIFE_CHECKS
from asgi_bench.conformance.check import LifeCheck
from asgi_bench.conformance.draining import done_at_s, drain
from asgi_bench.conformance.findings import Finding, Unanswered, cant_tell
from asgi_bench.conformance.journal import Journal
from asgi_bench.conformance.lives import End, Life, Lives
from asgi_bench.conformance.putting import judge_all
from asgi_bench.conformance.servers import JOURNAL, LIFESPAN
from asgi_bench.conformance.start import ANSWERED, Patience
from tests.conformance.conftest import PATIENT, starts_of
from tests.conformance.faults import LIVES
from tests.conformance.good_server import App, Faults, Server

KINDS = ("", "raise", "startup-failed", "shutdown-failed")
# A server that holds on to idle connections does so for three seconds.
PATIENCE = Patience(answer_s=2.0, quiet_s=0.05)
STAYS_S = 0.5
# The small server is left in the midst of things; what it leaves open goes with it.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.usefixtures("swept"),
]

Live = Callable[[str, Faults], Lives]


@pytest.fixture
def live(app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Live]:
    """Let the server live once; of the life asked for a record, of others none."""
    servers: list[Server] = []

    def live(kind: str, faults: Faults) -> Lives:
        journal = Journal(tmp_path / f"{kind or 'well'}.jsonl")
        monkeypatch.setenv(JOURNAL, str(journal.path))
        monkeypatch.setenv(LIFESPAN, kind)
        server = Server(app, faults)
        servers.append(server)
        server.start()
        was_ready = server.port != 0
        drained: dict[str, Finding] = {}
        token = ""
        start = starts_of(server, journal, PATIENCE)["http"]
        if not kind:
            try:
                start.ask(["mutate"], *ANSWERED)
                start.ask()
                drained, token = drain(start, server.request_stop)
            except Unanswered as fault:
                drained = {"in-flight": cant_tell(str(fault))}
        elif was_ready:
            server.request_stop()
        ended = server.ended_within(STAYS_S if "stays" in faults else PATIENT.answer_s)
        server.abandon()
        # A client may have the answer before the app has noted that it sent it.
        answered_at_s = done_at_s(start.journal.entries(token))
        record = Life(
            was_ready,
            tuple(journal.entries("lifespan")),
            tuple(
                one for one in journal.every() if one.token != "lifespan" and one.what == "scope"
            ),
            End(server.exit_code if ended else None, was_killed=not ended),
            server.log(),
        )
        if not kind:
            return Lives(record, drained, answered_at_s)
        name = {"raise": "raising"}.get(kind, kind.replace("-", "_"))
        nothing = msgspec.structs.replace(record, entries=(), requests=())
        return msgspec.structs.replace(Lives(nothing, {}), **{name: record})

    yield live
    for server in servers:
        server.abandon()


def test_the_good_server_lives_well(live: Live) -> None:
    """All that is judged of its lives is a yes."""
    lives = {kind: live(kind, {}) for kind in KINDS}
    whole = msgspec.structs.replace(
        lives[""],
        raising=lives["raise"].raising,
        startup_failed=lives["startup-failed"].startup_failed,
        shutdown_failed=lives["shutdown-failed"].shutdown_failed,
    )
    found = {entry.id: finding for entry, finding in judge_all(LIFE_CHECKS, whole)}
    assert {name: one for name, one in found.items() if one.result != "yes"} == {}


@pytest.mark.slow
@pytest.mark.parametrize("check", LIFE_CHECKS, ids=[check.entry.id for check in LIFE_CHECKS])
def test_every_judgement_can_be_no(check: LifeCheck, live: Live) -> None:
    """A server that lives badly, or ends so, gets no, with what was seen."""
    kind, faults = LIVES[check.entry.id]
    finding = check.judge(live(kind, faults))
    assert finding.result == "no"
    assert finding.evidence


@pytest.mark.slow
def test_one_that_hangs_for_a_moment_does_not_refuse(live: Live) -> None:
    """On a busy machine a server may be late; it answers new requests all the same."""
    check = next(check for check in LIFE_CHECKS if check.entry.id == "drain.refuses-new")
    _, faults = LIVES[check.entry.id]
    assert check.judge(live("", {**faults, "hangs-once": 1})).result == "no"


def test_a_server_without_a_lifespan_is_told_apart(live: Live) -> None:
    """Where its runner file states none, none is judged."""
    lives = msgspec.structs.replace(live("", {}), why_not="its runner file states no lifespan")
    found = {entry.id: one for entry, one in judge_all(LIFE_CHECKS, lives)}
    told = {one.result for name, one in found.items() if name.startswith("lifespan.")}
    assert told == {"not offered"}
