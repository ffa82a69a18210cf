"""The servers this project is about, started, verified, moved and stopped."""

import random
import shutil
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from asgi_bench.machine.affinity import allowed_cpus, move
from asgi_bench.machine.clocks import tree_cpu_s
from asgi_bench.machine.memory import pss_bytes
from asgi_bench.machine.ports import free_endpoint
from asgi_bench.machine.processes import process_entry
from asgi_bench.machine.sockets import connection_owners, listening_inodes
from asgi_bench.model import (
    Cell,
    ClosedLoop,
    Endpoint,
    ErrorCounts,
    PlannedCell,
    Scenario,
)
from asgi_bench.serving.process import ServerProcess, stop_all
from asgi_bench.serving.readiness import Readiness, wait_for_all

APPS = Path(__file__).resolve().parents[2] / "apps"
ADDRESS = "127.0.0.1:{port}"

COMMANDS: dict[str, tuple[str, ...]] = {
    "uvicorn": ("hello:app", "--port", "{port}", "--workers", "{workers}"),
    "granian": ("--interface", "asgi", "hello:app", "--port", "{port}", "--workers", "{workers}"),
    "hypercorn": ("hello:app", "--bind", ADDRESS, "--workers", "{workers}"),
    "hypercorn-trio": ("hello:app", "--bind", ADDRESS, "--workers", "{workers}", "-k", "trio"),
    "gunicorn-asgi": ("hello:app", "--bind", ADDRESS, "--workers", "{workers}", "-k", "asgi"),
    "gunicorn-uvicorn": (
        *("hello:app", "--bind", ADDRESS, "--workers", "{workers}"),
        *("-k", "uvicorn_worker.UvicornWorker"),
    ),
    "daphne": ("-v", "0", "--fd", "{fd}", "hello:app"),
}

NGINX = """
daemon off; worker_processes {workers}; pid {folder}/pid; error_log stderr;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  server {{ listen 127.0.0.1:{port}; location / {{ return 200 "Hello, world!"; }} }}
}}
"""


def server_of(name: str, workers: int, folder: Path) -> ServerProcess:
    """A real server with that many workers on a free port."""
    port = free_endpoint(random.Random()).port
    if name == "nginx":
        config = folder / f"nginx-{port}.conf"
        config.write_text(NGINX.format(workers=workers, folder=folder, port=port))
        command: tuple[str, ...] = ("nginx", "-p", str(folder), "-c", str(config), "-e", "stderr")
    else:
        module = name.partition("-")[0]
        words = [word.replace("{workers}", str(workers)) for word in COMMANDS[name]]
        command = (sys.executable, "-m", module, *words)
    planned = PlannedCell(
        Cell(name, "default", workers, "hello", ClosedLoop(64)),
        command=command,
        working_dir=str(APPS),
        socket_sharing="inherited" if "{fd}" in command else "own",
    )
    return ServerProcess(
        planned, endpoint=Endpoint.local(port), log_path=folder / f"{name}-{workers}.log"
    )


def check(servers: Sequence[ServerProcess], scenario: Scenario) -> None:
    """Start all side by side and see each through its life."""
    try:
        for server in servers:
            server.start()
        outcomes = wait_for_all([(server, scenario, server.workers) for server in servers], 60)
        for server, outcome in zip(servers, outcomes, strict=True):
            assert isinstance(outcome, Readiness), (outcome, server.log.text())
            assert len(outcome.worker_pids) == server.workers
            assert outcome.probes_sent == 2
            assert outcome.errors == ErrorCounts()
            check_alive(server)
        pids = [pid for server in servers for pid in server.pids]
        for report in stop_all(servers, 20):
            assert not report.was_killed
            assert report.fault is None
        assert not any(process_entry(pid) for pid in pids)
        assert not any(listening_inodes(server.endpoint) for server in servers)
    finally:
        for server in servers:
            server.kill()


def check_alive(server: ServerProcess) -> None:
    """What is measured of a server between its start and its stop."""
    cpu = max(allowed_cpus())
    assert move(server.pids, [cpu]) == (cpu,)
    assert tree_cpu_s(server.pids) > 0
    assert (pss_bytes(server.pids) or 0) > 500_000
    clients = [socket.create_connection(("127.0.0.1", server.endpoint.port)) for _ in range(6)]
    ports = [client.getsockname()[1] for client in clients]
    owners = connection_owners(server.endpoint, ports, server.pids)
    for client in clients:
        client.close()
    assert owners.strangers == owners.unknown == 0
    assert sum(owners.by_pid.values()) + owners.unaccepted == 6


def test_uvicorn_and_granian_with_two_workers(tmp_path: Path, scenario: Scenario) -> None:
    """One shared listener, and one listener per worker: both kinds must be seen whole."""
    check([server_of(name, 2, tmp_path) for name in ("uvicorn", "granian")], scenario)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_every_server_from_start_to_stop(tmp_path: Path, scenario: Scenario, workers: int) -> None:
    """Each is ready with all its workers after two requests, and stops by itself without rest."""
    names = [*COMMANDS, *(["nginx"] if shutil.which("nginx") else [])]
    check([server_of(name, workers, tmp_path) for name in names], scenario)
