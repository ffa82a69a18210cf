"""The command line as its users have it, and what it left behind: for tests of whole runs."""

import contextlib
import functools
import io
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

import asgi_bench
from asgi_bench.cli.main import main
from asgi_bench.machine.fingerprint import describe_machine
from asgi_bench.machine.lock import measuring_lock
from asgi_bench.machine.processes import pids_with_environment
from asgi_bench.model import Run, Trial
from asgi_bench.store.calibrations import write_calibration
from asgi_bench.store.runs import read_run
from tests.synthetic_calibration import quick_calibration

COMMAND = Path(sys.executable).with_name("asgi-bench")
SERVERS = Path(__file__).with_name("servers")
FAULTY_SERVERS = SERVERS / "faulty"
# Up at once and served by a script of ours: what a run costs beside real servers.
TINY = ("--runners", str(SERVERS), "-s", "tiny", "--variant", "default", "-w", "1")

REFUSED = "another run is measuring on this machine"
# A benchmark or another test run may hold the machine's lock; some last minutes.
LOCK_PATIENCE_S = 900.0
LONGEST_RUN_S = 180.0


class Finished(NamedTuple):
    """A command that has ended, started in `folder`."""

    code: int
    stdout: str
    stderr: str
    folder: Path

    @property
    def run_folder(self) -> Path:
        """What a script would take from its output: the last line."""
        return self.folder / self.stdout.splitlines()[-1]

    @property
    def run(self) -> Run:
        """The run that lies there."""
        return read_run(self.run_folder)

    def trials(self, server: str) -> list[Trial]:
        """The trials of one server, as `tiny`, or variant, as `tiny/slow`."""
        return [trial for trial in self.run.trials if trial.cell.startswith(f"{server}/")]


def _calibrate(args: Sequence[str], folder: Path) -> None:
    """Store a calibration where a run of these arguments looks for one, to spare it the 5 s."""
    parent = folder / (args[args.index("-o") + 1] if "-o" in args else "results")
    if args[0] not in ("run", "ab") or parent.is_file():
        return
    known = msgspec.structs.replace(
        quick_calibration(_fingerprint()), tool_version=asgi_bench.__version__
    )
    write_calibration(parent, known)


@functools.cache
def _fingerprint() -> str:
    return describe_machine().fingerprint


def command(*args: str, folder: Path, env: Mapping[str, str] | None = None) -> Finished:
    """Run the installed command in a folder; measuring ones wait until the machine is free."""
    _calibrate(args, folder)

    def once() -> Finished:
        done = subprocess.run(
            [COMMAND, *args],
            cwd=folder,
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
            timeout=LONGEST_RUN_S,
        )
        return Finished(done.returncode, done.stdout, done.stderr, folder)

    return _unless_refused(once)


def in_process(*args: str, folder: Path) -> Finished:
    """As `command`, without the second that a new process takes for its imports."""
    _calibrate(args, folder)

    def once() -> Finished:
        stdout, stderr = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            patch.setattr(sys, "argv", [str(COMMAND), *args])
            with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
                with pytest.raises(SystemExit) as ended:
                    main()
        code = ended.value.code or 0
        assert isinstance(code, int)
        return Finished(code, stdout.getvalue(), stderr.getvalue(), folder)

    return _unless_refused(once)


class Background:
    """A run in the background, in a process group of its own as a shell would start it."""

    def __init__(self, *args: str, folder: Path) -> None:
        _calibrate(args, folder)
        self.folder = folder
        self._mark = uuid.uuid4().hex
        self._stdout = (folder / f"{self._mark}.out").open("w+")
        self._stderr = (folder / f"{self._mark}.err").open("w+")
        self.process = subprocess.Popen(
            [COMMAND, *args],
            cwd=folder,
            env={**os.environ, "TINY_RUN": self._mark},
            stdin=subprocess.DEVNULL,
            stdout=self._stdout,
            stderr=self._stderr,
            process_group=0,
        )

    @property
    def pids(self) -> tuple[int, ...]:
        """Every live process that came of the run, whatever became of its parents."""
        return pids_with_environment(f"TINY_RUN={self._mark}")

    @property
    def load_pids(self) -> list[int]:
        """The load processes among them."""
        return [pid for pid in self.pids if b"\0locust\0" in _command_line(pid)]

    def until(self, condition: Callable[[], Any], timeout_s: float = 60.0) -> None:
        """Wait for a condition while the run goes on."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert self.process.poll() is None, self._read()[1]
            assert time.monotonic() < deadline, self._read()[1]
            time.sleep(0.02)

    def until_gone(self, timeout_s: float = 30.0) -> None:
        """Wait until no process of the run is left, the harness itself included."""
        deadline = time.monotonic() + timeout_s
        while self.process.poll() is None or self.pids:
            assert time.monotonic() < deadline, [_command_line(pid) for pid in self.pids]
            time.sleep(0.01)

    def finish(self, timeout_s: float = LONGEST_RUN_S) -> Finished:
        """Wait for its end."""
        code = self.process.wait(timeout_s)
        return Finished(code, *self._read(), self.folder)

    def end(self) -> None:
        """Leave nothing behind, whatever a test has found."""
        for pid in self.pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        self._stdout.close()
        self._stderr.close()

    def _read(self) -> tuple[str, str]:
        return Path(self._stdout.name).read_text(), Path(self._stderr.name).read_text()


@contextlib.contextmanager
def background(*args: str, folder: Path) -> Iterator[Background]:
    """A run of `folder`/results in the background, from its first trial's load on."""
    with _retried(lambda: Background("run", *args, folder=folder)) as run:
        yield run


@contextlib.contextmanager
def _retried(start: Callable[[], Background]) -> Iterator[Background]:
    deadline = time.monotonic() + LOCK_PATIENCE_S
    while True:
        run = start()
        try:
            while run.process.poll() is None and not list(run.folder.glob("results/*/run.json")):
                time.sleep(0.01)
            if run.process.returncode is None or REFUSED not in run.finish().stderr:
                yield run
                return
        finally:
            run.end()
        _await_lock(deadline)


def told(folder: Path, trial: Trial) -> list[dict[str, Any]]:
    """The lines of JSON that a server of `tests/servers` wrote into its log."""
    assert trial.log is not None
    lines = (folder / trial.log).read_text().splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def _command_line(pid: int) -> bytes:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def _unless_refused(once: Callable[[], Finished]) -> Finished:
    deadline = time.monotonic() + LOCK_PATIENCE_S
    while True:
        done = once()
        if REFUSED not in done.stderr:
            return done
        _await_lock(deadline)


def _await_lock(deadline: float) -> None:
    """Wait until whoever measures has ended; raises BenchError at the deadline."""
    with measuring_lock(max(0.0, deadline - time.monotonic())):
        pass
