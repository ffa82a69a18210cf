"""Apps that can't be measured: said once, in the user's own terms, before any server is started."""

from pathlib import Path

import pytest

from asgi_bench.errors import ExitCode
from tests.command_line import in_process

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("verb", ["run", "check"])
def test_a_traceback_is_shown_once_for_all_servers(tmp_path: Path, verb: str) -> None:
    """Exit code 2, the app's own traceback, then one line; nothing on stdout, nothing stored."""
    (tmp_path / "app.py").write_text("import json\njson.loads('nonsense')\n")
    finished = in_process(verb, "app:app", folder=tmp_path)
    assert finished.code == ExitCode.USAGE
    assert finished.stdout == ""
    *traceback, line = finished.stderr.splitlines()
    assert finished.stderr.count("Traceback (most recent call last)") == 1
    assert traceback[0] == "Traceback (most recent call last):"
    assert f'File "{tmp_path}/app.py", line 2, in <module>' in traceback[1]
    assert line.startswith("asgi-bench: APP app:app can't be imported: json.decoder.JSONDecodeErr")
    assert not list((tmp_path / "results").glob("*Z*"))


def test_the_current_folder_is_where_an_app_comes_from(tmp_path: Path) -> None:
    """Without `--app-dir`; the attribute that is missing is named, with those there are."""
    (tmp_path / "app.py").write_text("async def other(scope, receive, send): ...\n")
    finished = in_process("run", "app:app", "--dry-run", folder=tmp_path)
    assert finished.code == ExitCode.USAGE
    assert finished.stderr == (
        "asgi-bench: APP app:app: module 'app' has no attribute 'app'; it has: other\n"
    )
    finished = in_process("run", "app:other", "--dry-run", "-s", "uvicorn", folder=tmp_path)
    assert finished.code == ExitCode.OK
    assert finished.stdout.startswith("uvicorn/default/w1/app/c64: ")


FAILING = """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        raise NotImplementedError
    if scope["path"] == "/raises":
        raise KeyError("the app's own fault")
    headers = [(b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 404, "headers": headers})
    await send({"type": "http.response.body"})
"""
ONE_SERVER = ("-s", "uvicorn", "--variant", "default", "-w", "1")


def test_an_error_for_an_answer_is_the_users_to_mend(tmp_path: Path) -> None:
    """A status that isn't 2xx ends it before load; a server's word on a 500 is shown once."""
    (tmp_path / "app.py").write_text(FAILING)
    finished = in_process("check", "app:app", "--path", "/x", *ONE_SERVER, folder=tmp_path)
    assert finished.code == ExitCode.USAGE
    assert finished.stderr.startswith("asgi-bench: APP: GET /x is answered with status 404 (")
    finished = in_process("check", "app:app", "--path", "/raises", *ONE_SERVER, folder=tmp_path)
    assert finished.code == ExitCode.USAGE
    assert 'KeyError: "the app\'s own fault"' in finished.stderr
    assert "is answered with status 500" in finished.stderr.splitlines()[-1]


def test_a_status_that_is_stated_is_right(tmp_path: Path) -> None:
    """With `--expect-status 404` a 404 is what counts as correct, and nothing else of it."""
    (tmp_path / "app.py").write_text(FAILING)
    finished = in_process(
        "check", "app:app", "--expect-status", "404", *ONE_SERVER, folder=tmp_path
    )
    assert finished.code == ExitCode.OK, finished.stdout
    assert finished.stdout.startswith("ok       uvicorn/default/w1/app: ")


def test_an_app_that_cannot_start_is_said_once(tmp_path: Path) -> None:
    """What it fails with when its lifespan begins is shown once, with the server that told it."""
    (tmp_path / "app.py").write_text(
        "async def app(scope, receive, send):\n"
        "    await receive()\n"
        "    await send({'type': 'lifespan.startup.failed', 'message': 'no database'})\n"
    )
    finished = in_process("check", "app:app", *ONE_SERVER, folder=tmp_path)
    assert finished.code == ExitCode.FAILED
    *log, line = finished.stderr.splitlines()
    assert line.startswith("asgi-bench: no server could serve the app; uvicorn/default/w1/app: ")
    assert sum("no database" in text for text in log) == 1
