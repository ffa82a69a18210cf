import pytest

from asgi_bench.conformance.catalogue import CHECKS, ENTRIES
from asgi_bench.conformance.check import Check
from asgi_bench.conformance.putting import put
from tests.conformance.conftest import IMPATIENT, PATIENT, Begin
from tests.conformance.faults import ALLOWED, BY_CHECK, LIVES

# The small server is left in the midst of things; what it leaves open goes with it.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.usefixtures("swept"),
]


def test_every_check_has_a_fault_and_a_name_of_its_own() -> None:
    """No check is declared twice, and for each there is a server that fails it."""
    names = [entry.id for entry in ENTRIES]
    assert len(names) == len(set(names))
    assert set(names) == BY_CHECK.keys() | LIVES.keys()


def test_every_check_quotes_its_sentence() -> None:
    """A sentence, and a link into the ASGI specification or an RFC."""
    for entry in ENTRIES:
        assert entry.says[0].isalnum() or entry.says.startswith(("...", "/")), entry
        assert entry.link.startswith(
            ("https://asgi.readthedocs.io/", "https://www.rfc-editor.org/")
        )
        assert "#" in entry.link, entry


def test_the_good_server_passes_every_check(begin: Begin) -> None:
    """A server that does all of it right, and offers all of it, gets no other result than yes."""
    starts = begin({}, PATIENT)
    plain = [check for check in CHECKS if check.entry.id not in ALLOWED]
    found = {check.entry.id: put(check, starts[check.start]) for check in plain}
    assert {name: one for name, one in found.items() if one.result != "yes"} == {}


@pytest.mark.parametrize("name", ALLOWED)
def test_what_servers_may_do_is_seen(name: str, begin: Begin) -> None:
    """Where servers are free, one that does it gets yes."""
    check = next(check for check in CHECKS if check.entry.id == name)
    assert put(check, begin(ALLOWED[name], PATIENT)[check.start]).result == "yes"


@pytest.mark.slow
@pytest.mark.parametrize("check", CHECKS, ids=[check.entry.id for check in CHECKS])
def test_every_check_can_fail(check: Check, begin: Begin) -> None:
    """A server with the fault that a check is about gets no, with what was seen."""
    starts = begin(BY_CHECK[check.entry.id], IMPATIENT)
    finding = put(check, starts[check.start])
    assert finding.result == "no"
    assert finding.evidence
