"""The Locust user that loads one slice after another, as the harness commands over a socket."""

import gc
import os
import socket
import time

import gevent
import msgspec
from locust import User, task

from asgi_bench.load.clocks import read_clocks
from asgi_bench.load.closed_loop import Stretch, run_closed_loop
from asgi_bench.load.connections import Connections
from asgi_bench.load.histogram import Recording
from asgi_bench.load.messages import (
    CONTROL_FD_VARIABLE,
    Close,
    Closed,
    Command,
    Failed,
    Load,
    Loaded,
    Open,
    Opened,
    Quit,
    Ready,
    Reply,
    decode_command,
    frame,
    read_frame,
)
from asgi_bench.load.statistics import feed
from asgi_bench.model import ErrorCounts

# A ramp opens a connection every 2 ms; this is its length with some to spare for the last ones.
RAMP_S_PER_CONNECTION = 0.0025
# After the last answer a server still tidies up; its CPU clock is read once it has settled.
SETTLE_S = 0.0003


class SliceServer(User):
    """One user that owns every connection of every cell of a run."""

    def on_start(self) -> None:
        """Take over the control socket and greet."""
        self._control = socket.socket(fileno=int(os.environ[CONTROL_FD_VARIABLE]))
        self._open: dict[str, Connections] = {}
        self._recordings: dict[str, Recording] = {}
        self._fed_errors: dict[str, ErrorCounts] = {}
        # Slices make no reference cycles: collecting between trials is enough.
        gc.collect()
        gc.freeze()
        gc.disable()
        self._send(Ready(os.getpid(), tuple(sorted(os.sched_getaffinity(0)))))

    def on_stop(self) -> None:
        """Close what is still open."""
        for connections in self._open.values():
            connections.close()

    @task
    def serve(self) -> None:
        """Carry out one command of the harness."""
        try:
            command = decode_command(read_frame(self._control.recv))
        except (EOFError, ConnectionError):
            command = Quit()
        if isinstance(command, Quit):
            # Locust's CSV is written once a second: let the last counts reach it.
            gevent.sleep(1.1)
            self.environment.runner.quit()
            return
        try:
            self._send(self._carry_out(command))
        except (KeyError, OSError) as fault:
            self._send(Failed(f"{type(command).__name__}: {fault!r}"))

    def _carry_out(self, command: Command) -> Reply:
        match command:
            case Open():
                return self._open_target(command)
            case Load():
                return self._load(command)
            case Close():
                return self._close_target(command.name)
        raise KeyError(command)

    def _open_target(self, command: Open) -> Opened:
        target = command.target
        connections = self._open[target.name] = Connections(target)
        self._recordings[target.name] = Recording()
        ramp_s = target.connections * RAMP_S_PER_CONNECTION
        self._run(connections, ramp_s, ramp=target.connections)
        connections.refresh()
        stretch = self._run(connections, command.warmup_s)
        return Opened(
            throughput_rps=stretch.requests / max(stretch.duration_s, 1e-9),
            client_ports=tuple(connections.local_ports),
        )

    def _load(self, command: Load) -> Loaded:
        connections = self._open[command.name]
        connections.refresh()
        errors_before = connections.error_counts
        server_before = read_clocks(command.pids)
        load_before = time.process_time()
        stretch = self._run(connections, command.duration_s)
        load_cpu_s = time.process_time() - load_before
        time.sleep(SETTLE_S)
        server_after = read_clocks(command.pids)
        self._recordings[command.name].add(stretch.latencies_ns)
        return Loaded(
            begin_s=stretch.begin_ns / 1e9,
            end_s=stretch.end_ns / 1e9,
            requests=stretch.requests,
            sent=stretch.sent,
            errors=connections.error_counts - errors_before,
            server_cpu_s={
                pid: server_after[pid] - before
                for pid, before in server_before.items()
                if pid in server_after
            },
            load_cpu_s=load_cpu_s,
            pids_lost=tuple(pid for pid in command.pids if pid not in server_after),
        )

    def _run(self, connections: Connections, seconds: float, *, ramp: int = 0) -> Stretch:
        stretch = run_closed_loop(connections, seconds, _breathe, ramp=ramp)
        name = connections.target.name
        errors, fed = connections.error_counts, self._fed_errors.get(name, ErrorCounts())
        self._fed_errors[name] = errors
        feed(
            self.environment.stats,
            name=name,
            method=connections.target.method,
            requests=stretch.requests,
            errors=msgspec.structs.asdict(errors - fed),
            latencies_ns=stretch.latencies_ns,
            response_bytes=len(connections.good),
        )
        return stretch

    def _close_target(self, name: str) -> Closed:
        connections = self._open.pop(name)
        recording = self._recordings.pop(name)
        self._fed_errors.pop(name, None)
        connections.close()
        closed = Closed(
            response_time_hdr=recording.encode(),
            clamped=recording.clamped,
            reconnects=connections.reconnects,
            sent_total=connections.sent,
            errors_total=connections.error_counts,
            response_bytes=len(connections.good) or None,
        )
        gc.collect()
        return closed

    def _send(self, reply: Reply) -> None:
        self._control.sendall(frame(reply))


def _breathe() -> bool:
    gevent.sleep(0)
    return True
