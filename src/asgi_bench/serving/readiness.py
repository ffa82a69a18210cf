"""When a server is ready: the correct response, from our own processes, with all workers accepting.

And when it never will be: a supervisor that keeps replacing workers is recognised.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence

import msgspec

from asgi_bench.log_reasons import Rank, exceptions_in, reason_in
from asgi_bench.machine import sockets
from asgi_bench.machine.clocks import tree_cpu_s
from asgi_bench.machine.processes import ProcessTable, process_table, stat_fields
from asgi_bench.machine.tcp_sockets import LISTEN, TcpRow, tcp_rows
from asgi_bench.model import ErrorCounts, Scenario
from asgi_bench.secret_names import held_back_words
from asgi_bench.serving.faults import ServerFault
from asgi_bench.serving.lifespan import startup_wait
from asgi_bench.serving.listeners import describe_holder, holder_of
from asgi_bench.serving.probe import ANSWER_TIMEOUT_S, Probe
from asgi_bench.serving.process import ServerProcess, ended_by

# Servers start on the CPUs that we look from: rest at least five times as long as a look took.
_SHORTEST_REST_S = 0.02
_LONGEST_REST_S = 0.1
_REST_SHARE = 5.0
# An answer of a server that is up comes within this; others aren't waited for in line.
_ANSWER_WAIT_S = 0.005
# A process that listens but has no epoll on its socket (select, io_uring) shows no worker: after
# this time requests must show them.
_BLIND_PROBE_AFTER_S = 1.0
# Between one probe and the next, times the number sent already, to spare a server that boots.
_NEXT_PROBE_AFTER_S = 0.25
_LONGEST_PAUSE_S = 1.0
# Where the time is up: over so long, and from this share of a CPU on, a server is at work.
_BUSY_LOOK_S = 0.2
_BUSY_SHARE = 0.3
SAID_NOTHING = ", without a message"
# Masters start their workers one by one, and look after those that ended every second at most.
_TOO_FEW_AFTER_S = 4.0
# A listener may be in nobody's hands for a moment (passed over a Unix socket, its holder just
# forked): a stranger's stays so.
_STRANGER_LOOKS = 3
# Fields 3, 22 and 52 of proc(5), counted from the third on: state, start and exit code.
_STATE, _START, _EXIT_CODE = 0, 19, 49
# The first deaths may be an accident that a supervisor mends; so many, by one exception, aren't.
FEWEST_CRASHES = 3


class Readiness(msgspec.Struct, frozen=True):
    """A server that can be loaded.

    `startup_s` from the start to the look that found it ready (resolution: the pause between looks,
    20 to 100 ms); `probes_sent` all requests sent to it; `errors` those without a correct response;
    `worker_pids` the processes that accept connections, as far as they are visible.
    """

    startup_s: float
    probes_sent: int
    errors: ErrorCounts
    worker_pids: tuple[int, ...]


class Candidate:
    """One server that is not ready yet: looked at repeatedly."""

    def __init__(
        self,
        process: ServerProcess,
        scenario: Scenario,
        workers: int,
        answer_timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> None:
        self._process = process
        self._scenario = scenario
        self._workers = workers
        self._answer_timeout_s = answer_timeout_s
        self._unanswered_since_s: float | None = None
        self._probes: list[Probe] = []
        self._listening_since_s: float | None = None
        self._stranger_looks = 0
        self._waiting_for = f"nothing listens on {process.endpoint.label}"
        self._answering: set[int] = set()
        self._verified = False
        self._too_few_since_s: float | None = None
        self._turnover = Turnover(workers)

    def look(self, rows: Sequence[TcpRow], table: ProcessTable) -> Readiness | None:
        """Ready, or not yet (None); raises ServerFault if it never will be.

        `rows` must have been read before `table`: then whoever listens is in the table.
        """
        pids = self._process.live_pids(table)
        if self._turnover.note(pids, self._process.root_pids, table):
            self._refuse_crash_loop()
        strangers = self._strange_listeners(rows, table, pids)
        ended = self._process.exit_description
        if ended is not None:
            # The rows may be older than its end, and show what it held itself. Or whoever took the
            # port has come since they were read, and is why it ended.
            strangers = self._strange_listeners(tcp_rows((LISTEN,)), process_table(), ())
        is_seen = ended is not None and holder_of(strangers) is not None
        if strangers and (is_seen or self._stranger_looks >= _STRANGER_LOOKS):
            raise self._fault(
                f"{self._process.endpoint.label} is held by {describe_holder(strangers)}, not "
                "only by this server"
            )
        if ended is not None and not strangers:
            raise self._fault(f"{ended} before it was ready", silence=SAID_NOTHING)
        if strangers or self._listening_since_s is None:
            return None
        accepting = sockets.watchers(self._process.endpoint, pids, rows)
        self._probe(pids, accepting)
        accepting |= self._answering & set(pids)
        if not self._verified:
            return None
        # Where another user's processes hide what they hold, the answers must do.
        if len(accepting) >= self._workers or sockets.unreadable(pids):
            return self._ready(accepting)
        self._waiting_for = f"{len(accepting)} of {self._workers} workers accept"
        self._refuse_too_few(pids, accepting)
        return None

    def _refuse_too_few(self, pids: Sequence[int], accepting: set[int]) -> None:
        """Workers that have no process to be in won't come: the server was told another count."""
        now_s = time.monotonic()
        if len(pids) >= self._workers or self._too_few_since_s is None:
            self._too_few_since_s = now_s
        elif now_s - self._too_few_since_s >= _TOO_FEW_AFTER_S:
            serve = "1 serves" if len(accepting) == 1 else f"{len(accepting)} serve"
            raise self._fault(
                f"asked for {self._workers} workers, {serve}, and no process is left to become "
                "another: something else sets the worker count too; set it only with --workers"
            )

    def give_up(self, timeout_s: float) -> ServerFault:
        """The fault of a server that isn't ready in time."""
        is_busy = self._is_busy()
        reason = f"not ready within {timeout_s:g} s: {self._waiting_for}"
        if self._turnover.ended:
            how = f", the last {end}" if (end := self._turnover.last_end) else ""
            reason += f"; {self._turnover.ended} of its workers ended and were replaced{how}"
            flag = self._process.planned.worker_timeout_flag
            if flag is not None and not exceptions_in(self._process.log.text()):
                reason += f" (--server-args '{flag} SECONDS' gives them longer to start)"
        elif is_busy:
            reason += "; its processes were still busy: allow longer with --startup-timeout"
        elif not reason_in(self._process.log.text(), Rank.PRINTED):
            wait = startup_wait(self._process.planned, self._scenario.app)
            reason += f"; {wait}" if wait else ""
        return self._fault(reason)

    def close(self) -> None:
        """Close the probes' connections."""
        for probe in self._probes:
            probe.close()

    def _strange_listeners(
        self, rows: Sequence[TcpRow], table: ProcessTable, pids: Sequence[int]
    ) -> set[int]:
        """Listeners on our port that none of our processes holds."""
        inodes = sockets.listening_inodes(self._process.endpoint, rows)
        if inodes and self._listening_since_s is None:
            self._listening_since_s = time.monotonic()
            self._waiting_for = f"0 of {self._workers} workers accept"
        strange = _unowned(inodes, pids)
        if strange:
            # Perhaps a daemon of ours that ran away before it was ever seen.
            pids = self._process.live_pids(table, search=True)
            strange = _unowned(inodes, pids)
        if strange and sockets.unreadable(pids):
            strange = set()
        self._stranger_looks = self._stranger_looks + 1 if strange else 0
        return strange

    def _probe(self, pids: Sequence[int], accepting: set[int]) -> None:
        """Send a first request when someone accepts, more if that is the only way to see who."""
        if self._is_probe_due(accepting):
            probe = Probe(self._process.endpoint, self._scenario, self._answer_timeout_s)
            self._probes.append(probe)
        if not self._probes or self._probes[-1].ended_s is not None:
            return
        probe = self._probes[-1]
        state = probe.advance(_ANSWER_WAIT_S)
        if state == "wrong" or (state == "unanswered" and self._is_unanswered_for_long()):
            # What a server that is up has printed needn't be about the answer.
            raise self._fault(probe.text, least=Rank.ERROR)
        if state == "right":
            self._note_answerer(probe, pids, accepting)
        else:
            self._waiting_for = probe.text

    def _is_unanswered_for_long(self) -> bool:
        """Connections are closed without an answer while a server boots, but not for ever."""
        now_s = time.monotonic()
        if self._unanswered_since_s is None:
            self._unanswered_since_s = now_s
        return now_s - self._unanswered_since_s >= self._answer_timeout_s

    def _is_probe_due(self, accepting: set[int]) -> bool:
        now_s = time.monotonic()
        assert self._listening_since_s is not None
        is_blind = now_s - self._listening_since_s >= _BLIND_PROBE_AFTER_S
        if not self._probes:
            return len(accepting) >= self._workers or is_blind
        ended_s = self._probes[-1].ended_s
        is_answered = self._verified and len(accepting) >= self._workers
        pause_s = min(_LONGEST_PAUSE_S, _NEXT_PROBE_AFTER_S * len(self._probes))
        return ended_s is not None and not is_answered and now_s - ended_s >= pause_s

    def _note_answerer(self, probe: Probe, pids: Sequence[int], accepting: set[int]) -> None:
        """Who answered? The connection stays open: the next one may go to another worker."""
        ports = probe.client_ports
        if ports is None:
            # The server closes after its answers: nobody holds the connection any more. Where no
            # epoll shows who accepts, whoever holds the listener may have answered.
            self._verified = True
            if not accepting:
                inodes = sockets.listening_inodes(self._process.endpoint)
                self._answering.update(*sockets.owners(inodes, pids).values())
            return
        owners = sockets.connection_owners(self._process.endpoint, ports, pids)
        if owners.strangers:
            raise self._fault(
                f"a request to {self._process.endpoint.label} was answered by a process that "
                "does not belong to this server"
            )
        self._verified = True
        self._answering.update(owners.by_pid)

    def _ready(self, accepting: set[int]) -> Readiness:
        assert self._process.started_s is not None
        self.close()
        return Readiness(
            startup_s=time.monotonic() - self._process.started_s,
            probes_sent=sum(probe.sent for probe in self._probes),
            errors=self._errors(),
            worker_pids=tuple(sorted(accepting)),
        )

    def _refuse_crash_loop(self) -> None:
        """Raise ServerFault where workers end by the same exception as those they replaced."""
        if not self._turnover.is_a_loop:
            return
        told = exceptions_in(self._process.log.text())
        if told and told.count(told[-1]) >= FEWEST_CRASHES:
            raise self._fault(f"its workers crash on start, {self._turnover.ended} so far")

    def _is_busy(self) -> bool:
        """Whether the processes use a CPU right now."""
        pids = self._process.pids
        before_s, began_s = tree_cpu_s(pids), time.monotonic()
        time.sleep(_BUSY_LOOK_S)
        share = (tree_cpu_s(pids) - before_s) / (time.monotonic() - began_s)
        return share >= _BUSY_SHARE

    def _fault(
        self,
        reason: str,
        *,
        least: Rank = Rank.FRAME,
        silence: str = "",
    ) -> ServerFault:
        """A fault with the line of the log that says why, or with `silence` where none does."""
        self.close()
        told = self._process.explained(reason, least=least, silence=silence)
        held = held_back_words(os.environ, self._process.log.text(), self._process.planned.passed)
        return ServerFault(
            f"{told} ({held})" if held else told,
            probes_sent=sum(probe.sent for probe in self._probes),
            errors=self._errors(),
        )

    def _errors(self) -> ErrorCounts:
        return sum((probe.errors for probe in self._probes), start=ErrorCounts())


class FarCandidate:
    """A server that somebody else started: ready as soon as it responds correctly."""

    def __init__(self, process: ServerProcess, scenario: Scenario, answer_timeout_s: float) -> None:
        self._process = process
        self._scenario = scenario
        self._answer_timeout_s = answer_timeout_s
        self._probes: list[Probe] = []

    def look(self, rows: Sequence[TcpRow], table: ProcessTable) -> Readiness | None:
        """Ready, or not yet (None); raises ServerFault if it never will be."""
        probe = self._probes[-1] if self._probes else None
        if probe is None or probe.ended_s is not None:
            ended_s = 0.0 if probe is None or probe.ended_s is None else probe.ended_s
            if time.monotonic() - ended_s < _NEXT_PROBE_AFTER_S:
                return None
            probe = Probe(self._process.endpoint, self._scenario, self._answer_timeout_s)
            self._probes.append(probe)
        state = probe.advance(_ANSWER_WAIT_S)
        if state == "wrong":
            raise self._fault(probe.text)
        if state != "right":
            return None
        self.close()
        assert self._process.started_s is not None
        return Readiness(
            startup_s=time.monotonic() - self._process.started_s,
            probes_sent=sum(each.sent for each in self._probes),
            errors=self._errors(),
            worker_pids=(),
        )

    def give_up(self, timeout_s: float) -> ServerFault:
        """The fault of a server that gave no correct response in time."""
        why = self._probes[-1].text if self._probes else "no request was sent"
        return self._fault(f"no correct response within {timeout_s:g} s: {why}")

    def close(self) -> None:
        """Close the probes' connections."""
        for probe in self._probes:
            probe.close()

    def _fault(self, reason: str) -> ServerFault:
        self.close()
        return ServerFault(
            f"{self._process.planned.target}: {reason}",
            probes_sent=sum(each.sent for each in self._probes),
            errors=self._errors(),
        )

    def _errors(self) -> ErrorCounts:
        return sum((probe.errors for probe in self._probes), start=ErrorCounts())


def _candidate(
    process: ServerProcess, scenario: Scenario, workers: int, answer_timeout_s: float
) -> Candidate | FarCandidate:
    if process.is_ours:
        return Candidate(process, scenario, workers, answer_timeout_s)
    return FarCandidate(process, scenario, answer_timeout_s)


def _unowned(inodes: set[int], pids: Sequence[int]) -> set[int]:
    """The sockets that none of the processes holds."""
    return {inode for inode, held in sockets.owners(inodes, pids).items() if not held}


def wait_until_ready(
    process: ServerProcess,
    scenario: Scenario,
    workers: int,
    timeout_s: float,
    answer_timeout_s: float = ANSWER_TIMEOUT_S,
) -> Readiness:
    """Wait for one started server, at most `timeout_s` from now; raises ServerFault."""
    (outcome,) = wait_for_all([(process, scenario, workers)], timeout_s, answer_timeout_s)
    if isinstance(outcome, ServerFault):
        raise outcome
    return outcome


def wait_for_all(
    awaited: Sequence[tuple[ServerProcess, Scenario, int]],
    timeout_s: float,
    answer_timeout_s: float = ANSWER_TIMEOUT_S,
) -> list[Readiness | ServerFault]:
    """Wait for started servers side by side, at most `timeout_s` from now, in their order.

    Each with its scenario and the number of workers that must accept. One that fails doesn't delay
    the others; looking at many takes little more than at one. A response that has begun may take
    `answer_timeout_s`.
    """
    candidates = [_candidate(*one, answer_timeout_s) for one in awaited]
    outcomes: dict[int, Readiness | ServerFault] = {}
    deadline_s = time.monotonic() + timeout_s
    try:
        while len(outcomes) < len(candidates):
            look_s = time.monotonic()
            rows, table = tcp_rows((LISTEN,)), process_table()
            for number, candidate in enumerate(candidates):
                if number not in outcomes:
                    outcome = _look(candidate, rows, table)
                    if outcome is None and look_s >= deadline_s:
                        outcome = candidate.give_up(timeout_s)
                    if outcome is not None:
                        outcomes[number] = outcome
            spent_s = time.monotonic() - look_s
            if len(outcomes) < len(candidates):
                time.sleep(min(_LONGEST_REST_S, max(_SHORTEST_REST_S, _REST_SHARE * spent_s)))
    finally:
        for candidate in candidates:
            candidate.close()
    return [outcomes[number] for number in range(len(candidates))]


def _look(
    candidate: Candidate | FarCandidate, rows: Sequence[TcpRow], table: ProcessTable
) -> Readiness | ServerFault | None:
    try:
        return candidate.look(rows, table)
    except ServerFault as fault:
        return fault


class Turnover:
    """The observed children of a server's own processes, and how many of them have ended.

    A supervisor that checks on its workers now and then leaves them as zombies until it does:
    `last_end` is then how the last of them ended.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._live: dict[int, int] = {}
        self.ended = 0
        self.last_end: str | None = None

    @property
    def is_a_loop(self) -> bool:
        """Whether so many have ended that replacements did too."""
        return self.ended > self._workers and self.ended >= FEWEST_CRASHES

    def note(self, pids: Iterable[int], roots: Iterable[int], table: ProcessTable) -> bool:
        """Record who lives now; returns whether some have ended since the last time."""
        parents = set(roots)
        children = {
            pid: table[pid].start_ticks
            for pid in pids
            if pid in table and table[pid].parent in parents
        }
        gone = [one for one in self._live.items() if children.get(one[0]) != one[1]]
        self.ended += len(gone)
        for pid, start_ticks in gone:
            self.last_end = _end_of(pid, start_ticks) or self.last_end
        self._live = children
        return bool(gone)


def _end_of(pid: int, start_ticks: int) -> str | None:
    """How a process ended that nobody has asked yet; None where it isn't there to be read."""
    fields = stat_fields(pid)
    if fields is None or fields[_STATE] != "Z" or int(fields[_START]) != start_ticks:
        return None
    status = int(fields[_EXIT_CODE])  # 0 too where the kernel doesn't tell.
    if status == 0:
        return None
    exited = os.WIFEXITED(status)
    return ended_by(exited, os.WEXITSTATUS(status) if exited else os.WTERMSIG(status))
