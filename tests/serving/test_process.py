"""Starting servers and ending all they started."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from asgi_bench.machine.processes import process_entry
from asgi_bench.machine.sockets import listening_inodes
from asgi_bench.model import Endpoint
from asgi_bench.serving.faults import ServerFault
from asgi_bench.serving.process import ServerProcess, stop_all

from .conftest import FAKE, MakeServer


def eventually(condition: Callable[[], bool], timeout_s: float = 15) -> None:
    """Wait for a condition, to a deadline."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_listening(server: ServerProcess) -> bool:
    """Whether anything listens on the server's port."""
    return bool(listening_inodes(server.endpoint))


def log_of(server: ServerProcess) -> str:
    """What the server has written."""
    return server.log.path.read_text()


def test_a_server_runs_in_its_own_group_and_ends(make_server: MakeServer) -> None:
    """Up with the block, in a process group of its own, and gone with its port after it."""
    with make_server() as server:
        eventually(lambda: is_listening(server))
        (pid,) = server.pids
        assert server.root_pids == (pid,)
        assert os.getpgid(pid) == pid != os.getpgid(0)
        assert os.getsid(pid) == os.getsid(0)
        assert server.is_alive and server.exit_description is None
    assert process_entry(pid) is None
    assert not is_listening(server)
    assert server.pids == ()
    assert not server.is_alive
    assert server.exit_description == "was ended by SIGTERM"


def test_output_is_appended_to_the_log(make_server: MakeServer) -> None:
    """Both streams go to the end of the file; what an earlier start wrote stays."""
    script = "import os; os.write(1, b'out\\n'); os.write(2, b'err\\n')"
    server = make_server(command=(sys.executable, "-I", "-S", "-c", script))
    server.log.path.parent.mkdir()
    server.log.path.write_text("earlier\n")
    server.start()
    eventually(lambda: not server.is_alive)
    assert server.exit_description == "exited with code 0"
    assert log_of(server) == "earlier\nout\nerr\n"


def test_placeholders_environment_and_folder_reach_the_server(
    make_server: MakeServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Port in argv, the runner's variables, its folder; no input, and no stray settings of ours."""
    monkeypatch.setenv("WEB_CONCURRENCY", "7")
    monkeypatch.setenv("KEPT", "yes")
    script = (
        "import os, sys\n"
        "print(sys.argv[1:], os.getcwd(), os.environ.get('WEB_CONCURRENCY'), os.environ['KEPT'],\n"
        "      os.environ['MINE'], repr(sys.stdin.read()))"
    )
    server = make_server(
        command=(sys.executable, "-I", "-c", script, "-b=:{port}", "{other}"),
        working_dir=str(tmp_path),
        env={"MINE": "set"},
        unset=("WEB_CONCURRENCY",),
    )
    server.start()
    eventually(lambda: not server.is_alive)
    assert log_of(server) == (
        f"['-b=:{server.endpoint.port}', '{{other}}'] {tmp_path} None yes set ''\n"
    )


def test_a_server_reads_nothing_from_our_terminal(make_server: MakeServer) -> None:
    """Its standard input is empty, whatever ours is."""
    script = "import os; os.write(1, os.readlink('/proc/self/fd/0').encode())"
    ours = os.dup(0)
    reading, writing = os.pipe()
    os.dup2(reading, 0)
    try:
        server = make_server(command=(sys.executable, "-I", "-S", "-c", script))
        server.start()
    finally:
        os.dup2(ours, 0)
        for fd in (ours, reading, writing):
            os.close(fd)
    eventually(lambda: not server.is_alive)
    assert log_of(server) == "/dev/null"


def test_our_descriptors_stay_ours(make_server: MakeServer) -> None:
    """A server must inherit nothing but its streams, even what we made inheritable."""
    script = "import os; print(sorted(os.listdir('/proc/self/fd')))"
    with socket.socket() as sock:
        sock.set_inheritable(True)
        server = make_server(command=(sys.executable, "-I", "-c", script))
        server.start()
        eventually(lambda: not server.is_alive)
    assert log_of(server) == "['0', '1', '2', '3']\n"


def test_workers_inherit_one_socket(make_server: MakeServer) -> None:
    """N processes in the first one's group share one listener with the agreed backlog."""
    with make_server("inherits", workers=3, sharing="inherited") as server:
        assert len(server.root_pids) == 3
        assert {os.getpgid(pid) for pid in server.root_pids} == {server.root_pids[0]}
        (inode,) = listening_inodes(server.endpoint)
        assert inode not in {os.fstat(fd).st_ino for fd in own_descriptors()}
        if shutil.which("ss"):
            argv = ["ss", "-ltnH", f"sport = :{server.endpoint.port}"]
            report = subprocess.run(argv, check=True, capture_output=True, text=True)
            assert report.stdout.split()[2] == "2048"
        os.kill(server.root_pids[1], signal.SIGKILL)
        eventually(lambda: not server.is_alive)
        assert server.exit_description == "process 2 of 3 was ended by SIGKILL"
    assert not is_listening(server)


def own_descriptors() -> list[int]:
    """Those of this process that still are one."""
    numbers = [int(path.name) for path in Path("/proc/self/fd").iterdir()]
    return [fd for fd in numbers if Path(f"/proc/self/fd/{fd}").exists()]


@pytest.mark.parametrize(
    ("mode", "text"), [("exits", "exited with code 3"), ("crashes", "was ended by SIGSEGV")]
)
def test_an_exit_is_described(make_server: MakeServer, mode: str, text: str) -> None:
    """Exit codes and signals are told apart; looking doesn't free the pid, the group's number."""
    with make_server(mode) as server:
        eventually(lambda: not server.is_alive)
        assert server.exit_description == text
        assert server.exit_description == text
        assert Path(f"/proc/{server.root_pids[0]}").exists()
        assert server.pids == ()
    assert server.exit_description == text


@pytest.mark.parametrize("command", ["/nonexistent/server", "/etc/hostname"])
def test_a_command_that_cannot_run_is_a_fault(make_server: MakeServer, command: str) -> None:
    """A missing or non-executable program is the server's fault, naming the program."""
    server = make_server(command=(command,))
    with pytest.raises(ServerFault, match=f"can't start {command}"):
        server.start()
    assert server.stop(1).fault is None


def test_a_taken_port_is_a_fault_naming_the_holder(make_server: MakeServer, port: int) -> None:
    """Whoever holds the port is named by program and pid; nothing is started."""
    with socket.socket() as sock:
        sock.bind(("0.0.0.0", port))
        sock.listen()
        server = make_server()
        with pytest.raises(ServerFault, match=rf"port {port} is taken by .*\(pid {os.getpid()}\)"):
            server.start()
        assert server.pids == ()
        assert server.stop(1).fault is None


def test_a_server_that_ignores_sigterm_is_killed(make_server: MakeServer) -> None:
    """After the time given, and the report says so."""
    server = make_server("ignores-term")
    server.start()
    eventually(lambda: is_listening(server))
    pids = server.pids
    report = server.stop(0.3)
    assert report.was_killed and report.fault is None
    assert 0.3 <= report.duration_s < 10
    assert all(process_entry(pid) is None for pid in pids)
    assert server.exit_description == "was ended by SIGKILL"


def test_a_server_may_take_its_time_to_stop(make_server: MakeServer) -> None:
    """A clean end within the time is waited for, timed, and not called a kill."""
    server = make_server("slow-stop")
    server.start()
    eventually(lambda: is_listening(server))
    report = server.stop(30)
    assert not report.was_killed
    assert 0.4 <= report.duration_s < 10
    assert server.stop(30) == report


@pytest.mark.parametrize("mode", ["daemon", "daemon-and-exit"])
def test_a_daemon_that_left_the_group_is_ended(make_server: MakeServer, mode: str) -> None:
    """A process of another session that ignores SIGTERM must not survive, parent or no parent."""
    server = make_server(mode)
    server.start()
    eventually(lambda: server.log.path.exists() and "daemon" in log_of(server))
    daemon = int(log_of(server).split()[1])
    assert os.getsid(daemon) != os.getsid(0)
    report = server.stop(0.2)
    assert report.was_killed and report.fault is None
    assert process_entry(daemon) is None
    assert not is_listening(server)


def test_a_daemon_once_seen_stays_in_the_count(make_server: MakeServer) -> None:
    """Its CPU and memory are the server's, also after its parents are gone."""
    script = (
        "import os, sys, time\n"
        "if os.fork() == 0:\n"
        "    sys.stdout.flush(); os.setsid(); os.write(1, b'%d' % os.getpid()); time.sleep(600)\n"
        "time.sleep(0.5)\n"
    )
    with make_server(command=(sys.executable, "-I", "-S", "-c", script)) as server:
        eventually(lambda: len(server.pids) == 2)
        eventually(lambda: not server.is_alive)
        assert server.pids == (int(log_of(server)),)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_nothing_is_left_when_the_block_is_broken_off(
    make_server: MakeServer, error: type[BaseException]
) -> None:
    """An interrupt or a bug inside the block must still end every process."""
    with pytest.raises(error):
        with make_server("two-workers", workers=2) as server:
            eventually(lambda: len(server.pids) == 3)
            pids = server.pids
            raise error
    assert all(process_entry(pid) is None for pid in pids)
    assert not is_listening(server)


def test_an_interrupt_while_stopping_kills(
    make_server: MakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who presses Ctrl-C a second time gets the prompt back, and no process is left."""
    server = make_server("ignores-term")
    server.start()
    eventually(lambda: is_listening(server))
    pids = server.pids

    def interrupt(seconds: float) -> None:
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", interrupt)
    with pytest.raises(KeyboardInterrupt):
        stop_all([server], 60)
    assert all(process_entry(pid) is None for pid in pids)


def test_an_interrupted_start_leaves_nothing(
    make_server: MakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even a process whose Popen object was lost to the interrupt is found and ended."""
    real = subprocess.Popen
    started: list[int] = []

    def interrupted(*args: object, **kwargs: object) -> None:
        started.append(real(*args, **kwargs).pid)  # type: ignore[call-overload]
        raise KeyboardInterrupt

    server = make_server("ignores-term")
    make_server("ignores-term").start()  # The reaper runs now.
    monkeypatch.setattr(subprocess, "Popen", interrupted)
    with pytest.warns(ResourceWarning):
        with pytest.raises(KeyboardInterrupt):
            server.start()
    assert len(started) == 1
    eventually(lambda: process_entry(started[0]) is None)


@pytest.mark.timed
def test_many_are_stopped_side_by_side(make_server: MakeServer) -> None:
    """Stopping four slow servers takes about as long as stopping one, each timed for itself."""
    servers = [make_server("slow-stop") for _ in range(4)] + [make_server()]
    for server in servers:
        server.start()
    never_started = make_server()
    eventually(lambda: all(is_listening(server) for server in servers))
    start = time.monotonic()
    reports = stop_all([*servers, never_started], 30)
    assert time.monotonic() - start < 1.4
    assert not any(report.was_killed or report.fault for report in reports)
    assert min(report.duration_s for report in reports[:4]) >= 0.4
    assert reports[4].duration_s < 0.4
    assert reports[5].duration_s == 0


def test_a_port_that_stays_taken_is_told(make_server: MakeServer, port: int) -> None:
    """A stranger that listens there after the stop is named in the report."""
    server = make_server("reuse-port")
    server.start()
    eventually(lambda: is_listening(server))
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(("127.0.0.1", port))
        sock.listen()
        report = server.stop(5)
    assert not report.was_killed
    assert report.fault is not None
    assert f"port {port} is held by" in report.fault
    assert f"(pid {os.getpid()}) after the stop" in report.fault


HARNESS = """
import pathlib, random, sys, time
from asgi_bench.machine.ports import free_endpoint
from asgi_bench.model import Cell, ClosedLoop, PlannedCell
from asgi_bench.serving.process import ServerProcess
for mode in sys.argv[3:]:
    command = (sys.executable, "-I", "-S", sys.argv[1], mode, "{port}")
    cell = Cell("fake", mode, 1, "hello", ClosedLoop(1))
    endpoint = free_endpoint(random.Random())
    log = pathlib.Path(sys.argv[2]) / mode
    server = ServerProcess(PlannedCell(cell, command=command), endpoint=endpoint, log_path=log)
    server.start()
    while not (len(server.pids) >= {"two-workers": 3}.get(mode, 1)):
        time.sleep(0.01)
    while mode == "daemon" and "daemon" not in log.read_text():
        time.sleep(0.01)
    print(endpoint.port, *server.pids, *(log.read_text().split()[1:] if mode == "daemon" else ()))
print("up", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize(
    ("number", "modes"),
    [
        # The reaper gives three seconds to those that ignore SIGTERM.
        (signal.SIGKILL, ("two-workers", "daemon", "ignores-term")),
        (signal.SIGTERM, ("two-workers",)),
        (None, ("two-workers", "good")),
    ],
)
@pytest.mark.timed
def test_servers_end_with_a_harness_that_just_vanishes(
    tmp_path: Path, number: signal.Signals | None, modes: tuple[str, ...]
) -> None:
    """Killed, or ended without cleaning up: no server and no listener of its may stay."""
    folder = tmp_path / str(time.monotonic_ns())  # of this attempt
    argv = [sys.executable, "-c", HARNESS, FAKE, str(folder), *modes]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, process_group=0
    ) as run:
        assert run.stdout is not None and run.stdin is not None
        lines = []
        while (line := run.stdout.readline().strip()) != "up":
            assert line
            lines.append([int(word) for word in line.split()])
        assert all(process_entry(pid) for _, *pids in lines for pid in pids)
        start = time.monotonic()
        if number is None:
            run.stdin.close()
        else:
            # To the whole group, as a terminal or a job runner does.
            os.killpg(run.pid, number)
    # None of these needs the reaper's patience: servers that have ended must not seem to live.
    assert time.monotonic() - start < 3
    eventually(lambda: not any(process_entry(pid) for _, *pids in lines for pid in pids))
    assert not any(listening_inodes(Endpoint.local(port)) for port, *_ in lines)
