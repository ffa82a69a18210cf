"""What was asked for is what ran: proven from inside, and invalid where it isn't so."""

from pathlib import Path

import pytest

from tests.command_line import Finished, command, in_process
from tests.situation import Said, situation

pytestmark = pytest.mark.slow

SHORT = ("--rounds", "1", "--duration", "100ms", "-c", "8")
ONE_UVICORN = ("-s", "uvicorn", "--variant", "default", "-w", "1")
ONE_HYPERCORN = ("-s", "hypercorn", "--variant", "default", "-w", "1")
APP = """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            started()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


def started():
    pass
"""
POLICY = """
import asyncio
import warnings

import uvloop

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
"""
DEBUG = """
import asyncio


def started():
    asyncio.get_running_loop().set_debug(True)
"""
TRACED = """
import tracemalloc

tracemalloc.start()
"""
# Serves where a server starts it alone, without what Python would take from the environment.
UNTOUCHED = """
import os
import sys

NAMES = {"PYTHONHASHSEED", "PYTHONOPTIMIZE", "PYTHON_CPU_COUNT"}.intersection(os.environ)
if "uvicorn" in sys.modules and NAMES:
    raise RuntimeError(f"started with {NAMES}")
"""
# It states its own worker count, so asgi-bench may start it with one worker alone.
OWN_RUNNER = """
command = ["{python}", "-I", "-S", "{here}/server.py", "{port}", "--workers", "3"]
"""
OWN_GUNICORN = """
command = ["{python}", "-m", "gunicorn", "{app}", "--worker-class", "asgi",
           "--bind", "{host}:{port}", "--no-control-socket"]
"""
SERVER = Path(__file__).resolve().parents[1] / "servers" / "server.py"


def _text(done: Finished) -> str:
    assert done.code == 0, done.stderr
    return done.stdout


@situation(
    "asked",
    "`run -w 1 --server-args '--workers 4'`: the flag that is passed on overrides the worker count",
    says="invalid uvicorn/default/w1/hello/c8: asked for 1 worker, but 4 serve: something else "
    "sets the worker count too; set it only with --workers",
)
def test_more_workers_than_asked_for_are_invalid(said: Said, tmp_path: Path) -> None:
    """Whether they are up when the server answers first or not, all that serve are counted."""
    done = in_process(
        *("run", *ONE_UVICORN, *SHORT, "--server-args", "--workers 4"), folder=tmp_path
    )
    said(_text(done))
    (trial,) = done.run.trials
    assert (trial.validity, trial.workers_serving) == ("invalid", 4)


@situation(
    "asked",
    "A runner file of your own states a worker count in its command, whatever `-w` says",
    says="invalid mine/default/w1/hello/c8: asked for 1 worker, but 3 serve",
)
def test_a_runner_that_states_its_own_count_is_invalid(said: Said, tmp_path: Path) -> None:
    """The app is none that could tell, so the measured processes are looked at themselves."""
    (tmp_path / "mine.toml").write_text(OWN_RUNNER)
    (tmp_path / "server.py").write_text(SERVER.read_text())
    done = in_process(
        *("run", "--runners", str(tmp_path), "-s", "mine", "-w", "1", *SHORT), folder=tmp_path
    )
    said(_text(done))


@situation(
    "asked",
    "A `gunicorn.conf.py` in your app's folder sets the workers, and your runner file reads it",
    says="asked for 1 worker, … serve",
)
def test_a_file_that_a_server_reads_by_itself_is_seen(said: Said, tmp_path: Path) -> None:
    """A check says it before anything is measured."""
    (tmp_path / "mine.toml").write_text(OWN_GUNICORN)
    (tmp_path / "gunicorn.conf.py").write_text("workers = 3\n")
    (tmp_path / "shop.py").write_text(APP)
    done = in_process(
        *("check", "shop:app", "--runners", str(tmp_path), "-s", "mine", "-w", "1"),
        folder=tmp_path,
    )
    assert done.code == 1
    said(done.stdout)


@situation(
    "asked",
    "The app sets an event loop policy when it is imported, and the server obeys it",
    says="invalid hypercorn/default/w1/shop/c8: what ran is not what was requested: the app "
    "changes its loop: uvloop.Loop instead of asyncio.unix_events._UnixSelectorEventLoop",
)
def test_a_loop_policy_of_the_app_is_seen(said: Said, tmp_path: Path) -> None:
    """The proof has the app in its process, and what differs with it and without is its doing."""
    (tmp_path / "shop.py").write_text(POLICY + APP)
    done = in_process("run", "shop:app", *ONE_HYPERCORN, *SHORT, folder=tmp_path)
    said(_text(done))
    (proof,) = done.run.proofs
    assert (proof.loop, proof.fault) == ("uvloop.Loop", None)
    assert [trial.validity for trial in done.run.trials] == ["invalid"]


@situation(
    "asked",
    "The app changes the event loop, and `--server-args` leaves it open which one was meant",
    says="failed hypercorn/default/w1/shop: the app changes its loop: uvloop.Loop instead of "
    "asyncio.unix_events._UnixSelectorEventLoop",
)
def test_flags_of_the_users_hide_no_loop(said: Said, tmp_path: Path) -> None:
    """Where nothing is stated the server is asked with the app and without it."""
    (tmp_path / "shop.py").write_text(POLICY + APP)
    done = in_process(
        *("check", "shop:app", *ONE_HYPERCORN, "--server-args", "--read-timeout 60"),
        folder=tmp_path,
    )
    assert done.code == 1
    said(done.stdout)


@situation(
    "asked",
    "The app turns on asyncio's debug mode when it starts",
    says="failed uvicorn/default/w1/shop: it runs with asyncio's debug mode",
)
def test_a_debug_mode_of_the_app_is_seen(said: Said, tmp_path: Path) -> None:
    """It begins with the app's lifespan, so that has to run in the proof as well."""
    (tmp_path / "shop.py").write_text(APP + DEBUG)
    done = in_process("check", "shop:app", *ONE_UVICORN, folder=tmp_path)
    assert done.code == 1
    said(done.stdout)


@situation(
    "asked",
    "A `sitecustomize` on your PYTHONPATH traces every allocation",
    says="failed uvicorn/default/w1/hello: it runs with tracemalloc",
)
def test_a_sitecustomize_that_traces_is_seen(said: Said, tmp_path: Path) -> None:
    """Whatever turned it on, and with the shipped app too."""
    (tmp_path / "sitecustomize.py").write_text(TRACED)
    done = command(
        *("check", *ONE_UVICORN, "--scenario", "hello"),
        folder=tmp_path,
        env={"PYTHONPATH": str(tmp_path)},
    )
    assert done.code == 1
    said(done.stdout)


@situation(
    "asked",
    "tox or your shell sets PYTHONHASHSEED or PYTHONOPTIMIZE for everything that it starts",
    says="ok uvicorn/default/w1/shop: uvloop.Loop",
)
def test_pythons_own_variables_stay_away(said: Said, tmp_path: Path) -> None:
    """A fixed hash seed would be that of all rounds, and each start is to draw its own."""
    (tmp_path / "shop.py").write_text(UNTOUCHED + APP)
    done = command(
        *("check", "shop:app", *ONE_UVICORN),
        folder=tmp_path,
        env={"PYTHONHASHSEED": "0", "PYTHONOPTIMIZE": "1", "PYTHON_CPU_COUNT": "1"},
    )
    said(_text(done))
