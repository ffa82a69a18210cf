"""`run --load-hosts` and `load-worker`: load from other hosts, tried out on loopback."""

import json
import random
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from asgi_bench.machine.ports import free_endpoint
from tests.command_line import COMMAND, TINY, Background, background, command, in_process
from tests.situation import Said, situation

TOKEN = "the token of a test"
END_S = 60.0


class Hosts:
    """Where they come to, what they know, and the load workers that were started."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.address = f"127.0.0.1:{free_endpoint(random.Random()).port}"
        self._token = folder / "token"
        self._token.write_text(f"{TOKEN}\n")
        self._stack = stack
        self.workers: list[subprocess.Popen[str]] = []

    @property
    def flags(self) -> tuple[str, ...]:
        """What a run has to be told, with a load worker for each of two hosts."""
        return ("--load-hosts", "2", "--listen", self.address, "--token", f"@{self._token}")

    def join(self, processes: int = 1) -> None:
        """Start the load workers, so many on each host, until there are two."""
        for _ in range(2 // processes):
            argv = [str(COMMAND), "load-worker", self.address, "--token", f"@{self._token}"]
            argv += ["--processes", str(processes)]
            worker = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)
            self._stack.enter_context(worker)
            self._stack.callback(worker.kill)
            self.workers.append(worker)


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Hosts]:
    """Load workers that end with the test."""
    with ExitStack() as stack:
        yield Hosts(tmp_path, stack)


@pytest.mark.slow
def test_two_load_workers_load_a_run(hosts: Hosts, tmp_path: Path) -> None:
    """As one machine would: every request counted, no cell left out, the hosts told.

    Both are of one command.
    """
    hosts.join(processes=2)
    size = ("--rounds", "2", "--duration", "300ms", "-c", "8")
    with background(*TINY, *size, *hosts.flags, folder=tmp_path) as run:
        done = run.finish()
    assert done.code == 0, done.stderr
    assert "waiting for 2 load workers" in done.stderr
    for worker in hosts.workers:
        assert worker.wait(END_S) == 0
    assert TOKEN not in (done.run_folder / "run.json").read_text()
    plan = done.run.header.plan
    assert (plan.load_hosts, plan.load_processes, plan.listen) == (2, 2, hosts.address)
    assert len(done.run.trials) == 2
    for trial in done.run.trials:
        assert trial.outcome == "ok"
        assert trial.requests > 0
        assert not trial.errors.total
        assert len(trial.load_hosts) == 2
        assert trial.server_cpu_s > 0
        assert trial.load_cpu_s > 0
        assert sum(trial.connections_by_process.values()) == 8
    text = command("report", str(done.run_folder), "--format", "json", folder=tmp_path).stdout
    (cell,) = json.loads(text)["cells"]
    assert cell["outcome"] == "ok"
    assert cell["throughput_rps"]["value"] > 0
    assert "load came from 2 load processes of other hosts" in " ".join(done.stdout.split())


@pytest.mark.slow
@situation(
    "alone",
    "A load host is lost in the middle of a run",
    says="the run ends here: the load process failed: load host … is gone: it gave no sign for "
    "3 s; what is measured stays, and --resume goes on with it",
)
def test_a_lost_load_host_ends_the_run(hosts: Hosts, tmp_path: Path, said: Said) -> None:
    """The trial under load is invalid and says why, those before stand, nothing hangs."""
    hosts.join()
    size = ("--rounds", "50", "--duration", "300ms", "-c", "8")
    with background(*TINY, *size, *hosts.flags, folder=tmp_path) as run:
        run.until(lambda: _stored(run) >= 1)
        hosts.workers[0].send_signal(signal.SIGKILL)
        done = run.finish()
    assert done.code == 1
    said(done.stderr)
    hosts.workers[1].wait(END_S)
    *before, last = done.run.trials
    assert before
    assert all(trial.outcome == "ok" and trial.load_fault is None for trial in before)
    # Between two rounds there is no load yet; and it may be lost just when a trial is finished.
    if last.outcome != "ok" or last.load_fault is not None:
        assert last.validity == "invalid" or last.outcome == "failed"
        assert "is gone" in (last.load_fault or last.reason or "")
    assert len(done.run.trials) < 50


def _stored(run: Background) -> int:
    """How many trials are stored."""
    files = run.folder.glob("results/*/trials.jsonl")
    return sum(len(file.read_text().splitlines()) for file in files)


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (("--load-hosts", "2"), "add --listen"),
        (("--listen", "10.0.0.1"), "add --load-hosts N"),
        (("--load-hosts", "2", "--listen", "8.8.8.8"), "no loopback or private address"),
        (
            ("--load-hosts", "2", "--listen", "10.0.0.1", "--token", "plain to see"),
            "say @FILE",
        ),
        (
            ("--load-hosts", "2", "--listen", "10.0.0.1", "--transport", "tcp,unix"),
            "can't reach a Unix socket",
        ),
        (
            ("--load-hosts", "2", "--listen", "10.0.0.1", "--load-processes", "2"),
            "leave out --load-processes",
        ),
        (("--load-hosts", "65", "--listen", "10.0.0.1"), "need a connection each"),
    ],
)
def test_what_load_hosts_leave_no_room_for_is_refused(
    flags: tuple[str, ...], why: str, tmp_path: Path
) -> None:
    """One line, before anything is started."""
    done = in_process("run", *TINY, *flags, folder=tmp_path)
    assert done.code == 2
    assert why in " ".join(done.stderr.split())


def test_servers_listen_where_load_hosts_come_to(tmp_path: Path) -> None:
    """On that address alone, and the dry run says so."""
    flags = ("--load-hosts", "2", "--listen", "10.1.2.3")
    done = in_process("run", "-s", "uvicorn", "-w", "1", *flags, "--dry-run", folder=tmp_path)
    assert done.code == 0
    assert "--host 10.1.2.3" in done.stdout
    assert "127.0.0.1" not in done.stdout
    assert "load from 2 load processes of other hosts" in done.stdout


@pytest.mark.parametrize("count", ["0", "-2", "two"])
def test_load_processes_are_a_number_or_one_per_cpu(count: str, tmp_path: Path) -> None:
    """One line says what is allowed, before anything is started."""
    done = in_process("load-worker", "127.0.0.1", "--processes", count, folder=tmp_path)
    assert done.code == 2
    assert "--processes" in done.stderr


def test_a_load_worker_needs_a_token(tmp_path: Path) -> None:
    """It says where it takes one from."""
    done = in_process("load-worker", "127.0.0.1", folder=tmp_path)
    assert done.code == 2
    assert "--token @FILE, or ASGI_BENCH_TOKEN" in done.stderr
