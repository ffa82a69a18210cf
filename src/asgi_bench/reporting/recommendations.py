"""A recommendation as a document; the verb's last line is the command line to deploy."""

import shlex
from collections.abc import Iterator, Sequence
from pathlib import PurePath

from asgi_bench.analysis.estimates import Interval
from asgi_bench.analysis.recommendation import Recommendation
from asgi_bench.analysis.report import Comparison
from asgi_bench.model import PlannedCell
from asgi_bench.reporting import numbers
from asgi_bench.reporting.document import Document, Item, Items, Section, Text
from asgi_bench.reporting.wording import load_words, objective_words, plain

# What most servers and their documentation take.
DEPLOYED_PORT = "8000"
# The first descriptor that systemd passes on (sd_listen_fds(3)).
INHERITED_FD = "3"
# Found through the app's own folder where it's deployed, and not this machine's.
LEFT_OUT_ENV = ("PYTHONPATH",)
NAMED = 12

TIED = (
    "Statistically tied with it (among ties, the setting with the fewest workers is chosen, "
    "then the default variant, then the better estimate):"
)
NOUNS = {
    "throughput": "requests per second",
    "kept-rate": "the highest rate that met the objective",
    "cpu": "CPU time per request",
}
SHORT_NOUNS = {"throughput": "throughput", "kept-rate": "rate", "cpu": "CPU time"}


def recommendation_document(found: Recommendation) -> Document:
    """What to deploy, why, what it beats by how much, and what can't be told apart from it."""
    cell = found.planned.cell
    version = f" {plain(found.planned.server_version)}" if found.planned.server_version else ""
    return Document(
        title=(
            f"Recommended: {plain(cell.server)}{version}, variant {plain(cell.variant)}, "
            f"{cell.workers} worker{'' if cell.workers == 1 else 's'}"
        ),
        facts=(),
        sections=(
            Section("why", "", (Text(_why(found)),)),
            _section("beaten", "It is better than:", _compared(found.beaten, found)),
            _section("tied", TIED, _compared(found.tied, found)),
            _section("elsewhere", "At other connection counts:", _elsewhere(found)),
            _section("left-out", "Not considered:", _left_out(found)),
            _section("doubts", "Doubts:", _doubts(found)),
            Section("hints", "", tuple(map(Text, _hints(found.planned)))),
        ),
    )


def _section(name: str, title: str, lines: Iterator[str]) -> Section:
    return Section(name, "", (Items(tuple(map(Item, lines)), title),))


def command_line(planned: PlannedCell) -> str:
    """The measured command line, quoted for a shell, with a port and the interpreter's name."""
    first, *others = planned.command
    program = PurePath(first).name
    words = ["python" if program.startswith("python") else first, *others]
    filled = [word.replace("{port}", DEPLOYED_PORT).replace("{fd}", INHERITED_FD) for word in words]
    env = [
        f"{name}={shlex.quote(value)}"
        for name, value in planned.env.items()
        if name not in LEFT_OUT_ENV
    ]
    return plain(" ".join([*env, shlex.join(filled)]))


def _why(found: Recommendation) -> str:
    """What it was best at, under which load, from how many rounds, by how much."""
    cell = found.planned.cell
    others = len(found.beaten) + len(found.tied)
    where = f"{plain(cell.request_key)}, {load_words(cell.load)}"
    limit = f"at most {found.workers_most} worker{'' if found.workers_most == 1 else 's'}"
    if found.objective is not None:
        where += f", {objective_words(found.objective)}"
    if not others:
        return (
            f"Why: it is the only setting of run {plain(found.run_id)} that could be considered "
            f"({where}; {limit}), so it was not compared with any other."
        )
    figure = f" {_estimate(found)}." if found.estimate.value is not None else ""
    return (
        f"Why: of {others + 1} settings in run {plain(found.run_id)} ({where}; {limit}; "
        f"{found.rounds} rounds), none is better in {NOUNS[found.basis]}.{figure}"
    )


def _estimate(found: Recommendation) -> str:
    """Its figure, over the reference's where there is one."""
    estimate = found.estimate
    if found.reference is not None and found.reference != found.planned.cell.setting:
        return (
            f"It reached {numbers.times(estimate.value)} times the figure of "
            f"{plain(found.reference)}{_bounds(estimate)}"
        )
    if found.reference is not None:
        return "It is the reference itself"
    if found.basis == "cpu":
        return f"It takes {numbers.microseconds(estimate.value)} µs per request"
    return f"It reached {numbers.rate(estimate.value)} requests/s"


def _bounds(interval: Interval) -> str:
    if interval.lower is None or interval.upper is None:
        return ""
    return f" (95%: {numbers.times(interval.lower)} to {numbers.times(interval.upper)})"


def _compared(comparisons: Sequence[Comparison], found: Recommendation) -> Iterator[str]:
    """Each of the others with the ratio to it, the nearest first."""
    nearest = sorted(comparisons, key=lambda each: abs((each.ratio.value or 1.0) - 1.0))
    for each in nearest[:NAMED]:
        yield (
            f"{_setting(each.b)}: {numbers.times(each.ratio.value)} times its "
            f"{SHORT_NOUNS[found.basis]}{_bounds(each.ratio)}"
        )
    if len(nearest) > NAMED:
        yield f"and {len(nearest) - NAMED} more"


def _elsewhere(found: Recommendation) -> Iterator[str]:
    """Where the order turns over, and where it doesn't."""
    for each in found.elsewhere:
        where = f"at {each.connections} connections"
        if not each.better:
            yield f"{where} no setting was shown to be better"
        for pair in each.better[:NAMED]:
            yield (
                f"{where} {_setting(pair.b)} is better: this one has "
                f"{numbers.times(pair.ratio.value)} times its throughput{_bounds(pair.ratio)}"
            )


def _setting(key: str) -> str:
    """A cell's setting out of its key: `uvicorn/default/w1`."""
    return plain("/".join(key.split("/")[:3]))


def _left_out(found: Recommendation) -> Iterator[str]:
    """What was not considered, by reason: settings, then scenarios and loads."""
    by_reason: dict[str, list[str]] = {}
    for key, reason in found.left_out:
        setting = _setting(key)
        names = by_reason.setdefault(plain(reason), [])
        if setting not in names:
            names.append(setting)
    yield from (f"{', '.join(names)}: {reason}" for reason, names in by_reason.items())
    if found.apart:
        cell = found.planned.cell
        only = plain(f"{cell.request_key}/{cell.load.key}")
        names = [*map(plain, found.apart[:NAMED]), *(["…"] if len(found.apart) > NAMED else [])]
        yield f"{', '.join(names)}: only {only} is compared; elsewhere others may be better"


def _doubts(found: Recommendation) -> Iterator[str]:
    """What was found on the recommended cell, and claims that hang on single rounds."""
    yield from map(plain, found.doubts)
    shaky = [_setting(each.b) for each in found.beaten if not each.holds_trimmed]
    if shaky:
        yield f"better than {', '.join(shaky)} only because of the most extreme rounds"


def _hints(planned: PlannedCell) -> Iterator[str]:
    """What to know before the command line is used elsewhere."""
    yield (
        "This is the measured command line, with port 8000: run it where the app can be "
        "imported, and set address, logging and timeouts as you need them."
    )
    if planned.socket_sharing == "inherited":
        yield (
            f"It inherits its listening socket as descriptor {INHERITED_FD}, as with systemd's "
            "socket activation; start one process per worker."
        )
