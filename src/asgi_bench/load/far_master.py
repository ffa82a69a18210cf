"""Locust's master between the harness and load processes on other hosts.

Run as a module, `python -m asgi_bench.load.far_master ADDRESS PORT COUNT`, with the token and the
harness's end of the control socket in the environment. It admits only load processes that prove to
know the token, and only COUNT of them. Then it is a `LoadMaster` whose messages are sealed, that
announces the start of a slice to each host on the host's own clock, and that sees what the network
between them is like.
"""

import logging
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import gevent
import msgspec
from gevent.event import Event
from gevent.queue import Empty
from locust.env import Environment
from locust.runners import STATE_MISSING, MasterRunner

from asgi_bench import __version__
from asgi_bench.load.control import COMMAND_MESSAGE
from asgi_bench.load.far_clock import FarClock, Trip, far_clock, on_our_clock
from asgi_bench.load.far_words import (
    HELLO,
    REFUSED,
    WELCOME,
    Hello,
    Welcome,
    token_of_environment,
)
from asgi_bench.load.link import LinkListener, link_duration_s
from asgi_bench.load.master import REPLY_TIMEOUT_S, LoadMaster, merge, share_of
from asgi_bench.load.messages import (
    Close,
    Command,
    Failed,
    LinkSeen,
    Load,
    Loaded,
    MeasureLink,
    Open,
    Ready,
    Reply,
    Survey,
    Surveyed,
    Tick,
    Tock,
    decode_reply,
    encode,
)
from asgi_bench.load.seal import Forged, Seal, is_proven, new_nonce, proof
from asgi_bench.load.slice_server import SliceServer
from asgi_bench.model import HostSlice, LoadHost

# The shortest of so many round trips tells how a clock stands. Amid a block it is asked anew, more
# briefly, where that was this long ago: clocks drift by up to 0.1 ms a second.
TRIPS = 16
FEWER_TRIPS = 4
CLOCK_AGE_S = 5.0
TICK_TIMEOUT_S = 5.0
# Slices begin this long after they were ordered: for a message that waits at its host, for each of
# the messages that are sent one after another, and for the way to the farthest host.
FAR_STEP_S = 0.003
STEP_PER_HOST_S = 0.0002
STEP_ROUND_TRIPS = 2
LOOK_EVERY_S = 0.2
# From being let in to being ready; a worker says both in one breath.
READY_S = 10.0
log = logging.getLogger(__name__)


class Member(NamedTuple):
    """A load process that was admitted."""

    hello: Hello
    nonce: bytes
    seal: Seal
    let_in_s: float


class FarMaster(MasterRunner):
    """Locust's master, which ignores anyone who has not proven to know the token."""

    def __init__(
        self, environment: Environment, host: str, port: int, *, token: str, wanted: int
    ) -> None:
        self._token = token
        self._wanted = wanted
        self.members: dict[str, Member] = {}
        self.is_complete = Event()
        super().__init__(environment, host, port)

    def client_listener(self) -> NoReturn:
        """Keep listening, whatever a stranger sends: nothing of it may end the run."""
        while True:
            with suppress(ValueError, TypeError, LookupError, AttributeError):
                super().client_listener()
            log.warning("a message that nobody can read was passed over")

    def handle_message(self, client_id: str, msg: Any) -> None:
        """Take a message from an admitted load process, and none in the name of another."""
        if msg.type == HELLO:
            self._welcome(client_id, msg.data)
        elif client_id in self.members and msg.node_id == client_id:
            super().handle_message(client_id, msg)
            if len(self.clients.ready) == self._wanted == len(self.members):
                self.is_complete.set()

    def _welcome(self, client_id: str, data: object) -> None:
        """Let a worker in, or say why not; who says it again is told the same again."""
        try:
            hello = msgspec.convert(data, Hello)
        except msgspec.ValidationError:
            return
        name = client_id.encode()
        if not is_proven(hello.proof, self._token, "hello", name, hello.nonce):
            log.warning("a load process without the run's token was turned away")
            self.send_message(REFUSED, client_id=client_id, data="it needs the run's token")
            return
        refusal = self._refusal(client_id, hello)
        if refusal is not None:
            self.send_message(REFUSED, client_id=client_id, data=refusal)
            return
        if client_id not in self.members:
            nonce = new_nonce()
            seal = Seal(self._token, "master", name, hello.nonce, nonce)
            self.members[client_id] = Member(hello, nonce, seal, time.monotonic())
        nonce = self.members[client_id].nonce
        told = Welcome(nonce, proof(self._token, "welcome", name, hello.nonce, nonce))
        self.send_message(WELCOME, client_id=client_id, data=msgspec.structs.asdict(told))

    def _is_there(self, client_id: str) -> bool:
        """Whether one that was let in is still there, or about to say that it is ready."""
        if client_id in self.clients:
            return bool(self.clients[client_id].state != STATE_MISSING)
        return time.monotonic() - self.members[client_id].let_in_s < READY_S

    def _refusal(self, client_id: str, hello: Hello) -> str | None:
        if len(self.members) >= self._wanted and not self.is_complete.is_set():
            # One that came and went again leaves its place to another.
            self.members = {name: one for name, one in self.members.items() if self._is_there(name)}
        known = self.members.get(client_id)
        if hello.version != __version__:
            return f"it is asgi-bench {hello.version}, and the run's is {__version__}"
        if known is None and len(self.members) >= self._wanted:
            return f"the run has all the load processes that it waits for ({self._wanted})"
        if known is not None and known.hello.nonce != hello.nonce:
            return "another has its name"
        return None


class FarLoadMaster(LoadMaster):
    """Relays to load processes on other hosts, and notices when one is gone."""

    def __init__(self, runner: FarMaster) -> None:
        self._master = runner
        self._order: list[str] = []
        self._clocks: dict[str, FarClock] = {}
        self._trips_s: dict[str, float] = {}
        self._asked_clocks_s: float | None = None
        self._begin_at_s: float | None = None
        super().__init__(runner)

    def serve(self, workers: int) -> None:
        """Greet once every worker has, then relay until the harness quits."""
        self._order = list(self._master.members)
        super().serve(workers)

    def _relay(self, command: Command, workers: int) -> Reply:
        if isinstance(command, Survey):
            return self._survey(workers)
        if not isinstance(command, Load):
            return super()._relay(command, workers)
        self._look_at_clocks()
        # A lead-in only warms the server up: nobody need wait for an instant.
        self._begin_at_s = None if command.is_lead_in else time.perf_counter() + self._step_s()
        self._share(msgspec.structs.replace(command, begin_at_s=self._begin_at_s), workers)
        return self._collect(workers, REPLY_TIMEOUT_S)

    def _survey(self, workers: int) -> Reply:
        self._ask_clocks(TRIPS)
        duration_s = link_duration_s(self._longest_trip_s())
        with LinkListener(self._master.master_bind_host) as listener:
            asked = MeasureLink(listener.port, listener.word, duration_s)
            return super()._relay(asked, workers)

    def _step_s(self) -> float:
        messages_s = STEP_PER_HOST_S * len(self._order)
        return FAR_STEP_S + messages_s + STEP_ROUND_TRIPS * self._longest_trip_s()

    def _longest_trip_s(self) -> float:
        return max(clock.round_trip_s for clock in self._clocks.values())

    def _share(self, command: Command, workers: int) -> None:
        for index, client in enumerate(self._order):
            share = share_of(command, index, workers)
            if isinstance(share, Load) and share.begin_at_s is not None:
                offset_s = self._clocks[client].offset_s
                share = msgspec.structs.replace(share, begin_at_s=share.begin_at_s + offset_s)
            if isinstance(share, Open):
                share = _with_authority(share)
            if isinstance(share, Close):
                share = msgspec.structs.replace(share, round_trip_s=self._trips_s.get(client))
            self._tell(client, share)

    def _tell(self, client: str, command: Command) -> None:
        sealed = self._master.members[client].seal.close(encode(command))
        self._master.send_message(COMMAND_MESSAGE, sealed, client)

    def _collect(self, count: int, timeout_s: float) -> Reply:
        """Await a reply of each; none of who is gone, which is told."""
        deadline_s = time.monotonic() + timeout_s
        found: dict[str, Reply] = {}
        while len(found) < count:
            lost = self._lost()
            if lost:
                return Failed(f"load host {' and '.join(lost)} is gone: it gave no sign for 3 s")
            try:
                client, reply = self._replies.get(timeout=LOOK_EVERY_S)
            except Empty:
                if time.monotonic() < deadline_s:
                    continue
                return Failed(f"not all of {count} load hosts answered within {timeout_s:g} s")
            # One that came too late tells nothing any more.
            if not isinstance(reply, Tock):
                found[client] = self._as_ours(client, reply)
        return merge([found[client] for client in self._order])

    def _as_ours(self, client: str, reply: Reply) -> Reply:
        """A reply by our clock, with what its host is to be known by."""
        if isinstance(reply, Ready):
            # Its number would be another process's here.
            return Ready(())
        clock = self._clocks.get(client, FarClock())
        ours = on_our_clock(reply, clock.offset_s)
        match ours:
            case Loaded() if self._begin_at_s is not None:
                by_host = (_host_slice(ours, self._begin_at_s),)
                return msgspec.structs.replace(ours, by_host=by_host)
            case LinkSeen(address=address, link=link):
                self._trips_s[client] = link.round_trip_s
                name = self._master.members[client].hello.host
                offset_s = round(clock.offset_s, 6)
                return Surveyed((LoadHost(name, link.round_trip_s, offset_s, address, link),))
        return ours

    def _lost(self) -> list[str]:
        """The names of those that have left, or gave no sign of life."""
        clients = self._master.clients
        return [
            self._master.members[client].hello.host
            for client in self._order
            if client not in clients or clients[client].state == STATE_MISSING
        ]

    def _look_at_clocks(self) -> None:
        """See how the clocks stand, unless that was seen a moment ago."""
        if self._asked_clocks_s is None:
            self._ask_clocks(TRIPS)
        elif time.monotonic() - self._asked_clocks_s >= CLOCK_AGE_S:
            self._ask_clocks(FEWER_TRIPS)

    def _ask_clocks(self, most_trips: int) -> None:
        """See how each host's clock stands to ours."""
        for client in self._order:
            trips: list[Trip] = []
            # Who doesn't answer is gone, which the next reply of all will tell.
            while len(trips) < most_trips and (trip := self._trip(client)) is not None:
                trips.append(trip)
            if trips:
                self._clocks[client] = far_clock(trips)
            self._clocks.setdefault(client, FarClock())
        self._asked_clocks_s = time.monotonic()

    def _trip(self, client: str) -> Trip | None:
        sent_s = time.perf_counter()
        self._tell(client, Tick())
        with suppress(Empty):
            while True:
                teller, reply = self._replies.get(timeout=TICK_TIMEOUT_S)
                if teller == client and isinstance(reply, Tock):
                    return Trip(sent_s, reply.at_s, time.perf_counter())
        return None

    def _take(self, environment: Any, msg: Any, **_: Any) -> None:
        member = self._master.members[msg.node_id]
        try:
            reply = decode_reply(member.seal.open(msg.data))
        except (Forged, msgspec.MsgspecError) as fault:
            log.warning("a reply of %s was passed over: %s", member.hello.host, fault)
            return
        self._replies.put((msg.node_id, reply))


def _with_authority(command: Open) -> Open:
    """The command with the text of the authority's certificate: its file is on this machine."""
    endpoint = command.target.endpoint
    if not endpoint.ca_file:
        return command
    text = Path(endpoint.ca_file).read_text()
    endpoint = msgspec.structs.replace(endpoint, ca_file="", ca_pem=text)
    target = msgspec.structs.replace(command.target, endpoint=endpoint)
    return msgspec.structs.replace(command, target=target)


def _host_slice(loaded: Loaded, begin_at_s: float) -> HostSlice:
    """What one host did in a slice that was announced for an instant of our clock."""
    duration_s = max(loaded.duration_s, 1e-9)
    return HostSlice(
        late_s=round(loaded.begin_s - begin_at_s, 6),
        cpu_share=round(loaded.load_cpu_s / duration_s, 4),
        wait_share=round(loaded.load_wait_s / duration_s, 4),
    )


def main(address: str, port: int, wanted: int) -> None:
    """Wait for this many load processes, give each its user, relay until the harness quits."""
    environment = Environment(user_classes=[SliceServer])
    master = FarMaster(environment, address, port, token=token_of_environment(), wanted=wanted)
    environment.runner = master
    relay = FarLoadMaster(master)

    def serve(user_count: int, **_: Any) -> None:
        gevent.spawn(relay.serve, user_count)

    environment.events.spawning_complete.add_listener(serve)

    def begin() -> None:
        master.is_complete.wait()
        master.start(wanted, spawn_rate=wanted)

    gevent.spawn(begin)
    master.greenlet.join()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
