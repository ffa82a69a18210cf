import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_bench.model import Cell, ClosedLoop, Endpoint

CELL = Cell("uvicorn", "default", 1, "hello", ClosedLoop(64))


def test_a_plain_cell_is_named_as_ever() -> None:
    """HTTP/1.1 over TCP stands in no key, and a stored cell without a word of it reads as that."""
    assert CELL.key == "uvicorn/default/w1/hello/c64"
    assert CELL.start == CELL.setting == "uvicorn/default/w1"
    stored = msgspec.to_builtins(CELL)
    del stored["http"], stored["transport"]
    assert msgspec.convert(stored, Cell) == CELL


@pytest.mark.parametrize(
    ("http", "transport", "request_key"),
    [("1", "tls", "hello+tls"), ("1", "unix", "hello+unix"), ("2", "tcp", "hello+h2")],
)
def test_a_key_tells_what_is_not_the_default(http: str, transport: str, request_key: str) -> None:
    """HTTP version and transport follow the scenario, each only where it isn't the default."""
    cell = msgspec.structs.replace(CELL, http=http, transport=transport)
    assert cell.key == f"uvicorn/default/w1/{request_key}/c64"
    assert cell.start == f"uvicorn/default/w1{request_key.removeprefix('hello')}"


@given(st.sampled_from(["1", "2"]), st.sampled_from(["tcp", "tls", "unix"]))
def test_a_key_parses_back(http: str, transport: str) -> None:
    """What follows the scenario's name tells both: no two ways share it."""
    cell = msgspec.structs.replace(CELL, http=http, transport=transport)
    name, *told = cell.key.split("/")[3].split("+")
    assert name == "hello"
    assert ("h2" in told) == (http == "2")
    assert [word for word in told if word != "h2"] == ([] if transport == "tcp" else [transport])


def test_an_endpoint_says_where_it_is() -> None:
    """A port has an authority of its own, a Unix socket a path and the name of this machine."""
    port = Endpoint(("127.0.0.1", 8443), "tls")
    assert (port.url, port.port, port.path) == ("https://127.0.0.1:8443", 8443, None)
    assert port.label == "port 8443"
    path = Endpoint("/tmp/s", "unix")
    assert (path.url, path.port, path.path) == ("http://localhost", 0, "/tmp/s")
    assert path.label == "socket /tmp/s"
