"""Did the server under test respond, and correctly? Rules on what came back, and from whom."""

import msgspec

from asgi_bench.analysis.sweeps import open_figures
from asgi_bench.analysis.validity.evidence import Evidence
from asgi_bench.model import Cell, Reason, Trial, UserFigures, WrongAnswer
from asgi_bench.model.figures import sent_in_slices

# One wrong answer in a thousand: a server may drop a request under load, not make a habit of it.
MAX_ERROR_SHARE = 0.001
# nginx, the fastest there is, takes 6.6 µs for a request, nearly all of it the kernel's for a read
# and a write (results/recorded/generator/peers.json). A third of it leaves room for fast machines.
LEAST_CPU_S_PER_REQUEST = 2e-6
# As many requests elsewhere as there may be wrong answers.
MOST_ELSEWHERE_SHARE = 0.001
# So many are told in a sentence; the rest stands in the files.
TOLD = 3
# Wrong answers that only some workers gave are a matter of those workers, up to so few others.
STRAY_SHARE = 0.01


def server_ended(seen: Evidence) -> Reason | None:
    """The server ended under load: the figures after that belong to no server."""
    trial = seen.trial
    if trial.server_ended is None:
        return None
    unanswered = trial.errors_total.reset + trial.errors_total.timeout
    answered = max(trial.sent_total - unanswered, 0)
    return Reason(
        code="server-ended",
        level="invalid",
        value=float(answered),
        limit=None,
        text=f"the server {trial.server_ended} under load, after {answered} requests; see its "
        "log, and check its flags for a limit",
    )


def errors(seen: Evidence) -> Reason | None:
    """Wrong responses under load, with the first of each kind.

    What an overloaded open loop never sent counts among the errors, although it had no response,
    right or wrong: a schedule of more than the server can handle is a finding of its own, whether
    or not the queue grew beyond the time-out.
    """
    trial, cell = seen.trial, seen.cell
    unsent = sum(figures.unsent for figures in open_figures(trial.slices))
    wrong = trial.errors.total - unsent
    if wrong <= 0:
        return None
    sent = max(sent_in_slices(trial), wrong)
    share = wrong / sent
    kinds = ", ".join(
        f"{count} {kind}"
        for kind, total in msgspec.structs.asdict(trial.errors).items()
        if (count := total - unsent if kind == "timeout" else total)
    )
    told = wrong_words(trial, cell)
    is_answered = trial.errors.status + trial.errors.body > trial.errors.total / 2
    advice = () if is_answered and told else ("see the server's log, or load it less",)
    return Reason(
        code="errors",
        level="invalid" if share > MAX_ERROR_SHARE else "suspect",
        value=share,
        limit=MAX_ERROR_SHARE,
        text=f"{wrong} of {sent} requests got no correct response ({kinds}): "
        + "; ".join((*told, *advice)),
    )


def elsewhere(seen: Evidence) -> Reason | None:
    """A server that somebody else started: what its figures lack."""
    url = seen.trial.target
    if url is None:
        return None
    return Reason(
        code="elsewhere",
        level="valid",
        value=None,
        limit=None,
        text=f"{url} was already running: its CPU time, memory, workers and log are not known, "
        "nor whether it or the network was the limit; response times include the network",
    )


def no_answers(seen: Evidence) -> Reason | None:
    """Nothing to compute a rate from."""
    trial = seen.trial
    if trial.requests and trial.duration_s > 0:
        return None
    return Reason(
        code="no-answers",
        level="invalid",
        value=float(trial.requests),
        limit=1.0,
        text="not one correct response came under load; see what came instead",
    )


def not_as_asked(seen: Evidence) -> Reason | None:
    """What ran is not what was requested, as the setting's proof reported from inside."""
    trial = seen.trial
    if not trial.differs:
        return None
    return Reason(
        code="not-as-asked",
        level="invalid",
        value=float(len(trial.differs)),
        limit=0.0,
        text=f"what ran is not what was requested: {'; '.join(trial.differs)}",
    )


def is_credited(trial: Trial) -> bool:
    """Whether it was the server under test that responded, as far as rules can tell."""
    return all(reason.level != "invalid" for reason in credit(trial))


def credit(trial: Trial) -> tuple[Reason, ...]:
    """Every finding on who responded: what the server didn't do invalidates a trial."""
    users = trial.users
    found = [_stranger(trial), _idle(trial)]
    if users is not None:
        sent = trial.requests + trial.errors.total
        found += [_elsewhere(users, sent), _unplaced(users, sent), _held(users)]
    return tuple(reason for reason in found if reason is not None)


def _stranger(trial: Trial) -> Reason | None:
    """Another program's process answered on the server's port."""
    if not trial.strangers:
        return None
    return Reason(
        code="stranger",
        level="invalid",
        value=float(trial.strangers),
        limit=0.0,
        text=f"{trial.strangers} connections were held by a process that isn't the server's; "
        "stop whatever else listens on this machine and measure again",
    )


def _idle(trial: Trial) -> Reason | None:
    """Answers that no process of the server's can have had the time for."""
    if not trial.requests or trial.target is not None:
        return None
    cpu_s = trial.server_cpu_s / trial.requests
    if cpu_s >= LEAST_CPU_S_PER_REQUEST:
        return None
    return Reason(
        code="idle-server",
        level="invalid",
        value=cpu_s,
        limit=LEAST_CPU_S_PER_REQUEST,
        text=f"{trial.requests} requests were answered while the server's processes did nothing: "
        f"{cpu_s * 1e6:.1f} µs of CPU time per request, and no server needs less than "
        f"{LEAST_CPU_S_PER_REQUEST * 1e6:.0f}; something else answered",
    )


def _elsewhere(users: UserFigures, sent: int) -> Reason | None:
    """Requests whose URLs name another host."""
    if not users.elsewhere:
        return None
    share = users.elsewhere / max(sent, users.elsewhere)
    return Reason(
        code="other-host",
        level="invalid" if share > MOST_ELSEWHERE_SHARE else "suspect",
        value=share,
        limit=MOST_ELSEWHERE_SHARE,
        text=f"{users.elsewhere} of {sent} requests went to {users.elsewhere_host}, which isn't "
        "the server under test; use paths without a host in the locustfile, and follow no "
        "redirects to other hosts",
    )


def _unplaced(users: UserFigures, sent: int) -> Reason | None:
    """Requests of which nobody knows where they went, where not all can have been the server's."""
    if not users.unplaced or (users.unplaced >= sent and not users.connections_elsewhere):
        return None
    is_elsewhere = bool(users.connections_elsewhere)
    whose = (
        f"the load process has {users.connections_elsewhere} connections to {users.connected_to}"
        if is_elsewhere
        else "others do: those are counted as well"
    )
    return Reason(
        code="unplaced-requests",
        level="invalid" if is_elsewhere else "suspect",
        value=float(users.unplaced),
        limit=0.0,
        text=f"{users.unplaced} of {sent} requests that the locustfile reported have no URL, and "
        f"{whose}; report only requests to the server under test",
    )


def _held(users: UserFigures) -> Reason | None:
    """A host that a locustfile set, and that was not asked."""
    if users.host_asked is None:
        return None
    return Reason(
        code="host-held",
        level="valid",
        value=None,
        limit=None,
        text=f"the locustfile set the host to {users.host_asked}; its users sent their requests "
        "to the server under test all the same",
    )


def wrong_words(trial: Trial, cell: Cell) -> tuple[str, ...]:
    """Say what came instead of correct responses, in parts of a sentence; none if unknown.

    All quoted text comes from outside.
    """
    seen = [wrong for wrong in trial.wrong_answers if wrong.count] or list(trial.wrong_answers)
    told = sorted(seen, key=lambda wrong: -wrong.count)[:TOLD]
    parts = [answer_words(wrong, with_count=len(seen) > 1) for wrong in told]
    if len(seen) > len(told):
        parts.append(f"{len(seen) - len(told)} more kinds are in trials.jsonl")
    parts += [_unanswered(trial, cell), _of_some_workers(trial, cell)]
    return tuple(part for part in parts if part)


def answer_words(wrong: WrongAnswer, *, with_count: bool = False) -> str:
    """One wrong response: what is wrong with it, and what it says itself."""
    said = [f"{name}: {value}" for name, value in wrong.headers.items()]
    if wrong.body is not None:
        said.append(f"body: {wrong.body}" if wrong.body_bytes else "no body")
    parts = [
        f"{wrong.count} times " if with_count else "",
        wrong.text,
        f" to {wrong.request}" if wrong.request else "",
        f" from process {wrong.pid}" if wrong.pid is not None else "",
        f" ({', '.join(said)})" if said else "",
    ]
    return "".join(parts)


def _unanswered(trial: Trial, cell: Cell) -> str:
    """Connections that got nothing at all."""
    if not trial.unanswered_connections:
        return ""
    return (
        f"{trial.unanswered_connections} of {cell.load.connections} connections never got an answer"
    )


def _of_some_workers(trial: Trial, cell: Cell) -> str:
    """Whether only some of several workers answer wrongly, which one worker alone would not."""
    counts = trial.wrong_by_process
    holding = len(trial.connections_by_process)
    total = sum(counts.values())
    if cell.workers < 2 or holding < 2 or not total:
        return ""
    guilty = [pid for pid, count in counts.items() if count > STRAY_SHARE * total]
    if len(guilty) >= holding:
        return ""
    return (
        f"only {len(guilty)} of {holding} workers sent wrong responses (process "
        f"{', '.join(guilty)}): the app probably keeps state within one worker; measure with -w "
        "1, or share the state among workers"
    )
