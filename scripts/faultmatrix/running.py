"""One cell of the fault matrix, run: real processes, a real fault, and what was seen of it."""

import contextlib
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from asgi_bench.errors import BenchError
from asgi_bench.machine.processes import pids_with_environment
from asgi_bench.machine.sockets import listening_inodes
from asgi_bench.model import Endpoint, Run
from asgi_bench.store.runs import read_run
from faultmatrix.cells import CLOCK_STEPS_S, SERVER_FAULTS, Case
from faultmatrix.command import COMMAND, LONGEST_S
from faultmatrix.slow_package import (
    INSTALL,
    NAME,
    half_built,
    install_variables,
    write_package,
)

HERE = Path(__file__).resolve().parent
MARK = "FAULT_MARK"
CLOCK = "stepped_clock.so"
# Two servers and two rounds; the fault comes in the second.
RUN = (
    *("run", "--runners", str(HERE / "runners"), "-s", "faulty", "-s", "steady", "-w", "1"),
    *("-c", "4", "--rounds", "2", "--duration", "400ms", "--seed", "1", "--timeout", "1s"),
    *("--startup-timeout", "4s", "--reference", "steady/default", "-o", "results"),
)
# What a fault asks for besides: that the first harness still measures when the second comes.
_MORE = {"few-descriptors": ("-c", "200"), "second-harness": ("--rounds", "5")}
# Whoever measures on this machine is waited for.
WAIT = ("--wait", "120s")
# After the end: SIGKILL leaves it to what was started to notice.
GONE_S = 15.0
_DISK_BYTES = 3 * 2**20
_FEW_FILES = 64
# A shorter pattern than this is no sentence.
_FEW_LETTERS = 9
_MOST_LETTERS = 160


class Seen(msgspec.Struct):
    """What came of a cell: a line of the log."""

    cell: str
    code: int | None
    said: str
    faults: tuple[str, ...]
    """What was not as it must be; empty where all was."""
    duration_s: float
    seen_at: str = ""
    tool_version: str = ""

    @property
    def is_right(self) -> bool:
        """Whether all was as it must be."""
        return not self.faults


class _Harness:
    """asgi-bench at work in a folder of its own, and the journal of its servers."""

    def __init__(self, case: Case, folder: Path) -> None:
        self.case = case
        self.folder = folder
        self.journal = folder / "journal"
        self.mark = uuid.uuid4().hex
        self._out = (folder / "out").open("w+")
        self._err = (folder / "err").open("w+")
        self.process = subprocess.Popen(
            [COMMAND, *_arguments(case)],
            cwd=folder,
            env={**os.environ, **_variables(case, folder), MARK: self.mark},
            stdin=subprocess.DEVNULL,
            stdout=self._out,
            stderr=self._err,
            process_group=0,
            preexec_fn=_few_files if case.fault == "few-descriptors" else as_from_a_terminal,
        )

    @property
    def notes(self) -> list[dict[str, Any]]:
        """What the servers have noted."""
        with contextlib.suppress(FileNotFoundError):
            lines = self.journal.read_text(encoding="utf-8").splitlines()
            return [json.loads(line) for line in lines]
        return []

    @property
    def pids(self) -> tuple[int, ...]:
        """Every live process that came of it, itself included."""
        return pids_with_environment(f"{MARK}={self.mark}")

    @property
    def load_pids(self) -> list[int]:
        """The load processes among them."""
        return [pid for pid in self.pids if " locust " in command_line(pid)]

    @property
    def run_folder(self) -> Path | None:
        """Where it stores its run, once that exists."""
        return next(iter(sorted(self.folder.glob("results/2*"))), None)

    def said(self) -> tuple[str, str]:
        """What it printed until now."""
        out, err = (Path(file.name).read_text(errors="replace") for file in (self._out, self._err))
        return out, err

    def until(self, condition: Callable[[], Any]) -> bool:
        """Wait for a condition; False where it ended, or hangs, before."""
        deadline_s = time.monotonic() + LONGEST_S
        while not condition():
            if self.process.poll() is not None or time.monotonic() > deadline_s:
                return bool(condition())
            time.sleep(0.01)
        return True

    def reached(self, phase: str, server: str = "faulty", times: int = 2) -> bool:
        """Whether a server has come to a phase so many times."""
        told = [one for one in self.notes if one["server"] == server and one["phase"] == phase]
        return len(told) >= times

    def end(self) -> None:
        """Leave nothing behind, whatever was found."""
        for pid in self.pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        self._out.close()
        self._err.close()


def see(case: Case, folder: Path, calibration: Path | None = None) -> Seen:
    """Run a cell in a folder of its own, and tell what was seen.

    `calibration` is a folder with what is known of the machine.
    """
    began_s = time.monotonic()
    (folder / "results").mkdir(exist_ok=True)
    with contextlib.ExitStack() as stack:
        if case.fault == "clock-stepped":
            _build_clock(folder)
        if case.fault in ("disk-full", "read-only"):
            stack.enter_context(_small_disk(folder / "results", case.fault))
        if calibration is not None and case.fault != "read-only":
            shutil.copytree(calibration, folder / "results" / "calibration")
        harness = _Harness(case, folder)
        stack.callback(harness.end)
        _provoke(harness)
        code = _await(harness)
        if case.fault == "resumed" and code is not None:
            code = _resume(harness)
        faults = tuple(_faults(harness, code))
        out, err = harness.said()
    second = folder / "second.txt"
    if second.exists():
        told, _, err = second.read_text().partition("\n")
        code = int(told)
    said = _telling_line(case, out, err)
    return Seen(case.key, code, said, faults, round(time.monotonic() - began_s, 1))


def _arguments(case: Case) -> tuple[str, ...]:
    if case.phase == "import":
        return ("check", "slow:app", "-s", "steady", "-w", "1", "--runners", str(HERE / "runners"))
    if case.phase == "install":
        # By the verb, and as the setup of an A/B.
        if case.fault in ("sigint", "sigkill"):
            return INSTALL
        steady = ("-s", "steady", "-w", "1", "--runners", str(HERE / "runners"), *WAIT)
        return ("ab", *steady, "--candidate", f"{NAME}==1.0")
    return (*RUN, *WAIT, *_MORE.get(case.fault, ()))


def _variables(case: Case, folder: Path) -> dict[str, str]:
    """The variables by which the faulty server knows what to do, from its second start on."""
    told = {
        "FAULT_JOURNAL": str(folder / "journal"),
        "FAULT_START": "2",
        "FAULT_AT": case.phase,
    }
    if case.phase == "install":
        return told | install_variables(folder)
    if case.fault == "clock-stepped":
        return told | {"LD_PRELOAD": str(folder / CLOCK), "FAULT_CLOCK": str(folder / "clock")}
    return told | ({"FAULT": case.fault} if case.fault in SERVER_FAULTS else {})


def _build_clock(folder: Path) -> None:
    """Compile the clock that jumps."""
    source = HERE / "stepped_clock.c"
    words = ("cc", "-O1", "-shared", "-fPIC", "-o", str(folder / CLOCK), str(source), "-ldl")
    subprocess.run(words, check=True)


def as_from_a_terminal() -> None:
    """Signals end it, as they don't what a script has put into the background."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def _few_files() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (_FEW_FILES, _FEW_FILES))


def _provoke(harness: _Harness) -> None:
    """Wait for the phase, and do to load or harness what the cell is about."""
    case = harness.case
    if case.fault in SERVER_FAULTS or case.fault in ("few-descriptors", "read-only"):
        return
    if case.phase in ("install", "import"):
        harness.until(lambda: (harness.folder / f"{case.phase}ing").exists())
    elif case.phase == "report":
        harness.until(lambda: _has(harness, "phases.json"))
    elif case.fault == "second-harness":
        # It takes seconds to start: the first must not have ended by then.
        harness.until(lambda: harness.run_folder is not None)
    elif case.phase == "write":
        harness.until(lambda: harness.reached("stop"))
    else:
        harness.until(lambda: harness.reached(case.phase))
    _DOINGS[case.fault if case.fault in _DOINGS else "signal"](harness)


def _has(harness: _Harness, name: str) -> bool:
    return harness.run_folder is not None and (harness.run_folder / name).exists()


def _signal(harness: _Harness) -> None:
    harness.process.send_signal(signal.Signals[harness.case.fault.upper()])


def _kill_harness(harness: _Harness) -> None:
    harness.process.kill()


def _to_load(number: signal.Signals) -> Callable[[_Harness], None]:
    def do(harness: _Harness) -> None:
        harness.until(lambda: harness.load_pids)
        for pid in harness.load_pids:
            os.kill(pid, number)

    return do


def _starve(harness: _Harness) -> None:
    """A program that takes the load's CPU, at a higher priority where that is allowed."""
    cpus = os.sched_getaffinity(harness.load_pids[0]) if harness.load_pids else {0}
    spin = "import os, sys, time\nend = time.monotonic() + 4\nwhile time.monotonic() < end: pass"
    for _ in range(3):
        subprocess.Popen(
            [sys.executable, "-c", spin],
            env={**os.environ, MARK: harness.mark},
            preexec_fn=lambda: os.sched_setaffinity(0, cpus),
        )


def _fill(harness: _Harness) -> None:
    """Fill the disk that the results lie on."""
    with (harness.folder / "results" / "filler").open("wb", buffering=0) as filler:
        with contextlib.suppress(OSError):
            while True:
                filler.write(bytes(4096))
        with contextlib.suppress(OSError):
            while True:
                filler.write(b"x")


def _start_second(harness: _Harness) -> None:
    """Another run while this one measures; what it says is what the cell is about."""
    done = subprocess.run(
        [COMMAND, *RUN, "-o", "second"],
        cwd=harness.folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=LONGEST_S,
    )
    (harness.folder / "second.txt").write_text(f"{done.returncode}\n{done.stdout}{done.stderr}")


def _step_clock(harness: _Harness) -> None:
    """Put the time of day of all processes off, as the cell's phase says."""
    (harness.folder / "clock").write_text(str(CLOCK_STEPS_S[harness.case.phase]))


_DOINGS: dict[str, Callable[[_Harness], None]] = {
    "signal": _signal,
    "resumed": _kill_harness,
    "load-killed": _to_load(signal.SIGKILL),
    "load-stopped": _to_load(signal.SIGSTOP),
    "load-starved": _starve,
    "disk-full": _fill,
    "clock-stepped": _step_clock,
    "second-harness": _start_second,
}


@contextlib.contextmanager
def _small_disk(folder: Path, fault: str) -> Iterator[None]:
    """A disk of a few MiB for the results (root alone may), or one that takes nothing."""
    options = f"size={_DISK_BYTES}" + (",ro" if fault == "read-only" else "")
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _await(harness: _Harness) -> int | None:
    """Its exit code; None where it hangs."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        return harness.process.wait(LONGEST_S)
    return None


def _resume(harness: _Harness) -> int:
    """Go on with the run that was killed, by a server without a fault."""
    assert harness.run_folder is not None
    done = subprocess.run(
        [COMMAND, "run", "--resume", str(harness.run_folder), *WAIT],
        cwd=harness.folder,
        env={**os.environ, "FAULT_JOURNAL": str(harness.journal), MARK: harness.mark},
        capture_output=True,
        text=True,
        check=False,
        timeout=LONGEST_S,
    )
    with (harness.folder / "out").open("a") as out, (harness.folder / "err").open("a") as err:
        out.write(done.stdout)
        err.write(done.stderr)
    return done.returncode


def _faults(harness: _Harness, code: int | None) -> Iterator[str]:
    """What is not as it must be."""
    case = harness.case
    out, err = harness.said()
    if case.fault == "second-harness":
        told = (harness.folder / "second.txt").read_text()
        second, _, err = told.partition("\n")
        if code != 0:
            yield f"the first run ended with {code}"
        code = int(second)
    if code is None:
        yield f"it hangs: not ended after {LONGEST_S:g} s"
    elif code not in case.code:
        yield f"exit code {code}, due was {' or '.join(map(str, case.code))}"
    if re.search(case.says, _flat(err, out)) is None:
        yield f"nothing printed has {case.says!r}"
    if "Traceback (most recent call last)" in err and "fatal" not in err:
        yield f"a traceback: {err.strip().splitlines()[-1]}"
    deadline_s = time.monotonic() + GONE_S
    while (left := harness.pids) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    if left:
        yield f"left running: {[command_line(pid)[:60] for pid in left]}"
    if case.fault == "clock-stepped":
        times_s = [one["at_s"] for one in harness.notes]
        if max(times_s) - min(times_s) < CLOCK_STEPS_S["start"] / 2:
            yield "the clock was not stepped"
    ports = {one["port"] for one in harness.notes}
    held = [port for port in ports if listening_inodes(Endpoint.local(port))]
    if held:
        yield f"ports still held: {held}"
    if case.phase == "install":
        variables = _variables(case, harness.folder)
        yield from half_built(harness.folder, variables, in_order=case.fault != "sigkill")
    if case.rest:
        yield from _lost(harness)


def _lost(harness: _Harness) -> Iterator[str]:
    """What is missing of the trials before the fault, and of the server beside the faulty one."""
    if harness.run_folder is None:
        yield "there is no run folder"
        return
    try:
        run = read_run(harness.run_folder)
    except BenchError as fault:
        yield f"the run can't be read: {fault}"
        return
    yield from _lost_of(run, harness.case)


def _lost_of(run: Run, case: Case) -> Iterator[str]:
    first = {trial.cell.partition("/")[0]: trial for trial in run.trials if trial.round == 0}
    for name in ("faulty", "steady"):
        trial = first.get(name)
        if trial is None or trial.outcome != "ok" or not trial.requests:
            yield f"the first round's trial of {name} is lost"
    if case.fault in SERVER_FAULTS:
        second = [trial for trial in run.trials if trial.round == 1 and "steady" in trial.cell]
        if not second or second[0].outcome != "ok":
            yield "the server beside the faulty one was not measured"
    if case.fault == "clock-stepped":
        yield from _unsteady(run)
    if case.fault == "resumed" and len(run.trials) != 4:
        yield f"{len(run.trials)} trials, due were 4"


def _unsteady(run: Run) -> Iterator[str]:
    """What a clock that jumped has done to trials: it may stand in their dates alone."""
    if len(run.trials) != 4 or any(trial.outcome != "ok" for trial in run.trials):
        yield "a trial is lost, or has failed"
    pieces = [piece for trial in run.trials for piece in trial.slices]
    if any(not 0 <= piece.start_s <= LONGEST_S for piece in pieces):
        yield "a slice began at no time of this run"
    if any(not 0 < piece.duration_s <= LONGEST_S for piece in pieces):
        yield "a slice has a duration that can't be"


def _telling_line(case: Case, out: str, err: str) -> str:
    """What the cell must say, up to the end of its line; empty where it need say nothing."""
    if len(case.says) < _FEW_LETTERS:
        return ""
    for text in (*err.splitlines(), *out.splitlines(), _flat(err, out)):
        found = re.search(case.says, text)
        if found is not None:
            return text[found.start() :].strip()[:_MOST_LETTERS]
    return ""


def _flat(*texts: str) -> str:
    """Texts in one line: tables break sentences."""
    return " ".join(" ".join(texts).split())


def command_line(pid: int) -> str:
    """The words of a process, nothing once it is gone."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    return ""


def prepare(folder: Path) -> None:
    """Put what a cell needs into its folder: an app whose import waits, a package that does."""
    write_package(folder)
    (folder / "slow.py").write_text(
        "import pathlib, time\npathlib.Path('importing').touch()\ntime.sleep(600)\n"
    )
