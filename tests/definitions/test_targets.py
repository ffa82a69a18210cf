"""Servers that somebody else has started: which may be loaded, and what is planned for them."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_bench.definitions.own_app import OwnApp
from asgi_bench.definitions.selection import Selection
from asgi_bench.definitions.targets import (
    address_of,
    parse_hosts,
    parse_targets,
    plan_of_targets,
)
from asgi_bench.errors import BenchError, UsageError
from asgi_bench.model.endpoint import Target


@pytest.mark.parametrize(
    ("text", "target", "url"),
    [
        ("http://10.0.0.1:8000", Target("http", "10.0.0.1", 8000), "http://10.0.0.1:8000"),
        ("http://localhost", Target("http", "localhost", 80), "http://localhost"),
        ("https://SHOP.local/", Target("https", "shop.local", 443), "https://shop.local"),
    ],
)
def test_a_url_names_scheme_host_and_port(text: str, target: Target, url: str) -> None:
    """The port is that of the scheme where none is given, and is left out of what is shown then."""
    (found,) = parse_targets((text, text), "--target")
    assert found == target
    assert found.url == url


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("10.0.0.1:8000", "it must be http"),
        ("ftp://10.0.0.1", "it must be http"),
        ("http://", "it must be http"),
        ("http://me:secret@10.0.0.1", "it must be http"),
        ("http://10.0.0.1:99999", "it must be http"),
        ("http://10.0.0.1/items", "use --path for the path"),
        ("http://10.0.0.1?all=1", "use --path for the path"),
        ("http://[::1]:8000", "only IPv4 addresses"),
        ("http://a b", "it must be http"),
        ("http://10.0.0.1:0", "it must be http"),
    ],
)
def test_what_is_no_target_is_said_in_one_line(text: str, why: str) -> None:
    """The flag, what was given, and what is allowed."""
    with pytest.raises(UsageError, match=why) as fault:
        parse_targets((text,), "--target")
    assert str(fault.value).startswith("--target: ")
    assert "\n" not in str(fault.value)


@given(st.text())
def test_whatever_is_given_is_a_target_or_a_usage_error(text: str) -> None:
    """Nothing else comes of a URL, wherever it is from."""
    try:
        (found,) = parse_targets((text,), "--target")
    except UsageError:
        return
    assert parse_targets((found.url,), "--target") == (found,)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.9.9.9", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1"]
)
def test_loopback_and_private_addresses_may_be_loaded(host: str) -> None:
    """They are one's own, or of one's own network."""
    assert address_of(Target("http", host, 8000), ()) == host


@pytest.mark.parametrize(
    "host",
    [
        "8.8.8.8",
        "172.32.0.1",
        "192.169.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
    ],
)
def test_others_have_to_be_named(host: str) -> None:
    """A public address is refused until the user says that it may be loaded."""
    target = Target("http", host, 80)
    with pytest.raises(UsageError, match=f"add --allow-target {host}"):
        address_of(target, ("8.8.4.4",))
    assert address_of(target, (host,)) == host


def test_a_host_without_an_address_is_a_clear_fault() -> None:
    """One line that names the flag and the host."""
    with pytest.raises(BenchError, match="has no address") as fault:
        address_of(Target("http", "no.invalid", 80), ())
    assert str(fault.value).startswith("--target http://no.invalid: no.invalid has no address")


@pytest.mark.parametrize("text", ["", "http://a", "a:80", "a/b"])
def test_an_allowed_host_is_a_host_alone(text: str) -> None:
    """A URL there would never match what it is to allow."""
    with pytest.raises(UsageError, match="--allow-target"):
        parse_hosts((text,), "--allow-target")


def test_each_target_is_a_server_of_the_plan() -> None:
    """By its host and port; what is asked of it are the flags about a request."""
    targets = parse_targets(("http://127.0.0.1:8000", "https://localhost:8443"), "--target")
    selection = Selection(
        targets=targets,
        own_app=OwnApp(path="/items", expect_status=200),
        connections=(8, 64),
        http=("1", "2"),
    )
    plan = plan_of_targets(selection)
    keys = [planned.cell.key for planned in plan.cells]
    assert keys[0] == "127.0.0.1:8000/default/w1/target/c8"
    assert keys[-1] == "localhost:8443/default/w1/target+h2+tls/c64"
    assert len(keys) == 8
    assert plan.reference == "127.0.0.1:8000/default/w1"
    (scenario,) = plan.scenarios
    assert (scenario.name, scenario.path, scenario.needs) == ("target", "/items", ())
    assert not any(planned.command for planned in plan.cells)


@pytest.mark.parametrize("own", [OwnApp(stream=True), OwnApp(chunked=True, body=b"x")])
def test_what_is_timed_over_http1_alone_is_skipped_over_http2(own: OwnApp) -> None:
    """As with servers of our own: such a cell is in the plan, with the reason."""
    targets = parse_targets(("http://127.0.0.1:8000",), "--target")
    plan = plan_of_targets(Selection(targets=targets, own_app=own, http=("1", "2")))
    assert [planned.skip_reason for planned in plan.cells] == [
        None,
        "supports only HTTP/1.1 in this scenario",
    ]


def test_masks_are_drawn_for_a_target_too() -> None:
    """What `--random-masks` asks for holds wherever the server runs."""
    targets = parse_targets(("http://127.0.0.1:8000",), "--target")
    for drawn in (True, False):
        (scenario,) = plan_of_targets(Selection(targets=targets, random_masks=drawn)).scenarios
        assert scenario.random_masks is drawn


def test_load_goes_to_the_address_that_was_looked_at() -> None:
    """The name is for the Host header and the certificate: it may mean another address later."""
    selection = Selection(targets=parse_targets(("https://localhost:8443",), "--target"))
    endpoint = plan_of_targets(selection).cells[0].endpoint
    assert endpoint is not None
    assert endpoint.address == ("127.0.0.1", 8443)
    assert (endpoint.transport, endpoint.authority) == ("tls", "localhost:8443")


def test_a_stored_plan_knows_its_targets() -> None:
    """What a run's file keeps is enough to load them again."""
    selection = Selection(targets=parse_targets(("http://127.0.0.1:8000",), "--target"))
    (planned,) = plan_of_targets(selection).cells
    again = msgspec.json.decode(msgspec.json.encode(planned), type=type(planned))
    assert again.endpoint == planned.endpoint
