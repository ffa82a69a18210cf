"""A load process as the harness drives it: started, its sessions loaded over a socket, ended.

How long each of these may take is defined here, and nowhere else.
"""

import os
import select
import signal
import site
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self, TypeVar

import msgspec

from asgi_bench.errors import BenchError
from asgi_bench.load.messages import (
    CLIENT_VARIABLE,
    CONTROL_FD_VARIABLE,
    SCENARIO_VARIABLE,
    TIMEOUT_VARIABLE,
    Close,
    Closed,
    Command,
    Failed,
    Left,
    Load,
    Loaded,
    Open,
    Opened,
    Quit,
    Ready,
    Reply,
    Survey,
    Surveyed,
    decode_reply,
    frame,
    read_frame,
)
from asgi_bench.load.target import scenario_target
from asgi_bench.log_reasons import reason_in
from asgi_bench.machine.bounded_log import BoundedLog
from asgi_bench.machine.processes import process_table, stat_fields
from asgi_bench.machine.reaper import MARK_NAME, REAPER, kill_marked
from asgi_bench.model import (
    HOST,
    Client,
    Endpoint,
    LoadHost,
    Scenario,
)

HERE = Path(__file__).parent
# Modules that are run in place of Locust's own command.
FAR_MASTER = "asgi_bench.load.far_master"
FAR_WORKER = "asgi_bench.load.far_worker"
# Locust's own default, so that people find it where they know it.
WEB_PORT = 8089
WEB_PAGE = f"http://{HOST}:{WEB_PORT}"
WEB_ARGUMENTS = ("--autostart", "--web-host", HOST, "--web-port", str(WEB_PORT))
START_TIMEOUT_S = 60.0
# People start load processes on other hosts.
FAR_START_TIMEOUT_S = 300.0
QUIT_TIMEOUT_S = 10.0
SURVEY_TIMEOUT_S = 60.0
# Opening a connection takes 2 ms; on a machine that is busy elsewhere some times that.
OPENING_S = 0.02
# Beyond its own length a command may take the time-outs of its last requests, and this.
GRACE_S = 20.0

# Settings of Locust, gevent and coverage; each would change the load, or end it, without a trace.
_PREFIXES = ("LOCUST_", "GEVENT", "COVERAGE_", "PYTHON")
# Where Python finds itself and what is installed.
_KEPT = frozenset(
    (
        "PYTHONDONTWRITEBYTECODE",
        "PYTHONHOME",
        "PYTHONNOUSERSITE",
        "PYTHONPATH",
        "PYTHONPLATLIBDIR",
        "PYTHONPYCACHEPREFIX",
        "PYTHONSAFEPATH",
        "PYTHONUSERBASE",
    )
)
# What `requests`, and so Locust's HttpUser, obeys: load goes straight to the server.
_OF_REQUESTS = ("CURL_CA_BUNDLE", "NETRC", "REQUESTS_CA_BUNDLE")

R = TypeVar("R", bound=Reply)


def slice_arguments(processes: int = 1) -> list[str]:
    """Return Locust's arguments for the slice server, one user in each of its processes.

    Several are Locust's own workers under its master, on a port that is free now.
    """
    arguments = ["-f", str(HERE / "slice_server.py"), "--host", f"http://{HOST}"]
    arguments += ["--users", str(processes), "--spawn-rate", str(processes)]
    if processes > 1:
        port = str(_free_port())
        arguments += ["--processes", str(processes), "--master-bind-host", HOST]
        arguments += ["--master-bind-port", port, "--master-port", port]
    return arguments


def far_arguments(host: str, port: int, workers: int) -> list[str]:
    """Return the arguments of a master (FAR_MASTER) that awaits load processes on other hosts."""
    return [host, str(port), str(workers)]


def stock_arguments(
    endpoint: Endpoint, connections: int, locustfile: str | None = None
) -> list[str]:
    """Return Locust's arguments for its stock clients, or a user's own file, recorded by us.

    The recorder starts as many users as have this many connections together.
    """
    files = f"{HERE / 'locust_recorder.py'},{locustfile or HERE / 'stock_users.py'}"
    users = ["--users", str(connections), "--spawn-rate", str(connections)]
    return ["-f", files, *users, "--host", endpoint.url]


def stock_environment(client: Client, scenario: Scenario, timeout_s: float) -> dict[str, str]:
    """Return the variables that configure a stock client: its class, request and time-out."""
    return {
        CLIENT_VARIABLE: client,
        SCENARIO_VARIABLE: msgspec.json.encode(scenario).decode(),
        TIMEOUT_VARIABLE: str(timeout_s),
    }


def load_environment(inherited: Mapping[str, str], *, home: Path) -> dict[str, str]:
    """Return inherited variables without settings of anything that sends load.

    With another `home` than the user's, no `~/.locust.conf` and no `~/.netrc` is found.
    """
    kept = {name: value for name, value in inherited.items() if not _is_setting(name)}
    # Packages that were installed for the user alone lie in the true home.
    return {"PYTHONUSERBASE": site.getuserbase(), **kept, "HOME": str(home)}


def _is_setting(name: str) -> bool:
    if name in _KEPT:
        return False
    is_proxy = name.lower().endswith("_proxy")
    return is_proxy or name in _OF_REQUESTS or name.startswith(_PREFIXES)


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as listener:
        return int(listener.getsockname()[1])


class LoadFault(BenchError):
    """The load process died, hung, or could not carry out a command."""


class Refusal(LoadFault):
    """The load process could not carry out a command; `text` is its message."""

    def __init__(self, text: str) -> None:
        super().__init__(f"the load process failed: {text}")
        self.text = text


class LoadProcess:
    """One Locust process; a context manager that always ends it.

    `arguments` name its locustfile and users (`slice_arguments`, `stock_arguments`), `log` is
    where its output goes, `table` where Locust's own table is written as CSV when it quits. With
    `web_ui` Locust's live page is open at WEB_PAGE. A user's own Locust users (`is_users_own`)
    get that person's folder, variables and settings for Locust; ours must not. `module` is run
    in place of Locust's command, with only these arguments.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        table: Path | None = None,
        web_ui: bool = False,
        is_users_own: bool = False,
        module: str | None = None,
    ) -> None:
        self._argv = [sys.executable, "-m", module or "locust", *arguments]
        if module is None:
            # No time limit, whatever Locust's own settings say.
            self._argv += WEB_ARGUMENTS if web_ui else ("--headless",)
            self._argv += ("--loglevel", "WARNING", "--only-summary", "--run-time", "0")
        self._log = BoundedLog(log)
        self._table = None if table is None else str(table.absolute())
        self._env = dict(env or {})
        self._is_users_own = is_users_own
        self._is_asked = False
        self._mark = REAPER.new_mark()
        # What a locustfile has set; known when the process has ended.
        self.exit_code: int | None = None
        self.is_ready = False
        self.pids: tuple[int, ...] = ()
        self.cpus: tuple[int, ...] = ()

    def __enter__(self) -> Self:
        REAPER.prepare()
        ours, theirs = socket.socketpair()
        self._control = ours
        with theirs, self._log.opened() as log:
            self._process = subprocess.Popen(
                self._argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # A locust.conf or pyproject.toml of whoever measures isn't found from the log.
                cwd=None if self._is_users_own else self._log.path.parent,
                env=self._environment() | {CONTROL_FD_VARIABLE: str(theirs.fileno())},
                pass_fds=(theirs.fileno(),),
                # Its own group: Ctrl-C reaches the harness alone, which ends it in order.
                process_group=0,
            )
        REAPER.protect(self._process.pid)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.quit()

    @property
    def is_alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    @property
    def _is_stopped(self) -> bool:
        """Whether a signal has stopped it, so that it does nothing until another one."""
        fields = stat_fields(self._process.pid)
        return fields is not None and fields[0] == "T"

    @property
    def group_pids(self) -> tuple[int, ...]:
        """All its live processes: of several, those that carry load, and Locust's master."""
        own = self._process.pid
        return tuple(entry.pid for entry in process_table().values() if entry.group == own)

    def greet(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Wait until the process is ready for commands; raises LoadFault.

        Stock users and those of a locustfile start at the first command.
        """
        self.pids = self.reply(Ready, timeout_s).pids
        self.is_ready = True

    def survey(self) -> tuple[LoadHost, ...]:
        """See the clock of each load host and the network to it; raises LoadFault."""
        return self.ask(Survey(), Surveyed, SURVEY_TIMEOUT_S).hosts

    def ask(self, command: Command, expected: type[R], timeout_s: float) -> R:
        """Send a command and return its reply; raises LoadFault if none comes in time."""
        self.send(command)
        return self.reply(expected, timeout_s)

    def send(self, command: Command) -> None:
        """Send a command without awaiting its reply."""
        self._is_asked = True
        try:
            self._control.sendall(frame(command))
        except OSError as error:
            raise LoadFault(self._epitaph()) from error

    def quit(self) -> None:
        """End the process through Locust's own quit, or by signals if that fails.

        A process in the middle of a command gets the quit after it, if a table is expected;
        otherwise waiting would be pointless, and a stretch of stock users may last minutes.
        """
        is_waited_for = self._table is not None or not self._is_asked
        # One that is stopped hears of nothing but SIGKILL.
        orderly = () if self._is_stopped else (*((None,) if is_waited_for else ()), signal.SIGTERM)
        if orderly and self.is_alive:
            try:
                self.send(Quit(self._table))
                self._control.shutdown(socket.SHUT_WR)
            except (LoadFault, OSError):
                pass
        for ending in (*orderly, signal.SIGKILL):
            if ending is not None:
                self._process.send_signal(ending)
            try:
                self._process.wait(QUIT_TIMEOUT_S)
                break
            except subprocess.TimeoutExpired:
                continue
        with suppress(ProcessLookupError):
            # Workers whose master was killed would wait a minute for it; its group holds no others.
            os.killpg(self._process.pid, signal.SIGKILL)
        # A locustfile may start browsers and stubs, in sessions of their own.
        kill_marked(self._mark)
        REAPER.release(self._process.pid)
        self._note_exit()
        self._control.close()
        self._log.close()

    def _note_exit(self) -> None:
        """Take the last word of a process that has ended, if it had one."""
        with suppress(EOFError, OSError):  # The second of two quits finds it closed.
            self._control.settimeout(0)
            while True:
                reply = decode_reply(read_frame(self._control.recv))
                if isinstance(reply, Left):
                    self.exit_code = reply.exit_code

    def _environment(self) -> dict[str, str]:
        """Return the process's variables; users of ours get none of another's settings."""
        inherited = dict(os.environ)
        if not self._is_users_own:
            inherited = load_environment(inherited, home=self._log.path.parent.absolute())
        return inherited | self._env | {MARK_NAME: self._mark}

    def has_reply(self, wait_s: float) -> bool:
        """Whether a reply, or the end of the process, comes within this time."""
        return bool(select.select([self._control], [], [], wait_s)[0])

    def reply(self, expected: type[R], timeout_s: float) -> R:
        """Return the reply to a command that was sent; raises LoadFault if none comes in time."""
        deadline = time.monotonic() + timeout_s

        def receive(size: int) -> bytes:
            self._control.settimeout(max(deadline - time.monotonic(), 0.001))
            return self._control.recv(size)

        try:
            reply = decode_reply(read_frame(receive))
            self._is_asked = False
        except TimeoutError as error:
            why = ": it is stopped, as by SIGSTOP" if self._is_stopped else ""
            told = f"the load process did not reply within {timeout_s:g} s{why}"
            raise LoadFault(told) from error
        except (EOFError, ConnectionError) as error:
            raise LoadFault(self._epitaph()) from error
        if isinstance(reply, Failed):
            raise Refusal(reply.text)
        if not isinstance(reply, expected):
            raise LoadFault(f"the load process answered {type(reply).__name__} out of turn")
        return reply

    def _epitaph(self) -> str:
        try:
            # Its end of the socket closes a moment before it can be waited for.
            code = self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            return "the load process closed its connection and lives on"
        how = f"with exit code {code}" if code >= 0 else f"by signal {-code}"
        word = reason_in(self._log.text()) or "it left no message"
        return f"the load process died {how}: {word}"


class Look(NamedTuple):
    """What the harness does repeatedly while a load process works, at most `most` times."""

    act: Callable[[], None]
    every_s: float
    most: int | None = None


class LoadSession:
    """A named session of a load process: opened, loaded slice by slice, closed.

    Every call raises LoadFault if the process died, could not do it, or took longer than the
    command can take. That process can't be used any more then.
    """

    def __init__(self, process: LoadProcess, name: str, request_timeout_s: float) -> None:
        self._process = process
        self._request_timeout_s = request_timeout_s
        self._is_last_aside = False
        self.name = name

    @property
    def cpus(self) -> tuple[int, ...]:
        """The CPUs that the load process was put on."""
        return self._process.cpus

    def open(
        self,
        scenario: Scenario,
        endpoint: Endpoint,
        connections: int,
        *,
        streams: int = 1,
        warmup_s: float,
        at_once: int = 1,
        alone: int = 0,
        look: Look | None = None,
    ) -> Opened:
        """Open connections under load, a few at once, then warm up (`messages.Open`)."""
        target = scenario_target(
            scenario,
            name=self.name,
            endpoint=endpoint,
            connections=connections,
            timeout_s=self._request_timeout_s,
            streams=streams,
        )
        limit_s = connections * OPENING_S + warmup_s + self._request_timeout_s * 3 + GRACE_S
        return self._ask(Open(target, warmup_s, at_once, alone), Opened, limit_s, look)

    def start(self, duration_s: float) -> Loaded:
        """Instead of `open`, for users that open connections themselves: warm up for this long.

        They start at this command. The session's histograms keep nothing of it.
        """
        command = Load(self.name, duration_s, is_step=True)
        return self._ask(command, Loaded, duration_s + START_TIMEOUT_S)

    def put_aside(self) -> None:
        """Put the times of the slice that was held back aside: they may be left out."""
        self._is_last_aside = True

    def load(self, command: Load, look: Look | None = None) -> Loaded:
        """Put one slice of load on the target."""
        command = msgspec.structs.replace(command, is_last_aside=self._is_last_aside)
        self._is_last_aside = False
        limit_s = command.duration_s + self._request_timeout_s * 2 + GRACE_S
        return self._ask(command, Loaded, limit_s, look)

    def close(self) -> Closed:
        """Close the connections; return the histograms and totals."""
        return self._ask(Close(self.name, self._is_last_aside), Closed, GRACE_S)

    def _ask(
        self,
        command: Open | Load | Close,
        expected: type[R],
        limit_s: float,
        look: Look | None = None,
    ) -> R:
        if look is None:
            return self._process.ask(command, expected, limit_s)
        self._process.send(command)
        most = int(limit_s / look.every_s) if look.most is None else look.most
        for _ in range(most):
            if self._process.has_reply(look.every_s):
                break
            look.act()
        return self._process.reply(expected, limit_s)
