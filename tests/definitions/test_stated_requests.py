from pathlib import Path

import pytest

from asgi_bench.definitions.own_app import OwnApp, scenario_of
from asgi_bench.definitions.stated_requests import MOST_REQUESTS, load_requests
from asgi_bench.errors import UsageError
from asgi_bench.model import WeightedRequest


def write(folder: Path, text: str) -> Path:
    """A file of requests."""
    path = folder / "requests.toml"
    path.write_text(text)
    return path


def test_requests_are_read_as_they_stand(tmp_path: Path) -> None:
    """Each table is one, in the file's order; what isn't said is as for a single request."""
    (tmp_path / "photo.bin").write_bytes(b"\xff\x00")
    path = write(
        tmp_path,
        """
        [list]
        path = "/items?page=1"
        weight = 8

        [order]
        method = "post"
        path = "/orders"
        headers = { Content-Type = "application/json" }
        body = '{"sku": 1}'
        expect_status = 201
        expect_pattern = "id"
        weight = 1.5

        [upload]
        method = "PUT"
        body_file = "photo.bin"
        expect_body = "thanks"
        """,
    )
    assert load_requests(path) == (
        WeightedRequest("list", path="/items?page=1", expect_status=0, weight=8),
        WeightedRequest(
            "order",
            method="POST",
            path="/orders",
            headers={"Content-Type": "application/json"},
            body='{"sku": 1}',
            expect_status=201,
            expect_pattern="id",
            weight=1.5,
        ),
        WeightedRequest(
            "upload",
            method="PUT",
            body_bytes=b"\xff\x00",
            expect_status=0,
            expect_body="thanks",
        ),
    )


def test_the_first_request_stands_for_the_app(tmp_path: Path) -> None:
    """A server is ready when it answers that one; all of them are what it is loaded with."""
    requests = load_requests(write(tmp_path, '[b]\npath = "/b"\n[a]\nmethod = "POST"'))
    scenario = scenario_of(OwnApp("shop:app", tmp_path, requests=requests))
    assert (scenario.name, scenario.path, scenario.method) == ("shop", "/b", "GET")
    assert scenario.requests == requests
    assert scenario.expect_status == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "contains no request; a request is a table such as [list]"),
        ("list = 1", "list: expected a table such as [list], with `path` and `weight`"),
        ("[a]\nwait = 1", "[a]: unknown key 'wait'; allowed: body, body_file, expect_body,"),
        ("[a]\nweight = 0", "[a]: weight: 0 must be a number above 0"),
        ("[a]\nweight = inf", "[a]: weight: inf must be a number above 0"),
        ("[a]\nweight = '1'", "[a]: weight: expected float, got str"),
        ("[a]\npath = 'items'", "[a]: path: 'items' must begin with a slash"),
        ("[a]\nmethod = 'P T'", "[a]: method: 'P T' must be an HTTP method"),
        ("[a]\nheaders = { Expect = 'x' }", "[a]: headers: Expect: asgi-bench sends"),
        ("[a]\nexpect_status = 99", "[a]: expect_status: 99 must be 200 to 999"),
        ("[a]\nexpect_pattern = '('", "[a]: expect_pattern: '(' is not a regular expression"),
        (
            "[a]\nexpect_pattern = 'x'\nexpect_body = 'x'",
            "[a]: give either expect_body or expect_pattern, not both",
        ),
        ("[a]\nbody = 'x'\nbody_file = 'x'", "[a]: give either body or body_file, not both"),
        ("[a]\nbody_file = 'absent'", "[a]: body_file: "),
        (
            "\n".join(f"[r{n}]" for n in range(MOST_REQUESTS + 1)),
            f"contains {MOST_REQUESTS + 1} requests; at most {MOST_REQUESTS} are allowed",
        ),
    ],
)
def test_a_mistake_is_one_line_with_its_place(tmp_path: Path, text: str, words: str) -> None:
    """The file, the request and the key are named, and what is allowed."""
    path = write(tmp_path, text)
    with pytest.raises(UsageError) as caught:
        load_requests(path)
    assert str(caught.value).startswith(f"{path}: {words}")
    assert "\n" not in str(caught.value)


def test_a_conversation_is_a_list_of_messages(tmp_path: Path) -> None:
    """What is sent and what has to come, in order; the scenario is held over WebSocket."""
    path = write(
        tmp_path,
        """
        [chat]
        websocket = "/ws"
        headers = { Authorization = "Bearer x" }
        conversations = 5
        messages = [
            { send = "join" },
            { send = "more", times = 3 },
            { expect = "welcome" },
            { expect_pattern = '"n"', times = 3 },
        ]
        """,
    )
    (request,) = load_requests(path)
    assert (request.path, request.method, request.expect_status) == ("/ws", "WS", 101)
    assert request.headers == {"Authorization": "Bearer x"}
    assert [message.send for message in request.messages] == ["join", "more", None, None]
    scenario = scenario_of(OwnApp("shop:app", requests=(request,)))
    assert (scenario.messages, scenario.conversations) == (request.messages, 5)
    assert scenario.requests == ()
    assert scenario.needs == ("asgi3", "websocket")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[a]\nwebsocket = '/'\nmessages = []", "[a]: messages: must begin with a message to send"),
        ("[a]\nwebsocket = '/'", "[a]: messages: must begin with a message to send"),
        ("[a]\nwebsocket = '/'\nmessages = [{ send = 'x' }]", "must end with a message to expect"),
        ("[a]\nwebsocket = '/'\nmessages = 'x'", "messages: expected a list of tables, such as "),
        ("[a]\nwebsocket = '/'\nmessages = [{ sent = 'x' }]", "messages[0]: unknown key 'sent'"),
        (
            "[a]\nwebsocket = '/'\nmessages = [{ send = 'x', expect = 'x' }]",
            "messages[0]: needs exactly one of send, expect, expect_pattern",
        ),
        (
            "[a]\nwebsocket = '/'\nmessages = [{ send = 'x', times = 0 }]",
            "messages[0]: times: 0 must be 1 to 1000",
        ),
        (
            "[a]\nwebsocket = '/'\nmessages = [{ send = 'x' }, { expect_pattern = '(' }]",
            "messages[1]: expect_pattern: '(' is not a regular expression",
        ),
        ("[a]\nwebsocket = 'ws'\nmessages = [{ send = 'x' }, { expect = 'x' }]", "[a]: websocket:"),
        (
            "[a]\nwebsocket = '/'\nconversations = 0\n"
            "messages = [{ send = 'x' }, { expect = 'x' }]",
            "[a]: conversations: 0 must be 1 or more",
        ),
        (
            "[b]\npath = '/'\n[a]\nwebsocket = '/'\nmessages = [{ send = 'x' }, { expect = 'x' }]",
            "[a]: a WebSocket conversation must be the only table in the file",
        ),
        ("[a]\nwebsocket = '/'\nweight = 2\nmessages = []", "[a]: unknown key 'weight'"),
    ],
)
def test_what_is_no_conversation_is_named(tmp_path: Path, text: str, told: str) -> None:
    """The file, the table and the message."""
    with pytest.raises(UsageError) as caught:
        load_requests(write(tmp_path, text))
    assert told in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / "requests.toml"))


def test_one_message_by_flags() -> None:
    """What is sent, and what has to match in return; without that, probes tell it."""
    scenario = scenario_of(
        OwnApp("shop:app", websocket="/ws", message=b'{"n":1}', expect_message='"n"')
    )
    sent, wanted = scenario.messages
    assert (scenario.path, scenario.expect_status) == ("/ws", 101)
    assert (sent.send, wanted.expect_pattern) == ('{"n":1}', '"n"')
    assert scenario_of(OwnApp("shop:app", websocket="/ws")).expect_status == 0
    (sent, _) = scenario_of(OwnApp("shop:app", websocket="/ws", message=b"\xff")).messages
    assert sent.send_bytes == b"\xff"
