"""Gates on real servers: what differs between two sides or runs, and what is slower, is said."""

import sys
from pathlib import Path

import pytest

from tests.command_line import TINY, Finished, in_process
from tests.situation import Said, situation

pytestmark = pytest.mark.slow

SHOP = """
import time

SERVED = 0

async def app(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError
    head = [(b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": b"ok"})

async def stalling(scope, receive, send):
    global SERVED
    SERVED += 1
    if SERVED % 500 == 0:
        # As a collection of garbage stops it.
        time.sleep(0.05)
    await app(scope, receive, send)
"""
WRAPPED = """#!/bin/sh
export MALLOC_ARENA_MAX=1 SESSION_SECRET=hush
exec {python} "$@"
"""


@pytest.fixture(scope="module")
def stalling(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """An A/B whose candidate has another app, loop and interpreter, and stalls now and then."""
    folder = tmp_path_factory.mktemp("stalling")
    (folder / "shop.py").write_text(SHOP)
    wrapped = folder / "wrapped-python"
    wrapped.write_text(WRAPPED.format(python=sys.executable))
    wrapped.chmod(0o755)
    return in_process(
        *("ab", "shop:app", "--candidate-app", "shop:stalling", "--expect-status", "200"),
        *("--candidate-args=--loop=asyncio", "--candidate", str(wrapped)),
        # So that no neighbour on the machine makes it invalid.
        *("--min-change", "50%"),
        *("-c", "16", "--duration", "200ms", "--rounds", "6", "--budget", "180s"),
        folder=folder,
    )


@situation(
    "gate",
    "Every 500th request of the candidate takes 50 ms",
    says="regression: uvicorn/default/w1/shop/c16: it stalls: … % slower over all slices (… % to "
    "… %), … in the typical one; … of its … slices took more than 5 times the median, … % of the "
    "whole",
)
def test_a_stalling_candidate_is_a_regression(stalling: Finished, said: Said) -> None:
    """Exit code 3, and words that say how it stalls."""
    assert stalling.code == 3, stalling.stderr
    said(stalling.stdout)


@situation(
    "gate",
    "`ab --candidate-app`: the candidate is another app than the one that was named for both",
    says="What differs app shop:app → shop:stalling",
)
def test_both_apps_are_named(stalling: Finished, said: Said) -> None:
    """Also the one that no flag of the baseline names."""
    said(stalling.stdout)


@situation(
    "gate",
    "`ab --candidate-args`: flags of the candidate change its event loop",
    says="loop uvloop.Loop → asyncio.unix_events._UnixSelectorEventLoop",
)
def test_what_ran_is_told_on_both_sides(stalling: Finished, said: Said) -> None:
    """Beside the flags stands what they made of the server."""
    assert "server flags none → --loop=asyncio" in stalling.stdout
    said(stalling.stdout)


@situation(
    "gate",
    "The candidate's interpreter is a script that sets variables before it starts Python",
    says="variable MALLOC_ARENA_MAX none → 1 variable SESSION_SECRET none → set",
)
def test_variables_of_one_side_are_told(stalling: Finished, said: Said) -> None:
    """By name, with values of those that hold no secret."""
    assert "hush" not in stalling.stdout
    assert not any("hush" in path.read_text() for path in stalling.folder.rglob("*.json"))
    said(stalling.stdout)


@situation(
    "gate",
    "A variable of the shell was set in one of two runs that are compared",
    says="What differs environment CHECKOUT_FLAGS none → set environment MALLOC_ARENA_MAX none → 2",
)
def test_a_variable_in_one_of_two_runs_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: Said
) -> None:
    """`compare` names every variable that reached the servers of one run alone."""

    def run() -> Finished:
        return in_process(
            *("run", *TINY, "-c", "4", "--rounds", "1", "--duration", "100ms"), folder=tmp_path
        )

    before = run()
    monkeypatch.setenv("CHECKOUT_FLAGS", "hush")
    monkeypatch.setenv("MALLOC_ARENA_MAX", "2")
    after = run()
    runs = (before.run_folder, after.run_folder)
    assert "hush" not in (after.run_folder / "run.json").read_text()
    said(in_process("compare", *map(str, runs), folder=tmp_path).stdout)
