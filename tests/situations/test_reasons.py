"""Whole commands whose servers can't be measured: the reason is the app's own, and soon there."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from asgi_bench.machine.bounded_log import LIMIT_BYTES
from asgi_bench.serving import lifespan
from tests.command_line import Finished, in_process
from tests.situation import Said, situation

pytestmark = pytest.mark.slow

APP = """
import asyncio, os, sys, time

HOW = os.environ.get("HOW", "")
if HOW == "nested":
    async def load(): ...
    asyncio.run(load())
if HOW == "metrics":
    import socket
    metrics = socket.create_server(("127.0.0.1", int(os.environ["METRICS_PORT"])))
if HOW == "late":
    time.sleep(3)
if HOW == "slow" and "uvicorn" in sys.modules:
    # One piece of C that no other thread interrupts, as big models and schemas are loaded.
    sum(range(10**11))

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        if HOW == "told":
            await send({"type": "lifespan.startup.failed", "message": "no database"})
            return
        if HOW == "never":
            await asyncio.Event().wait()
        if HOW == "killed":
            os.kill(os.getpid(), 9)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    if HOW == "flood":
        sys.stderr.write("x" * 999_999 + chr(10))
    headers = [(b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok"})

class Container:
    app = app

container = Container
"""
KNOWN = ("--expect-status", "200", "--variant", "default")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the app above lies as `shop`."""
    (tmp_path / "shop.py").write_text(APP)
    return tmp_path


@pytest.fixture
def kept(folder: Path) -> Iterator[list[Finished]]:
    """Checks that failed; what they have kept goes with the test."""
    checks: list[Finished] = []
    yield checks
    for done in checks:
        shutil.rmtree(done.stderr.split()[-1])


@situation(
    "reasons",
    "The app's startup fails and says why (`lifespan.startup.failed`)",
    says="failed uvicorn/default/w1/shop: exited with code 3 before it was ready: "
    "ERROR: no database",
)
def test_the_apps_own_words_come_out_of_every_log(
    folder: Path, kept: list[Finished], said: Said
) -> None:
    """Four servers end at it, each in its own way; daphne and gunicorn's own worker serve on."""
    done = in_process("check", "shop:app", *KNOWN, "-w", "1", "--env", "HOW=told", folder=folder)
    kept.append(done)
    said(done.stdout)
    lines = {line.split()[1].partition("/")[0]: line for line in done.stdout.splitlines()[:-1]}
    assert len(lines) == 6
    for server, line in lines.items():
        served = server in ("daphne", "gunicorn-asgi")
        assert line.startswith("ok" if served else "failed"), line
        assert served or "no database" in line, line


@situation(
    "reasons",
    "The app calls `asyncio.run` on its import, and uvicorn imports it where a loop runs",
    says="its workers crash on start, … so far: RuntimeError: asyncio.run() cannot be called "
    "from a running event loop",
)
def test_a_crash_loop_is_told_at_once(folder: Path, kept: list[Finished], said: Said) -> None:
    """Not after the 30 s of the start-up time-out, nor with Python's warning as the reason."""
    began_s = time.monotonic()
    one = ("-s", "uvicorn", "-w", "2", "--env", "HOW=nested", "--startup-timeout", "60s")
    done = in_process("check", "shop:app", *KNOWN, *one, folder=folder)
    kept.append(done)
    said(done.stdout)
    assert time.monotonic() - began_s < 50


@situation(
    "reasons",
    "Each worker wants the same port for its metrics: one gets it, the others crash and come again",
    says="its workers crash on start, … so far: OSError: [Errno 98] Address already in use",
)
def test_one_worker_that_is_up_hides_no_crash_loop(
    folder: Path, kept: list[Finished], said: Said
) -> None:
    """The others' exception is the reason."""
    port = str(20_000 + time.time_ns() % 10_000)
    one = ("-s", "uvicorn", "-w", "2", "--env", "HOW=metrics", "--env", f"METRICS_PORT={port}")
    done = in_process("check", "shop:app", *KNOWN, *one, folder=folder)
    kept.append(done)
    said(done.stdout)


@situation(
    "reasons",
    "An import takes longer than uvicorn waits for a worker: it kills it, and starts another",
    says="not ready within 4 s: … of its workers ended and were replaced (--server-args "
    "'--timeout-worker-healthcheck SECONDS' gives them longer to start)",
)
def test_workers_replaced_in_silence_are_counted(
    folder: Path, kept: list[Finished], said: Said
) -> None:
    """How many, and the flag that helps."""
    one = ("-s", "uvicorn", "-w", "2", "--env", "HOW=slow", "--startup-timeout", "4s")
    args = ("--server-args", "--timeout-worker-healthcheck 1")
    done = in_process("check", "shop:app", *KNOWN, *one, *args, folder=folder)
    kept.append(done)
    said(done.stdout)


@situation(
    "reasons",
    "`--startup-timeout` is too short for the import of the app",
    says="APP shop:app: importing it took more than 0.5 s: allow longer with --startup-timeout",
)
def test_a_short_time_for_the_import_names_its_flag(folder: Path, said: Said) -> None:
    """The flag that was too short, before any server is started."""
    one = ("-s", "uvicorn", "-w", "1", "--env", "HOW=late", "--startup-timeout", "500ms")
    said(in_process("check", "shop:app", *KNOWN, *one, folder=folder).stderr)


@situation(
    "reasons",
    "A worker is killed as it starts, and its server ends without a word",
    says="failed uvicorn/default/w1/shop: was ended by SIGKILL before it was ready, without a "
    "message",
)
def test_a_killed_server_is_said_to_be_killed(
    folder: Path, kept: list[Finished], said: Said
) -> None:
    """The signal, and that its log is empty."""
    one = ("-s", "uvicorn", "-w", "1", "--env", "HOW=killed")
    done = in_process("check", "shop:app", *KNOWN, *one, folder=folder)
    kept.append(done)
    said(done.stdout)


@situation(
    "reasons",
    "The app's startup never completes, and its server never listens",
    says="not ready within 1 s: nothing listens on port …; the app's lifespan startup doesn't "
    "complete: run on its own it is still waiting after … s, in app (…/shop.py:…)",
)
def test_a_startup_that_never_completes_is_told(
    folder: Path, kept: list[Finished], said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The word lifespan, and where in the app it waits."""
    monkeypatch.setattr(lifespan, "PATIENCE_S", 0.5)
    one = ("-s", "uvicorn", "-w", "1", "--env", "HOW=never", "--startup-timeout", "1s")
    done = in_process("check", "shop:app", *KNOWN, *one, folder=folder)
    kept.append(done)
    said(done.stdout)


@situation(
    "reasons",
    "APP lies below an attribute, which gunicorn doesn't take",
    says="ok gunicorn-asgi/default/w1/shop",
)
def test_an_app_below_an_attribute_is_served(folder: Path, said: Said) -> None:
    """By every server alike."""
    one = ("-s", "gunicorn-asgi", "-w", "1")
    said(in_process("check", "shop:container.app", *KNOWN, *one, folder=folder).stdout)


@situation(
    "memory",
    "The app writes a megabyte into its server's log at each request",
    says="[asgi-bench cut … bytes here]",
)
def test_a_flood_of_words_fills_no_disk(folder: Path, said: Said) -> None:
    """The log keeps its two ends and says what was cut, as the trial does; all are measured."""
    done = in_process(
        *("run", "shop:app", *KNOWN, "-s", "uvicorn", "-w", "1", "--env", "HOW=flood"),
        *("--rounds", "1", "--duration", "300ms", "-c", "2"),
        folder=folder,
    )
    (trial,) = done.run.trials
    assert trial.log is not None
    log = done.run_folder / trial.log
    assert log.stat().st_size <= LIMIT_BYTES
    assert trial.log_bytes_cut > trial.requests * 500_000 > 0
    said(log.read_text()[-LIMIT_BYTES:])
