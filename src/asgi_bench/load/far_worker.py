"""A load process for a master on another host: Locust's worker, which obeys nobody else.

Run as a module, `python -m asgi_bench.load.far_worker ADDRESS PORT [ALLOWED...]`, with the token in
the environment. It loads what listens on the master's own address, and on addresses that are
allowed besides; it ends when the master ends or falls silent.
"""

import logging
import signal
import socket
import sys
import time
from argparse import Namespace
from typing import Any, NoReturn

import gevent
import msgspec
from locust.env import Environment
from locust.rpc import Message
from locust.runners import WorkerRunner

from asgi_bench import __version__
from asgi_bench.load.control import COMMAND_MESSAGE, REPLY_MESSAGE, WorkerControl
from asgi_bench.load.far_words import (
    HELLO,
    REFUSED,
    WELCOME,
    Hello,
    Welcome,
    token_of_environment,
)
from asgi_bench.load.link import measure_link
from asgi_bench.load.messages import (
    Failed,
    MeasureLink,
    Open,
    Reply,
    Tick,
    Tock,
    decode_command,
    encode,
)
from asgi_bench.load.seal import Forged, Seal, is_proven, new_nonce, proof
from asgi_bench.load.slice_server import SliceServer

# Locust's own limit is a minute; a master answers every heartbeat, one a second.
SILENCE_S = 6.0
# What of Locust's messages a load process has use for. Another may change its user.
HEEDED = frozenset(("ack", "heartbeat", "quit", "spawn", "spawning_complete", COMMAND_MESSAGE))
log = logging.getLogger(__name__)


class FarWorker(WorkerRunner):
    """Locust's worker, which proves itself before it is ready, and makes its master do so too."""

    def __init__(
        self, environment: Environment, host: str, port: int, *, token: str, allowed: frozenset[str]
    ) -> None:
        self._token = token
        self._nonce = new_nonce()
        self.allowed = allowed
        self.control: FarControl | None = None
        self.seal: Seal | None = None
        self.fault: str | None = None
        self._welcomed: Welcome | None = None
        super().__init__(environment, host, port)

    def connect_to_master(self) -> None:
        """Request admission, then report ready: a master receives the two in this order."""
        if self.control is None:
            # Before any command can come.
            self.control = SliceServer.control = FarControl(self)
        name = self.client_id.encode()
        hello = Hello(
            nonce=self._nonce,
            proof=proof(self._token, "hello", name, self._nonce),
            version=__version__,
            host=socket.gethostname(),
        )
        self.client.send(Message(HELLO, msgspec.structs.asdict(hello), self.client_id))
        super().connect_to_master()

    def handle_message(self, msg: Any) -> None:
        """Obey a master that knows the token, in messages that a load process needs."""
        if msg.type == REFUSED and self.seal is None:
            self.fault = f"the master turned this load process away: {str(msg.data)[:200]}"
            self.connection_event.set()
        elif msg.type == WELCOME:
            self._take_welcome(msg.data)
        elif self.seal is not None and msg.type in HEEDED:
            super().handle_message(msg)

    def heartbeat_timeout_checker(self) -> NoReturn:
        """End if the master was silent for some seconds: nobody must go on loading."""
        while True:
            gevent.sleep(1)
            last_s = self.last_heartbeat_timestamp
            if last_s is not None and time.time() - last_s > SILENCE_S:
                self.fault = f"the master gave no sign for {SILENCE_S:g} s"
                # In a greenlet of its own: to quit is to end this one.
                gevent.spawn(self.quit)
                gevent.sleep(SILENCE_S)

    def _take_welcome(self, data: object) -> None:
        try:
            welcome = msgspec.convert(data, Welcome)
        except msgspec.ValidationError:
            return
        parts = (self.client_id.encode(), self._nonce, welcome.nonce)
        if is_proven(welcome.proof, self._token, "welcome", *parts) and welcome != self._welcomed:
            self._welcomed = welcome
            self.seal = Seal(self._token, "worker", *parts)


class FarControl(WorkerControl):
    """Sealed commands from the master, sealed replies to it."""

    def __init__(self, runner: FarWorker) -> None:
        self._worker = runner
        super().__init__(runner)

    def send(self, reply: Reply) -> None:
        """Send a message; Locust keeps them in order, so its statistics come before it."""
        assert self._worker.seal is not None
        self._worker.send_message(REPLY_MESSAGE, self._worker.seal.close(encode(reply)))

    def _take(self, environment: Any, msg: Any, **_: Any) -> None:
        if self._worker.seal is None:
            return
        try:
            command = decode_command(self._worker.seal.open(msg.data))
        except (Forged, msgspec.MsgspecError) as fault:
            log.warning("a command was passed over: %s", fault)
            return
        refusal = self._refusal(command) if isinstance(command, Open) else None
        if isinstance(command, Tick):
            self.send(Tock(time.perf_counter()))
        elif isinstance(command, MeasureLink):
            self.send(self._measured(command))
        elif refusal is not None:
            self.send(Failed(refusal))
        else:
            self._commands.put(command)

    def _measured(self, command: MeasureLink) -> Reply:
        """What the way to the master is like: to its own address alone, whatever it says."""
        try:
            return measure_link(self._worker.master_host, command)
        except OSError as fault:
            return Failed(f"the network to the master can't be measured: {fault}")

    def _refusal(self, command: Open) -> str | None:
        """Why a target is not loaded: the master may name its own address and no other."""
        endpoint = command.target.endpoint
        if isinstance(endpoint.address, str):
            return "a load process on another host only loads over TCP and TLS"
        host = endpoint.address[0]
        if host in {self._worker.master_host, *self._worker.allowed}:
            return None
        return f"a load process was told to load {host}, which isn't its master's address"


def main(address: str, port: int, allowed: frozenset[str]) -> None:
    """Serve the master at an address until it ends; exits with 1 if that was no orderly end."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    # Without options Locust would look for some in files around it.
    environment = Environment(
        user_classes=[SliceServer], parsed_options=Namespace(web_base_path="")
    )
    try:
        worker = FarWorker(
            environment, address, port, token=token_of_environment(), allowed=allowed
        )
    except ConnectionError:
        sys.exit(f"asgi-bench: no master answers at {address}:{port}")
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    environment.runner = worker
    if worker.fault is None:
        worker.greenlet.join()
    sys.exit(worker.fault and f"asgi-bench: {worker.fault}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), frozenset(sys.argv[3:]))
