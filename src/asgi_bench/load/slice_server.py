"""The Locust user that loads one slice after another, as the harness commands."""

import gc
import os
from pathlib import Path
from typing import Any

import gevent
from locust import User, events, task
from locust.runners import MasterRunner, WorkerRunner

from asgi_bench.load.control import Control, SocketControl, WorkerControl
from asgi_bench.load.locust_table import write_table
from asgi_bench.load.master import LoadMaster, leave
from asgi_bench.load.messages import Close, Command, Failed, Load, Open, Quit, Ready, Reply
from asgi_bench.load.target_session import Session


class SliceServer(User):
    """One user that owns every connection of every cell of a run, or its share of each."""

    control: Control

    def on_start(self) -> None:
        """Greet."""
        self._sessions: dict[str, Session] = {}
        # A collection in mid-slice would look like a slow server: sessions collect at their end.
        gc.collect()
        gc.freeze()
        gc.disable()
        self.control.send(Ready((os.getpid(),)))

    def on_stop(self) -> None:
        """Close what is still open."""
        for session in self._sessions.values():
            session.close()

    @task
    def serve(self) -> None:
        """Carry out one command from the harness."""
        command = self.control.receive()
        if isinstance(command, Quit):
            self._quit(command)
            return
        try:
            self.control.send(self._carry_out(command))
        except (KeyError, OSError) as fault:
            self.control.send(Failed(f"{type(command).__name__}: {fault!r}"))
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
            case Close(name=name, is_last_aside=is_last_aside, round_trip_s=round_trip_s):
                session = self._sessions.pop(name)
                return session.close(is_last_aside=is_last_aside, round_trip_s=round_trip_s)
        raise KeyError(type(command).__name__)

    def _quit(self, command: Quit) -> None:
        """End the process; of several, the master writes the table and ends them all."""
        if isinstance(self.control, WorkerControl):
            self.control.flush_statistics()
            self.control.send(Ready(()))
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
        master = LoadMaster(runner)

        def serve(user_count: int, **_: Any) -> None:
            gevent.spawn(master.serve, user_count)

        environment.events.spawning_complete.add_listener(serve)
    elif isinstance(runner, WorkerRunner):
        SliceServer.control = WorkerControl(runner)
    else:
        SliceServer.control = SocketControl()
