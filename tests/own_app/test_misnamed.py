"""A fast part that is silently missing: the cell is not what its name says, and fails."""

from pathlib import Path

import pytest

from asgi_bench.errors import ExitCode
from asgi_bench.store.runs import read_proofs
from tests.command_line import Finished, in_process


def _without(folder: Path, module: str) -> tuple[str, ...]:
    """Flags under which a module can't be imported, though it's installed as well as ever."""
    hidden = folder / "hidden"
    hidden.mkdir()
    (hidden / f"{module}.py").write_text(f"raise ImportError('{module} is broken')\n")
    return ("--env", f"PYTHONPATH={hidden}")


def _lines(finished: Finished) -> dict[str, str]:
    """What `check` said of each server."""
    lines = [line.split(maxsplit=1) for line in finished.stdout.splitlines()[:-1]]
    return {rest.partition(":")[0]: f"{word}:{rest.partition(':')[2]}" for word, rest in lines}


def test_a_missing_parser_fails_the_variant_that_promises_it(tmp_path: Path) -> None:
    """uvicorn takes h11 without a word where httptools can't be imported; h11's own is well."""
    finished = in_process(
        *("check", "-s", "uvicorn", "-w", "1", *_without(tmp_path, "httptools")), folder=tmp_path
    )
    assert finished.code == ExitCode.FAILED
    assert _lines(finished) == {
        "uvicorn/default/w1/hello": "failed: its parser is h11._connection.Connection, but the "
        "variant states httptools.*",
        "uvicorn/h11-asyncio/w1/hello": "ok: asyncio._UnixSelectorEventLoop, uvicorn.H11Protocol, "
        "h11.Connection, TCP_NODELAY",
    }


@pytest.mark.slow
def test_a_missing_loop_fails_every_variant_that_promises_it(tmp_path: Path) -> None:
    """uvloop is installed but broken: who asks for it aloud fails too, and the others are well."""
    finished = in_process("check", "-w", "1", *_without(tmp_path, "uvloop"), folder=tmp_path)
    assert finished.code == ExitCode.FAILED
    lines = _lines(finished)
    failed = {name for name, line in lines.items() if line.startswith("failed")}
    assert failed == {
        f"{name}/w1/hello"
        for name in (
            *("granian/uvloop", "gunicorn-asgi/default", "gunicorn-uvicorn/default"),
            *("hypercorn/uvloop", "uvicorn/default"),
        )
    }
    wrong = "its loop is asyncio.unix_events._UnixSelectorEventLoop, but the variant states uvloop"
    assert wrong in lines["uvicorn/default/w1/hello"]


@pytest.mark.slow
def test_a_run_does_not_measure_what_is_misnamed(tmp_path: Path) -> None:
    """The cell fails with the reason, once; the proofs are stored and the others are measured."""
    finished = in_process(
        *("run", "-s", "uvicorn", "-w", "1", *_without(tmp_path, "uvloop")),
        *("--rounds", "2", "--duration", "200ms", "-c", "4"),
        folder=tmp_path,
    )
    assert finished.code == ExitCode.FAILED
    (failed,) = finished.trials("uvicorn/default")
    assert (failed.outcome, failed.slices) == ("failed", ())
    assert failed.reason == (
        "not what its name says: its loop is asyncio.unix_events._UnixSelectorEventLoop, but the "
        "variant states uvloop.*"
    )
    assert [trial.outcome for trial in finished.trials("uvicorn/h11-asyncio")] == ["ok", "ok"]
    proofs = {proof.setting: proof for proof in read_proofs(finished.run_folder)}
    assert proofs["uvicorn/default/w1"].fault is not None
    assert proofs["uvicorn/h11-asyncio/w1"].fault is None
    assert "not what its name says" in finished.stdout


@pytest.mark.slow
def test_flags_of_the_users_own_are_not_held_against_the_name(tmp_path: Path) -> None:
    """Who adds `--loop asyncio` means it: the proof tells it, and nothing fails."""
    finished = in_process(
        *("check", "-s", "uvicorn", "--variant", "default", "-w", "1"),
        *("--server-args", "--loop asyncio"),
        folder=tmp_path,
    )
    assert finished.code == ExitCode.OK, finished.stdout
    assert "asyncio._UnixSelectorEventLoop" in finished.stdout
