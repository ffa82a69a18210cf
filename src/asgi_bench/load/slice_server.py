"""The Locust user that loads one slice after another, as the harness commands."""

import gc
import os
from pathlib import Path
from typing import Any

import gevent
from locust import User, events, task
from locust.runners import MasterRunner, WorkerRunner

from asgi_bench.load.channel import Channel, SocketChannel, WorkerChannel
from asgi_bench.load.locust_table import write_table
from asgi_bench.load.messages import Close, Command, Failed, Load, Open, Quit, Ready, Reply
from asgi_bench.load.relay import Relay, leave
from asgi_bench.load.session import Session


class SliceServer(User):
    """One user that owns every connection of every cell of a run, or its share of each."""

    channel: Channel

    def on_start(self) -> None:
        """Greet."""
        self._sessions: dict[str, Session] = {}
        # A collection in mid-slice would look like a slow server: sessions collect at their end.
        gc.collect()
        gc.freeze()
        gc.disable()
        self.channel.send(Ready((os.getpid(),)))

    def on_stop(self) -> None:
        """Close what is still open."""
        for session in self._sessions.values():
            session.close()

    @task
    def serve(self) -> None:
        """Carry out one command of the harness."""
        command = self.channel.receive()
        if isinstance(command, Quit):
            self._quit(command)
            return
        try:
            self.channel.send(self._carry_out(command))
        except (KeyError, OSError) as fault:
            self.channel.send(Failed(f"{type(command).__name__}: {fault!r}"))
        # After the reply: the harness works meanwhile.
        if isinstance(command, Load) and command.name in self._sessions:
            self._sessions[command.name].feed_when_due()

    def _carry_out(self, command: Command) -> Reply:
        match command:
            case Open(target=target, warmup_s=warmup_s, at_once=at_once, alone=alone):
                session = self._sessions[target.name] = Session(target, self.environment.stats)
                return session.open(warmup_s, at_once, alone)
            case Load(name=name):
                return self._sessions[name].load(command)
            case Close(name=name):
                return self._sessions.pop(name).close()
        raise KeyError(type(command).__name__)

    def _quit(self, command: Quit) -> None:
        """End the process; of several, the master writes the table and ends them all."""
        if isinstance(self.channel, WorkerChannel):
            self.channel.flush_statistics()
            self.channel.send(Ready(()))
        else:
            if command.table is not None:
                write_table(self.environment, Path(command.table))
            leave(self.environment)
        gevent.sleep(STAY_S)


# Who has acknowledged its last report waits to be ended by Locust.
STAY_S = 60.0


@events.init.add_listener
def _attach(environment: Any, runner: Any, **_: Any) -> None:
    """Give the process its role: alone, one of several workers, or the master between."""
    if isinstance(runner, MasterRunner):
        relay = Relay(runner)

        def serve(user_count: int, **_: Any) -> None:
            gevent.spawn(relay.serve, user_count)

        environment.events.spawning_complete.add_listener(serve)
    elif isinstance(runner, WorkerRunner):
        SliceServer.channel = WorkerChannel(runner)
    else:
        SliceServer.channel = SocketChannel()
