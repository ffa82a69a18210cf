import unicodedata

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_bench.model import (
    CPU_LIMIT,
    MEMORY_LIMIT,
    ClosedLoop,
    Load,
    Objective,
    OpenLoop,
    RateSweep,
)
from asgi_bench.reporting.wording import (
    latency_words,
    load_words,
    machine_words,
    objective_words,
    offered_words,
    plain,
    shortened,
    workers_words,
)
from tests.synthetic_run import MACHINE

replace = msgspec.structs.replace


@given(st.text())
def test_plain_text_is_one_harmless_line(text: str) -> None:
    """No control or format character survives, so no line drives a terminal or hides text."""
    found = plain(text)
    assert not any(
        unicodedata.category(letter).startswith(("Cc", "Cf", "Z"))
        for letter in found
        if letter != " "
    )
    assert found == found.strip()


def test_colours_of_a_log_line_vanish_whole() -> None:
    """An escape sequence goes with its parameters, and the words around it stay."""
    assert plain("\x1b[31;1mOSError\x1b[0m:\tin\r\nuse\x07") == "OSError: in use"


@pytest.mark.parametrize(
    "sequence",
    [
        "\x1b]0;title\x07",
        "\x1b]8;;https://evil.example\x1b\\",
        "\x1bPq#0\x1b\\",
        "\x1b_kitty\x1b\\",
    ],
)
def test_strings_for_the_terminal_vanish_whole(sequence: str) -> None:
    """A title or a link's address goes with its end, be that a bell or what ECMA-48 has for it."""
    assert plain(f"no {sequence}such app") == "no such app"
    # Without an end it's text that does nothing.
    assert plain(sequence[:4]).isprintable()


@pytest.mark.parametrize(
    ("load", "words"),
    [
        (ClosedLoop(64), "closed loop, 64 connections"),
        (ClosedLoop(1), "closed loop, 1 connection"),
        (OpenLoop(500), "open loop, 500 requests/s, Poisson, up to 256 connections"),
        (
            OpenLoop(None, rate_share=0.5, arrivals="constant", connections=8),
            "open loop, 50% of each server's own throughput, evenly spaced, up to 8 connections",
        ),
        (
            RateSweep((0.2, 0.9)),
            "open loop, sweep from 20% to 90% of each server's own throughput, Poisson, "
            "up to 256 connections",
        ),
    ],
)
def test_load_in_words(load: Load, words: str) -> None:
    """Loop, rate and connections are said."""
    assert load_words(load) == words


def test_latency_of_a_closed_loop_is_labelled() -> None:
    """Response times at saturation are called that; those of an open loop aren't."""
    assert "at saturation" in latency_words(ClosedLoop(64))
    assert "saturation" not in latency_words(OpenLoop(500))


def test_machine_in_words_lacks_its_name() -> None:
    """The machine is described; its host name stays in the file."""
    words = machine_words(MACHINE)
    for part in ("AMD EPYC 7763", "2 CPUs", "7.75 GiB", "kvm", "Debian", "6.1.0-44", "3.11.2"):
        assert part in words
    assert MACHINE.hostname not in words


def test_what_control_groups_allow_stands_beside_the_machine() -> None:
    """Of CPUs and of memory; without a limit nothing is said."""
    limits = {CPU_LIMIT: "0.5 CPUs", MEMORY_LIMIT: "1 GiB"}
    limited = replace(MACHINE, details={**MACHINE.details, **limits})
    assert "2 CPUs (quota 0.5 CPUs) · 7.75 GiB (limit 1 GiB)" in machine_words(limited)
    assert "(" not in machine_words(replace(MACHINE, details={})).partition("·")[0]


def test_worker_counts_in_words() -> None:
    """One is singular, several are listed once each."""
    assert workers_words([1]) == "1 worker"
    assert workers_words([2]) == "2 workers"
    assert workers_words([2, 1, 2]) == "1 and 2 workers"
    assert workers_words([1, 2, 4]) == "1, 2 and 4 workers"


def test_shortened_text_marks_its_cut() -> None:
    """A text that fits stays, a longer one ends in an ellipsis within the limit."""
    assert shortened("uvicorn", 7) == "uvicorn"
    assert shortened("uvicorn", 5) == "uvic…"


def test_objective_in_words() -> None:
    """As it was given: the percentile and the time."""
    assert objective_words(Objective(0.99, 0.01)) == "p99 ≤ 10 ms"
    assert objective_words(Objective(0.999, 250e-6)) == "p99.9 ≤ 0.25 ms"


def test_kinds_of_load_in_words() -> None:
    """Each kind has a word of its own, and its rate or count."""
    loads = (ClosedLoop(8), OpenLoop(500), RateSweep((0.2, 0.9)))
    assert [load.kind for load in loads] == ["closed loop", "open loop", "sweep"]
    assert [offered_words(load) for load in loads] == [
        "8 connections",
        "500 requests/s",
        "sweep from 20% to 90% of each server's own throughput",
    ]
