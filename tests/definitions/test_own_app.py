from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_bench.definitions.own_app import (
    ATTRIBUTE_APP,
    ATTRIBUTE_VARIABLE,
    FACTORY_APP,
    FACTORY_VARIABLE,
    OwnApp,
    parse_target,
    scenario_of,
    working_folder,
)
from asgi_bench.definitions.stated_requests import (
    parse_headers,
    parse_method,
    parse_path,
    read_body,
)
from asgi_bench.errors import UsageError
from asgi_bench.model import Message, WeightedRequest


@pytest.mark.parametrize("text", ["app:app", "my.project.asgi:application", "a:b.c", "_a:ä"])
def test_an_app_is_a_module_and_an_attribute(text: str) -> None:
    """Dotted names on both sides of one colon are taken as they are."""
    assert parse_target(text) == text


@pytest.mark.parametrize(
    "text", ["", "app", "app:", ":app", "a b:c", "a:b()", "a:b:c", "src/app:app", "app.py:app"]
)
def test_what_is_no_app_is_one_line(text: str) -> None:
    """The error quotes what was given and shows how it should look."""
    with pytest.raises(
        UsageError, match=r"^APP: .* must be module:attribute, such as app:app"
    ) as it:
        parse_target(text)
    assert "\n" not in str(it.value)
    assert ("name its folder with --app-dir" in str(it.value)) == ("/" in text or ".py" in text)


@pytest.mark.parametrize("path", ["/", "/items?a=1&b=%20", "/~x/(y)"])
def test_a_path_may_have_a_query(path: str) -> None:
    """What can stand in a request line is taken as it is."""
    assert parse_path(path) == path


@given(st.text().filter(lambda text: not text.startswith("/") or not text.isascii()))
def test_what_a_request_line_cannot_hold_is_refused(path: str) -> None:
    """Neither a relative path nor one that would have to be encoded first."""
    with pytest.raises(UsageError, match="--path: "):
        parse_path(path)


@pytest.mark.parametrize("path", ["/a b", "/a\r\nb", "/a\tb", "/a\x7f"])
def test_a_path_smuggles_nothing_in(path: str) -> None:
    """A space or a line end would change the request."""
    with pytest.raises(UsageError, match="--path: "):
        parse_path(path)


def test_methods_are_in_upper_case() -> None:
    """HTTP's methods are; whoever types `post` means POST."""
    assert parse_method("post") == "POST"
    for text in ("", "A B", "CONNECT"):
        with pytest.raises(UsageError, match="--method: "):
            parse_method(text)


def test_headers_keep_their_order_and_join_what_is_given_twice() -> None:
    """Lists are joined by commas and cookies by semicolons, whatever the case of the name."""
    texts = ("Accept:a", "Cookie: x=1", "accept:  b ", "X-Empty:", "cookie:y=2", "Host: a:80")
    assert parse_headers(texts) == {
        "Accept": "a, b",
        "Cookie": "x=1; y=2",
        "X-Empty": "",
        "Host": "a:80",
    }


@pytest.mark.parametrize("text", ["", "a", ":b", "a b: c", "a: b\r\nc: d", "a: \N{SNOWMAN}"])
def test_what_is_no_header_is_refused(text: str) -> None:
    """No name, no colon, or a value that a request can't hold."""
    with pytest.raises(UsageError, match=r"--header: .* must be NAME:VALUE"):
        parse_headers([text])


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("Content-Length", "asgi-bench sends it with every body: leave it out"),
        ("connection", "asgi-bench doesn't ask servers to close connections or to upgrade; "),
        (
            "Transfer-Encoding",
            "--chunked sends the body in chunks",
        ),
        ("Upgrade", "asgi-bench doesn't ask servers to upgrade; "),
        ("Expect", "asgi-bench sends bodies immediately and doesn't wait for a 100; "),
    ],
)
def test_framing_is_not_the_users(name: str, why: str) -> None:
    """A header that frames the request is refused with the true reason, and what to do instead."""
    with pytest.raises(UsageError) as refused:
        parse_headers([f"{name}: 1"])
    told = str(refused.value)
    assert told.startswith(f"--header: {name}: {why}")
    assert told.endswith((": leave it out", "; your own --locustfile can"))


def test_a_body_is_text_or_a_file(tmp_path: Path) -> None:
    """`@FILE` is read as bytes, whatever they are; anything else is the body itself."""
    (tmp_path / "body").write_bytes(b"\xff\x00")
    assert read_body("ä") == "ä".encode()
    assert read_body(f"@{tmp_path}/body") == b"\xff\x00"
    with pytest.raises(UsageError, match="--body: no/file: can't read it: No such file"):
        read_body("@no/file")


def test_the_scenario_bears_the_modules_name() -> None:
    """What is known of the request stands in it; what isn't is left to be learned."""
    own = OwnApp("my.asgi:app", Path("/x"), method="PUT", path="/a", headers={"A": "1"}, body=b"b")
    scenario = scenario_of(own)
    assert (scenario.name, scenario.app, scenario.method) == ("my.asgi", "my.asgi:app", "PUT")
    assert (scenario.path, scenario.headers, scenario.content) == ("/a", {"A": "1"}, b"b")
    assert (scenario.expect_status, scenario.expect_body, scenario.needs) == (0, None, ("asgi3",))
    assert scenario_of(OwnApp("a:b", Path("/x"), body=b"\xff")).content == b"\xff"
    stated = OwnApp("a:b", Path("/x"), expect_status=404, expect_pattern="x")
    assert scenario_of(stated).expect_status == 404
    assert scenario_of(stated).expect_pattern == "x"


def test_servers_start_where_the_command_did(tmp_path: Path) -> None:
    """Unless a module there would hide one of the app's folder; those of tools hide nothing."""
    src = tmp_path / "src"
    (src / "shop").mkdir(parents=True)
    for name in ("src/shop/__init__.py", "src/conftest.py", "conftest.py", "other.py"):
        (tmp_path / name).touch()
    assert working_folder(src, tmp_path) == tmp_path
    (tmp_path / "shop").mkdir()
    assert working_folder(src, tmp_path) == tmp_path
    (tmp_path / "shop.py").touch()
    assert working_folder(src, tmp_path) == src


def test_a_factory_is_served_by_the_shipped_module() -> None:
    """Servers are told of an app alone; the factory is named by a variable."""
    own = OwnApp("a:make", Path("/x"), is_factory=True)
    assert scenario_of(own).app == FACTORY_APP
    assert own.env == {FACTORY_VARIABLE: "a:make"}
    app_dir, factory = own.folders
    assert app_dir == "/x"
    assert [path.name for path in Path(factory).glob("*.py")] == ["asgi_bench_factory.py"]
    assert OwnApp("a:app", Path("/x")).folders == ("/x",)
    assert OwnApp("a:app", Path("/x")).env == {}


def test_an_app_below_an_attribute_is_served_by_a_module_of_ours() -> None:
    """Not every server follows dots: each is told the same, and finds the app by a variable."""
    own = OwnApp("shop:container.app", Path("/x"))
    assert scenario_of(own).app == ATTRIBUTE_APP
    assert own.env == {ATTRIBUTE_VARIABLE: "shop:container.app"}
    folder, attribute = own.folders
    assert folder == "/x"
    assert [path.name for path in Path(attribute).glob("*.py")] == ["asgi_bench_attribute.py"]


def test_a_conversation_is_not_pipelined() -> None:
    """A file of requests may hold one, which no flag tells: it is refused when it is read."""
    talk = WeightedRequest(name="talk", method="WS", messages=(Message(send="a"),))
    with pytest.raises(UsageError, match="--requests has WebSocket messages"):
        scenario_of(OwnApp("a:b", Path("/x"), requests=(talk,), pipeline=4))
