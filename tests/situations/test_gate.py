"""Gates on real servers: what differs between two sides or runs, and what is slower, is said."""

import sys

import pytest

from tests.command_line import Finished, in_process
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
    if SERVED % 1500 == 0:
        # As a collection of garbage stops it.
        time.sleep(0.2)
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
        *("--min-change", "30%"),
        *("-c", "16", "--duration", "200ms", "--rounds", "6", "--budget", "180s"),
        folder=folder,
    )


@situation(
    "gate",
    "Every 1,500th request of the candidate takes 200 ms",
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


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Two runs of an app that was edited in between, the second with two more variables."""
    folder = tmp_path_factory.mktemp("compared")
    uvicorn = ("run", "shop:app", "-s", "uvicorn", "--variant", "default", "-w", "1")
    quick = ("-c", "4", "--rounds", "1", "--duration", "100ms")
    shop = folder / "shop.py"
    runs = []
    with pytest.MonkeyPatch.context() as patch:
        for source in (SHOP, SHOP.replace('b"ok"', 'b"OK"')):
            shop.write_text(source)
            runs.append(in_process(*uvicorn, *quick, folder=folder).run_folder)
            patch.setenv("CHECKOUT_FLAGS", "hush")
            patch.setenv("MALLOC_ARENA_MAX", "2")
    assert "hush" not in (runs[1] / "run.json").read_text()
    return in_process("compare", *map(str, runs), folder=folder)


@situation(
    "gate",
    "A variable of the shell was set in one of two runs that are compared",
    says="environment CHECKOUT_FLAGS none → set environment MALLOC_ARENA_MAX none → 2",
)
def test_a_variable_in_one_of_two_runs_is_told(compared: Finished, said: Said) -> None:
    """`compare` names every variable that reached the servers of one run alone."""
    said(compared.stdout)


@situation(
    "gate",
    "The app was edited between two runs that are compared, and nothing was committed",
    says="What differs module shop … → … environment",
)
def test_an_edited_app_is_told(compared: Finished, said: Said) -> None:
    """`compare` names the modules of the app that hold something else."""
    said(compared.stdout)
