import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_bench.load.target import Target, scenario_target
from asgi_bench.model import (
    Endpoint,
    Scenario,
)
from asgi_bench.wire.http1 import Response, encode_request, read_response


def _target(**facts: object) -> Target:
    scenario = Scenario(name="app", app="app:app", **facts)  # type: ignore[arg-type]
    endpoint = Endpoint.local(80)
    return scenario_target(scenario, name="a", endpoint=endpoint, connections=1, timeout_s=1)


@pytest.mark.parametrize(
    ("facts", "status", "body", "fault"),
    [
        ({}, 200, b"anything", None),
        ({}, 404, b"anything", "status"),
        ({"expect_status": 404}, 404, b"", None),
        ({"expect_body": "x"}, 200, b"x", None),
        ({"expect_body": "x"}, 200, b"xx", "body"),
        ({"expect_body": "x", "method": "HEAD"}, 200, b"", None),
        ({"expect_bytes": b"\xff"}, 200, b"\xff", None),
        ({"expect_bytes": b"\xff"}, 200, b"\xfe", "body"),
        ({"expect_pattern": r"^\d+$"}, 200, b"123", None),
        ({"expect_pattern": r"^\d+$"}, 200, b"12a", "body"),
        ({"expect_pattern": r"\d"}, 200, b"a1\xff", None),
        ({"expect_pattern": "ä"}, 200, "bär".encode(), None),
        ({"expect_pattern": "x"}, 500, b"x", "status"),
    ],
)
def test_an_answer_is_held_to_what_its_scenario_expects(
    facts: dict[str, object], status: int, body: bytes, fault: str | None
) -> None:
    """The status first, then the one right body, or a match in a body read as UTF-8."""
    response = Response(status=status, body=body, size=1, closes=False)
    assert _target(**facts).exchanges[0].fault_of(response) == fault


def test_a_binary_body_is_sent_as_it_is() -> None:
    """What isn't text travels beside the text, and takes its place in the request."""
    request = _target(method="POST", body_bytes=b"\xff\x00").exchanges[0].request
    assert request.endswith(b"Content-Length: 2\r\n\r\n\xff\x00")


def test_a_coded_body_is_compared_decoded() -> None:
    """Whatever bytes the coding took, the body within decides; without the coding it is wrong."""
    exchange = _target(expect_body="x" * 500, expect_coding="gzip").exchanges[0]
    coded = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"
    for level in (1, 9):
        body = gzip.compress(b"x" * 500, compresslevel=level)
        assert exchange.fault_of(Response(200, body, 0, closes=False, head=coded)) is None
        assert exchange.fault_of(Response(200, body, 0, closes=False)) == "body"
    plain = Response(200, b"x" * 500, 0, closes=False, head=coded)
    assert exchange.fault_of(plain) == "body"
    assert exchange.fault_text(plain) == "a body that is not in gzip"


@given(st.binary(max_size=100_000))
def test_a_chunked_body_is_read_back_as_it_was(body: bytes) -> None:
    """The chunks of a request hold the body's bytes in order, and end it."""
    request = encode_request("POST", "/", "host", {}, body, chunked=True)
    head, _, rest = request.partition(b"\r\n\r\n")
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + rest
    response = read_response(answer)
    assert response is not None
    assert (response.body, response.size) == (body, len(answer))
    assert b"Content-Length" not in head
