"""A server as a process: started in a group of its own, and ended with all it started."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import ClassVar

import msgspec

from asgi_bench.log_reasons import Rank, reason_in
from asgi_bench.machine.bounded_log import BoundedLog
from asgi_bench.machine.processes import ProcessTable, process_name, process_table
from asgi_bench.machine.reaper import REAPER
from asgi_bench.machine.sockets import listening_inodes
from asgi_bench.model import (
    Endpoint,
    PlannedCell,
)
from asgi_bench.serving.environment_variables import server_environment
from asgi_bench.serving.faults import ServerFault
from asgi_bench.serving.listeners import (
    describe_holder,
    holder_of,
    listeners_left,
    listening_socket,
)
from asgi_bench.serving.process_tree import Census, Family

_POLL_S = 0.01
_KILL_TIMEOUT_S = 5.0


class StopReport(msgspec.Struct, frozen=True):
    """How a server ended: seconds from the request on, whether by force, and what went wrong.

    `exit_code` is that of the first process we started, negative for the number of a signal.
    """

    duration_s: float
    was_killed: bool
    fault: str | None = None
    exit_code: int | None = None


class ServerProcess:
    """One server, up between `start` and `stop`: a context manager.

    Output goes to the end of the log file, which is kept short. `fill` are the placeholders of the
    command for where it should listen; without it that is the endpoint's port. With
    `socket_sharing` "inherited" the cell's workers are that many processes of the same command
    which inherit one listening socket. Whatever ends the `with` block, no process of the server is
    left; leaving it normally raises ServerFault if the server can't be ended or its port stays
    taken. `is_ours` is False for one that was started elsewhere (`serving.elsewhere`).
    """

    is_ours: ClassVar[bool] = True

    def __init__(
        self,
        planned: PlannedCell,
        *,
        endpoint: Endpoint,
        log_path: Path,
        fill: Mapping[str, str] | None = None,
    ) -> None:
        self.planned = planned
        self.endpoint = endpoint
        self._fill = {"{port}": str(endpoint.port)} if fill is None else fill
        self.log = BoundedLog(log_path)
        self.started_s: float | None = None
        self._mark = REAPER.new_mark()
        self._family = Family(self._mark)
        self._popens: list[subprocess.Popen[bytes]] = []
        self._stop_requested_s: float | None = None
        self._gone_s: float | None = None
        self._report: StopReport | None = None

    def __enter__(self) -> ServerProcess:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # Time for an orderly end only if there is no fault to tell: that shouldn't wait.
        report = self.stop(timeout_s=5.0 if kind is None else 0.5)
        if kind is None and report.fault is not None:
            raise ServerFault(report.fault)

    @property
    def workers(self) -> int:
        """How many processes should serve requests."""
        return self.planned.cell.workers

    @property
    def root_pids(self) -> tuple[int, ...]:
        """The processes we started ourselves, in order."""
        return tuple(popen.pid for popen in self._popens)

    @property
    def pids(self) -> tuple[int, ...]:
        """Every live process of the server, sorted; reads all of /proc (about 1 ms)."""
        return self.live_pids()

    def explained(self, reason: str, *, least: Rank = Rank.FRAME, silence: str = "") -> str:
        """A reason with the line of its log that says why, or with `silence` if none does.

        What it wrote after we stopped it says nothing.
        """
        line = reason_in(self.log.text(), least)
        return f"{reason}: {line}" if line else reason + silence

    @property
    def is_alive(self) -> bool:
        """Whether every process that we started still runs."""
        return bool(self._popens) and self.exit_description is None

    @property
    def exit_description(self) -> str | None:
        """How the first dead process of ours ended; None while all run."""
        for number, popen in enumerate(self._popens, start=1):
            how = exit_text(popen)
            if how is not None:
                several = len(self._popens) > 1
                return f"process {number} of {len(self._popens)} {how}" if several else how
        return None

    def live_pids(
        self, table: ProcessTable | None = None, *, search: bool = False
    ) -> tuple[int, ...]:
        """As `pids`, from a table that was already read; `search` finds unseen daemons too."""
        return self._family.live(table, search=search)

    def census(self) -> Census:
        """Every process of the server at this moment, cheaply if nothing was started since."""
        return self._family.census()

    def start(self) -> None:
        """Start the process or processes; returns before they are ready.

        Raises ServerFault if the port is taken or the command can't be run.
        """
        taken = listening_inodes(self.endpoint)
        if taken and holder_of(taken) is None:
            # Of a server that has just ended, or of another user's process: the one goes away.
            taken = listeners_left(self.endpoint)
        if taken:
            raise ServerFault(f"{self.endpoint.label} is taken by {describe_holder(taken)}")
        REAPER.prepare()
        try:
            self._start()
        except BaseException:
            self.kill()
            raise

    def _start(self) -> None:
        self.started_s = time.monotonic()
        with self.log.opened() as log_fd:
            if self.planned.socket_sharing == "own":
                self._spawn(log_fd)
                return
            # Our own descriptor is closed at once: the socket lives as long as the servers do.
            with listening_socket(self.endpoint) as listener:
                for _ in range(self.workers):
                    self._spawn(log_fd, listener.fileno())

    def _spawn(self, log_fd: int, socket_fd: int | None = None) -> None:
        """Start one process, into the group of the first."""
        fill = dict(self._fill)
        if socket_fd is not None:
            fill["{fd}"] = str(socket_fd)
        argv = [_filled(word, fill) for word in self.planned.command]
        try:
            popen = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log_fd,
                stderr=log_fd,
                cwd=self.planned.working_dir or None,
                env=server_environment(
                    self.planned.env,
                    self._mark,
                    self.planned.unset,
                    passed=self.planned.passed,
                ),
                process_group=self._family.group or 0,
                pass_fds=() if socket_fd is None else (socket_fd,),
            )
        except (OSError, ValueError) as error:
            raise ServerFault(f"can't start {argv[0]}: {error}") from error
        self._popens.append(popen)
        self._family.roots.append(popen.pid)
        REAPER.protect(self._family.roots[0])

    def request_stop(self, *, roots_only: bool = False) -> None:
        """Stop all processes (SIGTERM), or only those that we started; returns at once."""
        if self._stop_requested_s is None and self.started_s is not None:
            self._stop_requested_s = time.monotonic()
            self.log.mark_end()
            if roots_only:
                self._family.terminate_roots()
            else:
                self._family.terminate()

    def poll_stop(self, table: ProcessTable | None = None) -> bool:
        """Whether no process of the server is left."""
        if self._gone_s is None and not self._family.live(table):
            self._gone_s = time.monotonic()
        return self._gone_s is not None

    def finish_stop(self, deadline_s: float) -> StopReport:
        """Wait until `deadline_s` (of time.monotonic) for the end, then enforce it.

        Afterwards nothing of the server runs or listens; if something does, the report names it.
        """
        if self.started_s is None:
            return StopReport(0.0, was_killed=False)
        if self._report is None:
            self.request_stop()
            try:
                while not self.poll_stop() and time.monotonic() < deadline_s:
                    time.sleep(_POLL_S)
            except BaseException:
                self.kill()
                raise
            was_killed = not self.poll_stop() or bool(self._family.live(search=True))
            self._report = self._finish(was_killed)
        return self._report

    def stop(self, timeout_s: float) -> StopReport:
        """Request the end, and enforce it after `timeout_s`; a second call changes nothing."""
        self.request_stop()
        return self.finish_stop(time.monotonic() + timeout_s)

    def kill(self) -> StopReport:
        """End all processes by force, now."""
        if self._report is None:
            if self._stop_requested_s is None:
                self._stop_requested_s = time.monotonic()
                self.log.mark_end()
            self._report = self._finish(was_killed=True)
        return self._report

    def _finish(self, was_killed: bool) -> StopReport:
        survivors = self._family.kill(_KILL_TIMEOUT_S) if was_killed else ()
        ended_s = time.monotonic() if was_killed or self._gone_s is None else self._gone_s
        requested_s = ended_s if self._stop_requested_s is None else self._stop_requested_s
        duration_s = max(0.0, ended_s - requested_s)
        self.log.close()
        if survivors:
            name = process_name(survivors[0])
            return StopReport(
                duration_s, was_killed, f"{name} (pid {survivors[0]}) survives SIGKILL"
            )
        for popen in self._popens:
            popen.wait()
        REAPER.release(self._family.group)
        # The group's number may be another's from here on.
        self._family.close()
        left = listeners_left(self.endpoint) if self._popens else set()
        fault = None
        if left:
            fault = f"{self.endpoint.label} is held by {describe_holder(left)} after the stop"
        exit_code = self._popens[0].returncode if self._popens else None
        return StopReport(duration_s, was_killed, fault, exit_code)


def stop_all(processes: Sequence[ServerProcess], timeout_s: float) -> list[StopReport]:
    """Stop servers side by side: it takes as long as the slowest, at most about `timeout_s`."""
    deadline_s = time.monotonic() + timeout_s
    try:
        for process in processes:
            process.request_stop()
        while time.monotonic() < deadline_s:
            table = process_table()
            left = [process for process in processes if not process.poll_stop(table)]
            if not left:
                break
            time.sleep(_POLL_S)
    except BaseException:
        for process in processes:
            process.kill()
        raise
    return [process.finish_stop(deadline_s) for process in processes]


def _filled(word: str, fill: dict[str, str]) -> str:
    for placeholder, value in fill.items():
        word = word.replace(placeholder, value)
    return word


def exit_text(popen: subprocess.Popen[bytes]) -> str | None:
    """`exited with code 3` or `was ended by SIGSEGV`; None while it runs.

    Looks without reaping, so the pid stays taken: it is also the number of the process group, which
    must not become another's while we may still signal it.
    """
    if popen.returncode is not None:
        exited, status = popen.returncode >= 0, abs(popen.returncode)
    else:
        ended = os.waitid(os.P_PID, popen.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is None:
            return None
        exited, status = ended.si_code == os.CLD_EXITED, ended.si_status
    return ended_by(exited, status)


def ended_by(exited: bool, status: int) -> str:
    """The words for an exit code, or for the number of a signal."""
    if exited:
        return f"exited with code {status}"
    try:
        return f"was ended by {signal.Signals(status).name}"
    except ValueError:  # Real-time signals have no names.
        return f"was ended by signal {status}"
