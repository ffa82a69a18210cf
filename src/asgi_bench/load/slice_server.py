"""The Locust user that loads one slice after another, as the harness commands over a socket."""

import gc
import os
import socket
from pathlib import Path

from locust import User, task

from asgi_bench.load.messages import (
    CONTROL_FD_VARIABLE,
    Close,
    Command,
    Failed,
    Load,
    Open,
    Quit,
    Ready,
    Reply,
    decode_command,
    frame,
    read_frame,
)
from asgi_bench.load.session import Session
from asgi_bench.load.statistics import write_table


class SliceServer(User):
    """One user that owns every connection of every cell of a run."""

    def on_start(self) -> None:
        """Take over the control socket and greet."""
        self._control = socket.socket(fileno=int(os.environ[CONTROL_FD_VARIABLE]))
        self._sessions: dict[str, Session] = {}
        # A collection in mid-slice would look like a slow server: sessions collect at their end.
        gc.collect()
        gc.freeze()
        gc.disable()
        self._send(Ready(os.getpid(), tuple(sorted(os.sched_getaffinity(0)))))

    def on_stop(self) -> None:
        """Close what is still open."""
        for session in self._sessions.values():
            session.close()

    @task
    def serve(self) -> None:
        """Carry out one command of the harness."""
        try:
            command = decode_command(read_frame(self._control.recv))
        except (EOFError, ConnectionError):
            command = Quit()
        if isinstance(command, Quit):
            if command.table is not None:
                write_table(self.environment, Path(command.table))
            self.environment.runner.quit()
            return
        try:
            self._send(self._carry_out(command))
        except (KeyError, OSError) as fault:
            self._send(Failed(f"{type(command).__name__}: {fault!r}"))
        # After the reply: the harness works meanwhile.
        if isinstance(command, Load):
            self._sessions[command.name].feed_when_due()

    def _carry_out(self, command: Command) -> Reply:
        match command:
            case Open(target=target, warmup_s=warmup_s):
                session = self._sessions[target.name] = Session(target, self.environment.stats)
                return session.open(warmup_s)
            case Load(name=name):
                return self._sessions[name].load(command)
            case Close(name=name):
                return self._sessions.pop(name).close()
        raise KeyError(type(command).__name__)

    def _send(self, reply: Reply) -> None:
        self._control.sendall(frame(reply))
