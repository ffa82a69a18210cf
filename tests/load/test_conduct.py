"""Where Locust users' requests went, and how they spent their time."""

from types import SimpleNamespace

import pytest
from gevent.event import Event
from locust import User
from locust.env import Environment

from asgi_bench.load.conduct import LOOK_S, Conduct, is_on
from asgi_bench.load.user import FastUser
from tests.analysis.validity.test_answers import why_not_credited
from tests.situation import Said, situation

BASE = "http://127.0.0.1:8000"


class Visitor(User):
    """Waits when it likes."""


class Quick(FastUser):
    """Never waits."""


def _conduct(**counts: int) -> Conduct:
    environment = SimpleNamespace(
        host=BASE,
        shape_class=None,
        user_classes=[Visitor, Quick],
        runner=SimpleNamespace(user_classes_count=counts),
    )
    return Conduct(environment)


@pytest.mark.parametrize(
    ("url", "is_ours"),
    [
        (BASE, True),
        (f"{BASE}/items?page=2", True),
        ("http://localhost:8000/items", True),
        ("/items", True),
        ("http://127.0.0.1:80001/", False),
        ("http://127.0.0.1:8001/", False),
        ("https://127.0.0.1:8000/", False),
        ("http://192.0.2.1:8000/", False),
        ("http://127.0.0.1:port/", False),
    ],
)
def test_a_url_is_the_servers_or_not(url: str, is_ours: bool) -> None:
    """By scheme, host and port; a name counts as what it means."""
    assert is_on(url, BASE) is is_ours


@situation(
    "credit",
    "The app redirects to another host, and the locustfile's users follow",
    says="1 of 1 requests went to 192.0.2.1, which isn't the server under test",
)
def test_the_last_request_of_redirects_tells_who_answered(said: Said) -> None:
    """Locust reports the URL that was asked for first."""
    conduct = _conduct()
    last = SimpleNamespace(request=SimpleNamespace(url="http://192.0.2.1/"))
    conduct.note(1.0, url=f"{BASE}/", response=last)
    conduct.note(1.0, url=f"{BASE}/", response=SimpleNamespace(request=None))
    conduct.note(1.0)
    said(why_not_credited(conduct.figures(), requests=1))
    assert conduct.figures().unplaced == 1
    conduct.begin()
    assert (conduct.figures().elsewhere, conduct.figures().unplaced) == (0, 0)


@pytest.mark.timed
def test_time_in_flight_is_that_of_users_that_may_wait() -> None:
    """A FastUser's connections always have a request under way."""
    conduct = _conduct(Visitor=2, Quick=1)
    assert conduct.wait(Event(), 2.5 * LOOK_S) is False
    conduct.note(1.25 * LOOK_S * 1e3)
    figures = conduct.figures()
    assert figures.users == pytest.approx(3)
    assert figures.in_flight_share is not None and 0.1 < figures.in_flight_share <= 0.26
    fast = _conduct(Quick=1)
    fast.wait(Event(), LOOK_S)
    assert fast.figures().in_flight_share is None
    over = Event()
    over.set()
    assert conduct.wait(over, 60.0) is True


def test_the_host_stays_what_it_was() -> None:
    """Whatever a locustfile sets it to, which is remembered; another name of it is no other."""
    environment = Environment(host=BASE)
    conduct = Conduct(environment)
    environment.runner = SimpleNamespace(user_classes_count={})
    conduct.hold_host()
    environment.host = "http://localhost:8000"
    assert conduct.figures().host_asked is None
    environment.host = "http://192.0.2.1"
    assert environment.host == BASE
    assert conduct.figures().host_asked == "http://192.0.2.1"
