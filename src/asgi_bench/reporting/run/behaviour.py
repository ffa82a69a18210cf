"""How servers behaved: a table, and sentences in plain words."""

from collections.abc import Iterator, Mapping

from asgi_bench.model import (
    Behaviour,
    GracefulStop,
    IdleKeepAlive,
    Losses,
    Overload,
    WorkerRestart,
)
from asgi_bench.reporting import numbers
from asgi_bench.reporting.columns import Column, heads
from asgi_bench.reporting.document import Entry, Item, Items, Notes, Row, Section, Table
from asgi_bench.reporting.run.rows import facets
from asgi_bench.reporting.run.source import Source
from asgi_bench.reporting.wording import plain

# Answers in overload below this share of the capacity are a collapse, not a loss of some per cent:
# the capacity itself, measured for a second, scatters by some 20 % on a shared machine.
KEPT_SHARE = 0.7
PARTS = ("stop", "overload", "idle", "restart")

NOTES = (
    "Each part runs once, under load, in fresh processes; nothing here affects a ranking.",
    "Stop: SIGTERM in the middle of closed-loop load. Lost: requests that were in flight at the "
    "signal or sent after it and got no correct response.",
    "Overload: responses per second, in percent of the server's own throughput, while more was "
    "offered than it can handle. Back: time until the median is normal again. Growth: of its "
    "memory (PSS).",
    "Idle: time until an idle connection is closed. Restart: time from killing a worker until "
    "another one serves.",
)


def behaviour_section(source: Source) -> Section:
    """A table of all settings, then each in words."""
    seen = source.report.behaviour
    table = Table(heads(COLUMNS), tuple(map(_row, seen)))
    notes = NOTES if seen else ()
    return Section(
        "behaviour",
        "Behaviour",
        (table, Notes(notes), *map(_entry, seen)),
        is_closing=True,
    )


def _row(behaviour: Behaviour) -> Row:
    texts = tuple(column.text(behaviour) for column in COLUMNS)
    return Row(texts, facets=_facets(behaviour))


def _entry(behaviour: Behaviour) -> Entry:
    items = tuple(map(Item, sentences(behaviour)))
    return Entry(behaviour.setting, (Items(items),), facets=_facets(behaviour))


def _facets(behaviour: Behaviour) -> Mapping[str, str]:
    return facets(plain(behaviour.server), behaviour.workers, plain(behaviour.scenario))


def _name(behaviour: Behaviour) -> str:
    return plain(behaviour.setting)


def _stop_lost(behaviour: Behaviour) -> str:
    return numbers.count(behaviour.stop.losses.lost if behaviour.stop else None)


def _stop_s(behaviour: Behaviour) -> str:
    stop = behaviour.stop
    if stop is None:
        return numbers.MISSING
    return f"> {numbers.tick(stop.limit_s)}" if stop.was_killed else numbers.seconds(stop.stop_s)


def _exit(behaviour: Behaviour) -> str:
    stop = behaviour.stop
    return numbers.MISSING if stop is None or stop.exit_code is None else str(stop.exit_code)


def _kept(behaviour: Behaviour) -> str:
    overload = behaviour.overload
    return numbers.percent(overload.throughput_share if overload else None)


def _overload_lost(behaviour: Behaviour) -> str:
    return numbers.count(behaviour.overload.losses.lost if behaviour.overload else None)


def _back(behaviour: Behaviour) -> str:
    overload = behaviour.overload
    if overload is None:
        return numbers.MISSING
    if overload.recovery_s is None:
        return f"> {numbers.tick(overload.recovery_limit_s)}"
    return numbers.seconds(overload.recovery_s)


def _growth(behaviour: Behaviour) -> str:
    overload = behaviour.overload
    if overload is None or overload.pss_peak_bytes is None or overload.pss_before_bytes is None:
        return numbers.MISSING
    return numbers.mebibytes(max(overload.pss_peak_bytes - overload.pss_before_bytes, 0))


def _idle(behaviour: Behaviour) -> str:
    idle = behaviour.idle
    if idle is None:
        return numbers.MISSING
    if idle.earliest_s is None:
        return f"> {numbers.tick(idle.watched_s)}"
    return numbers.seconds(idle.earliest_s)


def _restart_s(behaviour: Behaviour) -> str:
    restart = behaviour.restart
    if restart is None:
        return numbers.MISSING
    if not restart.survived:
        return "ended"
    if restart.replaced_after_s is None:
        return f"> {numbers.tick(restart.limit_s)}"
    return numbers.seconds(restart.replaced_after_s)


def _restart_lost(behaviour: Behaviour) -> str:
    return numbers.count(behaviour.restart.losses.lost if behaviour.restart else None)


COLUMNS = (
    Column("server setting", "", _name, "left"),
    Column("stop", "lost", _stop_lost),
    Column("stop", "s", _stop_s),
    Column("exit", "code", _exit),
    Column("kept", "%", _kept),
    Column("overload", "lost", _overload_lost),
    Column("back", "s", _back),
    Column("growth", "MiB", _growth),
    Column("idle", "s", _idle),
    Column("restart", "s", _restart_s),
    Column("restart", "lost", _restart_lost),
)


def sentences(behaviour: Behaviour) -> tuple[str, ...]:
    """What was observed of one server setting, in plain words, one sentence per part."""
    return tuple(_sentences(behaviour))


def _sentences(behaviour: Behaviour) -> Iterator[str]:
    if behaviour.stop is not None:
        yield stop_words(behaviour.stop)
    if behaviour.overload is not None:
        yield overload_words(behaviour.overload)
    if behaviour.idle is not None:
        yield idle_words(behaviour.idle)
    if behaviour.restart is not None:
        yield restart_words(behaviour.restart)
    for part in PARTS:
        if part in behaviour.missing:
            yield f"{part}: {plain(behaviour.missing[part])}"


def stop_words(stop: GracefulStop) -> str:
    """How a server ended under load."""
    under_way = f"the {stop.in_flight} requests in flight"
    if stop.in_flight_lost:
        text = f"{stop.in_flight_lost} of {under_way} were lost"
    else:
        text = f"{under_way} were all answered"
    later = stop.losses.lost - stop.in_flight_lost
    if later:
        text += f", {numbers.count(later)} sent after the signal were lost"
    text += _kinds(stop.losses)
    if stop.was_killed:
        end = f"it did not end within {numbers.tick(stop.limit_s)} s and had to be killed"
    else:
        end = f"it ended after {numbers.seconds(stop.stop_s)} s with exit code {stop.exit_code}"
    return f"stop under load: {text}; {end}"


def overload_words(overload: Overload) -> str:
    """What a server did under an overload, and afterwards."""
    share = numbers.percent(overload.throughput_share)
    offered = numbers.percent(overload.offered_rps / overload.capacity_rps)
    manner = "kept answering" if overload.throughput_share >= KEPT_SHARE else "broke down"
    text = f"overload: offered {offered}% of its own throughput it {manner}, {share}% of it"
    if overload.losses.lost:
        text += f", and lost {numbers.count(overload.losses.lost)} requests"
        text += _kinds(overload.losses)
    if overload.service_p99_s is not None:
        text += f", responses within {numbers.milliseconds(overload.service_p99_s)} ms of sending"
        text += " (p99)"
    if overload.recovery_s is None:
        return f"{text}; not normal again within {numbers.tick(overload.recovery_limit_s)} s"
    return f"{text}; normal again after {numbers.seconds(overload.recovery_s)} s"


def idle_words(idle: IdleKeepAlive) -> str:
    """When idle connections are closed."""
    if not idle.closed or idle.earliest_s is None:
        return f"idle connections: still open after {numbers.tick(idle.watched_s)} s"
    text = f"idle connections: closed after {numbers.seconds(idle.earliest_s)} s"
    if idle.sent_near:
        text += f"; of {idle.sent_near} requests sent near that moment, {idle.lost_near} were lost"
    return text


def restart_words(restart: WorkerRestart) -> str:
    """What a killed worker cost."""
    lost = f"{numbers.count(restart.losses.lost)} requests lost{_kinds(restart.losses)}"
    of = f"1 of {restart.workers} workers" if restart.workers > 1 else "the only worker"
    if not restart.survived:
        return f"restart: killing {of} ended the whole server; {lost}"
    if restart.replaced_after_s is None:
        limit_s = numbers.tick(restart.limit_s)
        return f"restart: {of} killed and not replaced within {limit_s} s; {lost}"
    return (
        f"restart: {of} killed, another served after "
        f"{numbers.seconds(restart.replaced_after_s)} s; {lost}"
    )


def _wrong(losses: Losses) -> str:
    """The word for wrong answers, with the first of them where it is known."""
    return f"wrong, the first {plain(losses.first_wrong)}" if losses.first_wrong else "wrong"


def _kinds(losses: Losses) -> str:
    """The kinds of losses there are: ` (3 reset, 1 truncated, 20 connections refused)`."""
    parts = [
        f"{numbers.count(number)} {words}"
        for number, words in (
            (losses.reset, "reset"),
            (losses.truncated, "truncated"),
            (losses.wrong, _wrong(losses)),
            (losses.timeout, "without a response in time"),
            (losses.refused, "connections refused"),
        )
        if number
    ]
    return f" ({', '.join(parts)})" if parts else ""
