"""Where a slice server's commands come from: the harness itself, or Locust's master for it."""

import os
import socket
from contextlib import suppress
from typing import Any, Protocol

from gevent.queue import Queue
from locust.runners import WorkerRunner

from asgi_bench.load.messages import (
    CONTROL_FD_VARIABLE,
    Command,
    Quit,
    Reply,
    decode_command,
    encode,
    frame,
    read_frame,
)

# The names of our messages on Locust's own connection between master and workers.
COMMAND_MESSAGE = "asgi-bench-command"
REPLY_MESSAGE = "asgi-bench-reply"


class Control(Protocol):
    """Commands in, replies out."""

    def receive(self) -> Command:
        """Wait for the next command."""

    def send(self, reply: Reply) -> None:
        """Reply to it."""


class SocketControl:
    """The control socket whose other end the harness has; its end means Quit.

    A harness that was killed leaves it closed, at any moment: then nobody must go on loading.
    """

    def __init__(self) -> None:
        self._socket = socket.socket(fileno=int(os.environ[CONTROL_FD_VARIABLE]))

    def receive(self) -> Command:
        """Wait for the next frame."""
        try:
            command: Command = decode_command(read_frame(self._socket.recv))
        except (EOFError, ConnectionError):
            return Quit()
        return command

    def send(self, reply: Reply) -> None:
        """Send a frame; if nobody is left to read it, the next `receive` says so."""
        with suppress(ConnectionError):
            self._socket.sendall(frame(reply))


class WorkerControl:
    """Messages relayed by Locust's master; created with the worker, before any can arrive."""

    def __init__(self, runner: WorkerRunner) -> None:
        self._runner = runner
        self._commands: Any = Queue()
        runner.register_message(COMMAND_MESSAGE, self._take)

    def receive(self) -> Command:
        """Wait for the next message."""
        command: Command = self._commands.get()
        return command

    def send(self, reply: Reply) -> None:
        """Send a message; Locust keeps them in order, so its statistics come before it."""
        self._runner.send_message(REPLY_MESSAGE, encode(reply))

    def flush_statistics(self) -> None:
        """Report to the master now: the next message on the connection acknowledges it."""
        self._runner._send_stats()

    def _take(self, environment: Any, msg: Any, **_: Any) -> None:
        self._commands.put(decode_command(msg.data))
