"""Load from other hosts over a network: namespaces of this machine, veth pairs and a bridge."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from asgi_bench.model import Run
from asgi_bench.model.endpoint import TOKEN_VARIABLE
from asgi_bench.store.runs import read_run
from tests.command_line import COMMAND
from tests.network_hosts import Hosts, needs_namespaces

pytestmark = [pytest.mark.slow, needs_namespaces()]

TOKEN = "the token of a test"
UVICORN = ("-s", "uvicorn", "--variant", "default", "-w", "1")
END_S = 400.0


class Network:
    """A server host, three load hosts, and a run on all of them."""

    def __init__(self, hosts: Hosts, folder: Path, stack: ExitStack) -> None:
        self.hosts = hosts
        self._folder = folder
        self._stack = stack

    def start(self, number: int, argv: Sequence[str]) -> subprocess.Popen[str]:
        """Start a command of ours on a host; the server host is the first."""
        process = subprocess.Popen(
            self.hosts.command(number, [str(COMMAND), *argv]),
            cwd=self._folder,
            env={**os.environ, TOKEN_VARIABLE: TOKEN},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._stack.enter_context(process)
        self._stack.callback(process.kill)
        return process

    def run(self, *size: str) -> tuple[subprocess.Popen[str], list[subprocess.Popen[str]]]:
        """Start a run and its load workers."""
        address = self.hosts.addresses[0]
        workers = [self.start(number, ["load-worker", address]) for number in (1, 2, 3)]
        # Another run may hold this machine; load workers wait for five minutes.
        flags = ("--load-hosts", "3", "--listen", address, "-c", "9", "--wait", "4m")
        return self.start(0, ["run", *UVICORN, *flags, *size]), workers

    @property
    def stored(self) -> Run:
        """What the run has stored."""
        (folder,) = (file.parent for file in self._folder.glob("results/*/run.json"))
        return read_run(folder)

    def has_trials(self) -> bool:
        """Whether a trial is stored."""
        files = self._folder.glob("results/*/trials.jsonl")
        return any(file.read_text().endswith("\n") for file in files)

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition."""
        deadline_s = time.monotonic() + END_S
        while not condition():
            assert time.monotonic() < deadline_s
            time.sleep(0.05)


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    """Four hosts on a bridge."""
    with Hosts(4) as hosts, ExitStack() as stack:
        yield Network(hosts, tmp_path, stack)


def test_three_hosts_load_a_fourth(network: Network) -> None:
    """Every answer is right, each host opened its part of the connections, and all is told."""
    run, workers = network.run("--rounds", "1", "--duration", "300ms")
    told, _ = run.communicate(timeout=END_S)
    assert run.returncode == 0, told
    assert [worker.wait(END_S) for worker in workers] == [0, 0, 0]
    (trial,) = network.stored.trials
    assert trial.outcome == "ok"
    assert trial.requests > 0
    assert not trial.errors.total
    assert len(trial.load_hosts) == 3
    assert sum(trial.connections_by_process.values()) == 9
    assert "load came from 3 load processes of other hosts" in " ".join(told.split())


def test_a_host_that_is_cut_off_ends_the_run(network: Network) -> None:
    """Nothing hangs, what was finished stays, and the host's own load process ends by itself."""
    run, workers = network.run("--rounds", "50", "--duration", "300ms")
    network.until(network.has_trials)
    network.hosts.cut(2)
    told, _ = run.communicate(timeout=END_S)
    assert run.returncode == 1
    assert "is gone: it gave no sign for 3 s" in " ".join(told.split())
    assert all(worker.wait(END_S) in (0, 1) for worker in workers)
    *before, last = network.stored.trials
    assert before
    assert all(trial.outcome == "ok" for trial in before)
    assert last.outcome == "failed"


def test_nothing_of_it_is_reached_from_elsewhere(network: Network) -> None:
    """The server and the master listen on the address that was told, and on no other."""
    run, _ = network.run("--rounds", "50", "--duration", "300ms")
    network.until(network.has_trials)
    script = (
        "import json, psutil;"
        "print(json.dumps(sorted({c.laddr.ip for c in psutil.net_connections('inet')"
        " if c.status == 'LISTEN'})))"
    )
    seen = subprocess.run(
        network.hosts.command(0, [sys.executable, "-c", script]),
        capture_output=True,
        text=True,
        check=True,
        timeout=END_S,
    )
    assert json.loads(seen.stdout) == [network.hosts.addresses[0]]
    run.terminate()
    run.communicate(timeout=END_S)
