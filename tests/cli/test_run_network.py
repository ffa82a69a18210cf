"""Load from other hosts over a network: namespaces of this machine, veth pairs and a bridge.

Delay and loss come from a process of ours between a host and the bridge, which also tells what
there was to measure (tests/network_path.py): the kernel may lack netem. Bandwidth comes from tbf.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from asgi_bench.analysis.percentiles import merge_histograms
from asgi_bench.load.generator import FAR_MASTER
from asgi_bench.machine.processes import tree_pids
from asgi_bench.model import GENERATOR_LAG, NEARBY_TIME, RESPONSE_TIME, Run, Trial
from asgi_bench.model.endpoint import TOKEN_VARIABLE
from asgi_bench.store.runs import read_run
from tests.command_line import COMMAND
from tests.network_hosts import Hosts, Way, needs, needs_namespaces
from tests.network_path import Asked

pytestmark = [pytest.mark.slow, needs_namespaces()]

TOKEN = "the token of a test"
UVICORN = ("-s", "uvicorn", "--variant", "default", "-w", "1")
END_S = 400.0
TUN = "/dev/net/tun"
DELAY_S = 0.005
# What a response time may be off by, and by how much the load process and the way may be late
# themselves for it to be judged.
MOST_OFF_S = 0.0005
MOST_LAG_S = 0.0002
QUANTILES = (0.5, 0.9, 0.99)
LINK_BITS_PER_S = 20_000_000


class Network:
    """A server host, load hosts, and a run on all of them."""

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
        """Start a run and its load workers, one on each load host."""
        address, *others = self.hosts.addresses
        count = len(others)
        workers = [self.start(number + 1, ["load-worker", address]) for number in range(count)]
        # Another run may hold this machine; load workers wait for five minutes.
        flags = ("--load-hosts", str(count), "--listen", address, "--wait", "4m")
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


@pytest.fixture
def lossy(tmp_path: Path) -> Iterator[Network]:
    """Four hosts on a bridge; the way to one of them loses a frame in a hundred."""
    with Hosts(4, {2: Way(loss=0.01)}, tmp_path) as hosts, ExitStack() as stack:
        yield Network(hosts, tmp_path, stack)


@pytest.fixture
def delayed(tmp_path: Path) -> Iterator[Network]:
    """A server's host and a load host, to which everything takes 5 ms."""
    with Hosts(2, {1: Way(delay_s=DELAY_S)}, tmp_path) as hosts, ExitStack() as stack:
        yield Network(hosts, tmp_path, stack)


@pytest.fixture
def narrow(tmp_path: Path) -> Iterator[Network]:
    """A server's host and a load host, to which 20 Mbit/s get through."""
    with Hosts(2) as hosts, ExitStack() as stack:
        hosts.narrow(1, LINK_BITS_PER_S)
        yield Network(hosts, tmp_path, stack)


def quantiles_s(trial: Trial, name: str) -> list[float]:
    """Some quantiles of a trial's times, however few there are."""
    found = merge_histograms([trial.times_hdr[name]])
    assert found is not None
    times_s = np.repeat(found.values_ns / 1e9, found.counts)
    return [float(value) for value in np.quantile(times_s, QUANTILES)]


@needs("ip", TUN)
def test_a_delay_shows_as_it_is(delayed: Network) -> None:
    """Response times are those that the way saw, 5 ms included; less the round trip they aren't."""
    size = ("--rounds", "3", "--duration", "1500ms", "-c", "32", "-r", "20%")
    run, workers = delayed.run(*size)
    told, _ = run.communicate(timeout=END_S)
    assert run.returncode == 0, told
    assert workers[0].wait(END_S) == 0
    record = delayed.hosts.record(1)
    lags_s = []
    by_port: dict[int, list[Asked]] = {}
    for one in record.requests:
        by_port.setdefault(one.server_port, []).append(one)
    judged = []
    for trial, seen in zip(delayed.stored.trials, by_port.values(), strict=True):
        (host,) = trial.load_hosts
        assert host.round_trip_s >= DELAY_S
        # The schedule's requests are the last that this server got.
        slice_s = [one.answered_s - one.asked_s for one in seen[-trial.requests :]]
        ours_s = quantiles_s(trial, RESPONSE_TIME)
        off_s = [
            abs(mine - float(np.quantile(slice_s, quantile)))
            for mine, quantile in zip(ours_s, QUANTILES, strict=True)
        ]
        nearby_s = quantiles_s(trial, NEARBY_TIME)
        assert abs(max(ours_s[0] - host.round_trip_s, 0.0) - nearby_s[0]) < MOST_OFF_S
        lags_s.append(quantiles_s(trial, GENERATOR_LAG)[-1])
        # How long the way really held a request is in what it saw.
        assert min(slice_s) >= DELAY_S
        if lags_s[-1] < MOST_LAG_S:
            judged.append(off_s)
    if not judged:
        pytest.skip(
            "the machine was too busy for half a millisecond to be seen: at p99 load was late by "
            f"{lags_s} s"
        )
    assert any(max(off_s) < MOST_OFF_S for off_s in judged), judged


@needs("tc")
def test_a_narrow_network_is_the_limit(narrow: Network) -> None:
    """Its bandwidth is told, and a cell that needs it all is no figure of the server's."""
    size = ("--rounds", "1", "--duration", "500ms", "-c", "4", "--scenario", "download-64k")
    run, _ = narrow.run(*size)
    told, _ = run.communicate(timeout=END_S)
    assert run.returncode == 0, told
    (trial,) = narrow.stored.trials
    (host,) = trial.load_hosts
    assert host.before is not None
    assert host.before.to_host_bytes_per_s is not None
    assert host.before.to_host_bytes_per_s * 8 < 1.2 * LINK_BITS_PER_S
    limited = {reason.code: reason for reason in trial.validity_reasons}["link-limited"]
    assert (limited.level, trial.validity) == ("invalid", "invalid")
    assert "the network was the limit" in " ".join(told.split())


def test_a_killed_load_worker_ends_the_run(network: Network) -> None:
    """Amid load: its trial is invalid or failed and says so, and what was finished stays."""
    run, workers = network.run("--rounds", "50", "--duration", "1s", "-c", "9")
    network.until(network.has_trials)
    network.until(lambda: has_connections(workers[1].pid))
    workers[1].kill()
    told, _ = run.communicate(timeout=END_S)
    assert run.returncode == 1
    assert "is gone: it gave no sign for 3 s" in " ".join(told.split())
    assert [worker.wait(END_S) in (0, 1) for worker in (workers[0], workers[2])] == [True, True]
    ended_by_loss(network.stored, "is gone")


def has_connections(pid: int) -> bool:
    """Whether a load process has more than its connection to the master."""
    lines = Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]
    return sum(line.split()[3] == "01" for line in lines) > 1


def ended_by_loss(stored: Run, why: str) -> None:
    """All trials are whole but the last, which says why; unless it was finished just then."""
    *before, last = stored.trials
    assert all(trial.outcome == "ok" and trial.load_fault is None for trial in before)
    if last.outcome == "ok" and last.load_fault is None:
        return
    assert before
    assert why in (last.load_fault or last.reason or "")
    assert last.outcome == "failed" or last.validity == "invalid"


@needs("ip", TUN)
def test_three_hosts_load_a_fourth(lossy: Network) -> None:
    """Though frames are lost, every answer is right, each host opens its part, and all is told."""
    network = lossy
    size = ("--rounds", "1", "--duration", "300ms", "-c", "9", "--transport", "tcp,tls")
    run, workers = network.run(*size)
    told, _ = run.communicate(timeout=END_S)
    assert run.returncode == 0, told
    assert [worker.wait(END_S) for worker in workers] == [0, 0, 0]
    trials = network.stored.trials
    assert {"+tls" in trial.cell for trial in trials} == {False, True}
    for trial in trials:
        assert trial.outcome == "ok"
        assert trial.requests > 0
        assert not trial.errors.total
        addresses = sorted(host.address for host in trial.load_hosts)
        assert addresses == network.hosts.addresses[1:]
        assert sum(trial.connections_by_process.values()) == 9
    assert "load came from 3 load processes of other hosts" in " ".join(told.split())
    assert network.hosts.record(2).passed > 0


def test_a_host_that_is_cut_off_ends_the_run(network: Network) -> None:
    """Nothing hangs, what was finished stays, and the host's own load process ends by itself."""
    run, workers = network.run("--rounds", "50", "--duration", "300ms", "-c", "9")
    network.until(network.has_trials)
    network.hosts.cut(2)
    told, _ = run.communicate(timeout=END_S)
    assert run.returncode == 1
    assert "is gone: it gave no sign for 3 s" in " ".join(told.split())
    assert all(worker.wait(END_S) in (0, 1) for worker in workers)
    ended_by_loss(network.stored, "is gone")


def test_nothing_of_it_is_reached_from_elsewhere(network: Network) -> None:
    """The server and the master listen on the address that was told alone; all end with it."""
    run, workers = network.run("--rounds", "50", "--duration", "1s", "-c", "9")
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
    network.until(lambda: has_connections(workers[0].pid))
    os.kill(master_of(run.pid), signal.SIGKILL)
    told, _ = run.communicate(timeout=END_S)
    assert run.returncode == 1, told
    # Six seconds after its last word.
    assert [worker.wait(END_S) for worker in workers] == [1, 1, 1]
    ended_by_loss(network.stored, "died by signal 9")


def master_of(pid: int) -> int:
    """The master among the processes that a run has started."""
    (found,) = (
        each
        for each in tree_pids([pid])
        if FAR_MASTER.encode() in Path(f"/proc/{each}/cmdline").read_bytes().split(b"\0")
    )
    return found
