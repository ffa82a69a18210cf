"""The line of a log that says why: out of what real servers and loggers write."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_bench.log_reasons import LONGEST, Rank, exceptions_in, reason_in
from tests.situation import Said, situation


def log(text: str) -> str:
    """A log as it stands here, without the margin."""
    lines = text.strip("\n").splitlines()
    margin = len(lines[0]) - len(lines[0].lstrip())
    return "".join(f"{line[margin:]}\n" for line in lines)


HYPERCORN_TRIO = log("""
    Process SpawnProcess-1:
      + Exception Group Traceback (most recent call last):
      |   File "multiprocessing/process.py", line 314, in _bootstrap
      |     self.run()
      | ExceptionGroup: Exceptions from Trio nursery (1 sub-exception)
      +-+---------------- 1 ----------------
        | Traceback (most recent call last):
        |   File "app.py", line 11, in app
        |     await send(message)
        |           ^^^^^^^^^^^^^
        | hypercorn.utils.LifespanFailureError: Lifespan failure in startup. 'no database'
        +------------------------------------
""")
GUNICORN_UVICORN = log("""
    [2026-11-29 17:14:56 +0000] [14586] [ERROR] no database
    [2026-11-29 17:14:56 +0000] [14586] [ERROR] Application startup failed. Exiting.
    [2026-11-29 17:14:57 +0000] [14578] [ERROR] Worker (pid:14586) exited with code 3.
    [2026-11-29 17:14:57 +0000] [14578] [ERROR] Shutting down: Master
    [2026-11-29 17:14:57 +0000] [14578] [ERROR] Reason: Worker failed to boot.
""")
GRANIAN = log("""
    [ERROR] no database
    [ERROR] ASGI lifespan startup failed
    [ERROR] Unexpected exit from worker-1
""")
UVICORN = log("""
    ERROR:    no database
    ERROR:    Application startup failed. Exiting.
    ERROR:    Child process [14420] failed to start, stopping the parent process.
""")
UVICORN_STARLETTE = log("""
    ERROR:    Traceback (most recent call last):
      File "app.py", line 15, in lifespan
        await connect()
    ConnectionRefusedError: [Errno 111] Connect call failed ('127.0.0.1', 5432)

    ERROR:    Application startup failed. Exiting.
""")
NESTED_RUN = log("""
    Process SpawnProcess-1:
    Traceback (most recent call last):
      File "asyncio/runners.py", line 186, in run
        raise RuntimeError(
    RuntimeError: asyncio.run() cannot be called from a running event loop
    <frozen importlib._bootstrap>:241: RuntimeWarning: coroutine '_load' was never awaited
    RuntimeWarning: Enable tracemalloc to get the object allocation traceback
    sys:1: RuntimeWarning: coroutine 'Server.serve' was never awaited
""")
SETTINGS = log("""
    Traceback (most recent call last):
      File "app.py", line 3, in <module>
        settings = Settings()
    pydantic_core.ValidationError: 2 validation errors for Settings
    database_url
      Field required [type=missing, input_value={}, input_type=dict]
    secret
      Field required [type=missing, input_value={}, input_type=dict]
    ERROR:    Application startup failed. Exiting.
""")
STRUCTURED = (
    '{"event": "starting", "level": "info"}\n'
    '{"event": "failed", "level": "error", "exception": "Traceback (most recent call last):\\n'
    '  File \\"app.py\\", line 5, in lifespan\\n    connect()\\nOSError: no route to db\\n"}\n'
    '{"event": "bye", "level": "info"}\n'
)
LOGURU = log("""
    2026-11-29 17:40:00.123 | ERROR    | app:lifespan:9 - could not start
    Traceback (most recent call last):

    > File "app.py", line 7, in lifespan
        connect(url)
        │       └ 'postgres://db'
        └ <function connect at 0x7f>

    TimeoutError: no answer from db within 5 s
    2026-11-29 17:40:00.200 | INFO     | app:shutdown:12 - bye
""")
RICH = log("""
    ╭─────────── Traceback (most recent call last) ───────────╮
    │ app.py:7 in lifespan                                     │
    │ ❱ 7     connect(url)                                     │
    ╰──────────────────────────────────────────────────────────╯
    KeyError: 'DATABASE_URL'
    ERROR:    Application startup failed. Exiting.
""")
OUT_OF_MEMORY = log("""
    [2026-11-29 17:16:51 +0000] [7] [ERROR] Worker (pid:77) was sent SIGKILL! Perhaps out of memory?
    [2026-11-29 17:16:51 +0000] [16675] [ERROR] Worker (pid:16678) exited with code 7.
""")
PORT_OF_METRICS = log("""
    Traceback (most recent call last):
      File "app.py", line 2, in <module>
        start_http_server(9090)
    OSError: [Errno 98] Address already in use

    The above exception was the direct cause of the following exception:

    Traceback (most recent call last):
      File "app.py", line 4, in <module>
        raise SettingsError("metrics need a port of their own") from error
    app.SettingsError: metrics need a port of their own
    Exception ignored in: <function Pool.__del__ at 0x7f>
    Traceback (most recent call last):
      File "pool.py", line 9, in __del__
        self.close()
    AttributeError: 'Pool' object has no attribute 'close'
""")
PANIC = log("""
    thread 'tokio-runtime-worker' panicked at src/workers.rs:88:14:
    called `Result::unwrap()` on an `Err` value: Os { code: 24, message: "Too many open files" }
    note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace
    [ERROR] Unexpected exit from worker-1
""")
SEGFAULT = log("""
    Fatal Python error: Segmentation fault

    Current thread 0x00007f (most recent call first):
      File "app.py", line 3 in <module>

    Extension modules: uvloop.loop, httptools.parser.parser (total: 2)
""")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param(HYPERCORN_TRIO, "Lifespan failure in startup. 'no database'", id="group"),
        pytest.param(GUNICORN_UVICORN, "[ERROR] no database", id="gunicorn"),
        pytest.param(GRANIAN, "[ERROR] no database", id="granian"),
        pytest.param(UVICORN, "ERROR:    no database", id="uvicorn"),
        pytest.param(UVICORN_STARLETTE, "Connect call failed ('127.0.0.1', 5432)", id="starlette"),
        pytest.param(NESTED_RUN, "cannot be called from a running event loop", id="warnings"),
        pytest.param(SETTINGS, "Settings / database_url / Field required [type=mis", id="pydantic"),
        pytest.param(STRUCTURED, "OSError: no route to db", id="json"),
        pytest.param(LOGURU, "TimeoutError: no answer from db within 5 s", id="loguru"),
        pytest.param(RICH, "KeyError: 'DATABASE_URL'", id="rich"),
        pytest.param(OUT_OF_MEMORY, "was sent SIGKILL! Perhaps out of memory?", id="killed"),
        pytest.param(PORT_OF_METRICS, "app.SettingsError: metrics need a port", id="chained"),
        pytest.param(PANIC, "Os { code: 24", id="panic"),
        pytest.param(SEGFAULT, "Fatal Python error: Segmentation fault", id="fatal"),
        pytest.param("no config\n[ERROR] Unexpected exit from worker-1\n", "no config", id="exit"),
    ],
)
def test_the_line_that_says_why(text: str, reason: str) -> None:
    """The app's own words, whatever the server, the logger and Python have put around them."""
    found = reason_in(text)
    assert found is not None
    assert reason in found


@situation(
    "reasons",
    "The app's startup fails under hypercorn's trio worker, whose log ends in `+-----`",
    says="hypercorn.utils.LifespanFailureError: Lifespan failure in startup. 'no database'",
)
def test_frames_of_exception_groups_are_no_reason(said: Said) -> None:
    """Of an exception group the exception within it is told, in one line."""
    said(reason_in(HYPERCORN_TRIO) or "")


@situation(
    "reasons",
    "Settings are missing: pydantic's message has several lines, and the server's words follow it",
    says="pydantic_core.ValidationError: 2 validation errors for Settings / database_url / "
    "Field required",
)
def test_a_message_of_several_lines_is_quoted_with_them(said: Said) -> None:
    """The lines that name what is missing belong to the exception."""
    said(reason_in(SETTINGS) or "")


@situation(
    "reasons",
    "The app logs as JSON (structlog): its traceback stands escaped within one line",
    says="OSError: no route to db",
)
def test_structured_logs_are_read(said: Said) -> None:
    """The exception within a line of JSON is the reason, not the line."""
    said(reason_in(STRUCTURED) or "")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", None),
        ("\n \n\t\n", None),
        ("one\ntwo\n", "two"),
        ("one\r\ntwo  \r\n\r\n", "two"),
        ("\x1b[31mERROR\x1b[0m: bad\n\x1b[0m\n", "ERROR: bad"),
        ("y" * 1000 + "\n", "y" * (LONGEST - 1) + "…"),
        ("{not json\n", "{not json"),
        ('{"pid": 3}\n', '{"pid": 3}'),
        ("[1, 2]\n", "[1, 2]"),
        ("Traceback (most recent call last):\n", None),
        ("2026-11-29 17:40:00,123 ERROR    no database\n", "ERROR    no database"),
    ],
)
def test_without_a_cause_the_last_words_do(text: str, reason: str | None) -> None:
    """The last line that says something, plain and short; nothing where there is none."""
    assert reason_in(text) == reason


def test_what_a_stop_makes_of_tasks_is_no_reason() -> None:
    """A cancelled task and an exit by number come after the cause."""
    ends = ["asyncio.exceptions.CancelledError", "SystemExit: 3", "KeyboardInterrupt"]
    told = "ERROR: no database\n" + "".join(_traceback(end) for end in ends)
    assert reason_in(told) == "ERROR: no database"
    assert exceptions_in(told) == []


def test_printed_words_are_no_reason_for_a_wrong_answer() -> None:
    """Where an error is asked for, what was printed or told of the start is not quoted."""
    assert reason_in("INFO: ready\nloading model\n", Rank.ERROR) is None
    assert reason_in("loading\n" + _traceback("KeyError: 'x'"), Rank.ERROR) == "KeyError: 'x'"


def test_exceptions_are_told_in_their_order() -> None:
    """A server that starts its workers again and again has told each time why they end."""
    told = exceptions_in(_traceback("ValueError: 1") + "INFO: again\n" + _traceback("OSError: 2"))
    assert told == ["ValueError: 1", "OSError: 2"]


@given(st.lists(st.text(st.characters(codec="utf-8")), max_size=20))
def test_any_log_is_read(lines: Iterable[str]) -> None:
    """Whatever a log holds, its reason is one short line, or none."""
    reason = reason_in("\n".join(lines))
    assert reason is None or (0 < len(reason) <= LONGEST and len(reason.splitlines()) == 1)


def _traceback(end: str) -> str:
    return f'Traceback (most recent call last):\n  File "app.py", line 1, in app\n    x()\n{end}\n'
