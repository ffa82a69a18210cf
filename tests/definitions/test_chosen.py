"""Which servers a selection means."""

import msgspec
import pytest

from asgi_bench.definitions.chosen import chosen_servers
from asgi_bench.definitions.servers import Server, Variant
from asgi_bench.errors import UsageError


def _server(name: str, **facts: object) -> Server:
    plain = Server(name=name, here="/", command=("serve",), workers="single")
    return msgspec.structs.replace(plain, **facts)


SERVERS = {
    one.name: one
    for one in (
        _server(
            "fast",
            requires=("Fast[all]>=2; python_version > '3'", "other"),
            distribution="fast",
            variants={"default": Variant("default", requires=("fast[loop]",))},
        ),
        _server("lone", environment="own", distribution="lone", pins=("lone==1.0", "need==3")),
        _server("plain"),
    )
}


@pytest.mark.parametrize(
    ("globs", "names"),
    [
        ((), ["fast", "plain"]),
        (("*",), ["fast", "lone", "plain"]),
        (("lone",), ["lone"]),
        (("plain", "fast==1.5", "fast", "fast==1.4"), ["fast", "fast==1.5", "fast==1.4", "plain"]),
        (("fast == 1.5",), ["fast==1.5"]),
    ],
)
def test_globs_and_pins_are_found(globs: tuple[str, ...], names: list[str]) -> None:
    """What is named, in the servers' order; without a name what is installed together."""
    assert [server.name for server in chosen_servers(globs, SERVERS)] == names


def test_a_pin_replaces_what_a_runner_file_requires() -> None:
    """Extras and markers stay; the pins are of another version, and go."""
    (pinned,) = chosen_servers(("fast==1.5",), SERVERS)
    assert pinned.requires[:2] == ('Fast[all]==1.5; python_version > "3"', "other")
    assert "fast==1.5" in pinned.requires
    assert pinned.variants["default"].requires == ("fast[loop]==1.5",)
    assert pinned.pinned_version == "1.5"
    (lone,) = chosen_servers(("lone==0.9",), SERVERS)
    assert (lone.requires, lone.pins) == (("lone==0.9",), ())


@pytest.mark.parametrize(
    ("glob", "words"),
    [
        ("nobody", "--server 'nobody' matches nothing; available: fast, lone, plain"),
        (
            "nobody==1",
            "--server 'nobody==1' matches no server to pin; available: fast, lone, plain",
        ),
        ("plain==1", "--server 'plain==1' can't be pinned: its runner file names no distribution"),
        ("fast==1.*", "--server 'fast==1.*': '1.*' is not a version"),
    ],
)
def test_what_means_nothing_is_named(glob: str, words: str) -> None:
    """One line with what was given and what there is."""
    with pytest.raises(UsageError) as fault:
        chosen_servers((glob,), SERVERS)
    assert str(fault.value) == words
