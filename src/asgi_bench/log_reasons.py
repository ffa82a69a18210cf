"""The line of a program's log that says why it failed, whoever wrote the log.

Programs end with sentences that say nothing ("Worker failed to boot"), and Python's frames of
exception groups, warnings and what is told of a stop come after the cause. So the lines are ranked:
the exception at the end of the last traceback, the last error, what was printed, then the rest.
"""

import re
from collections.abc import Iterator
from enum import IntEnum
from typing import Any, NamedTuple

import msgspec

from asgi_bench.plain_text import harmless

LONGEST = 300

_TERMINAL_CODES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
# What Python draws around the exceptions of a group, and libraries around tracebacks.
_GROUP_MARGIN = re.compile(r"\s*\| ?")
_GROUP_FRAME = re.compile(r"\s*\+[-+]+(?:\s(?P<number>\d+|\.\.\.)\s-+)?")
_BOX = "╭╰│┃─╮╯❱└┌┐┘ "
_TRACEBACK = "Traceback (most recent call last)"
_OF_A_TRACEBACK = re.compile(r"[\s>│┃╭╰❱└]|$")
# Frames of a traceback whose beginning lies before the part of the log that was read.
_FRAME = re.compile(r'\s+File "[^"]+", line \d+(?:, in |$)')
_FATAL = re.compile(r"Fatal Python error: |.*\bpanicked at\b")
# Their traceback tells of tidying up, not of a cause.
_ASIDE = re.compile(r"Exception ignored in|.*Task was destroyed but it is pending")
_WARNING = re.compile(r".*\b[A-Za-z]*Warning: |.*\bWARN(?:ING)?\b")
_ERROR = re.compile(r".{0,80}?(?:^|[\s\[|:<(])(?:ERROR|CRITICAL|FATAL|[Ee]rror|[Ff]atal)[\s\]|:>)]")
_QUIET = re.compile(r".{0,80}?(?:^|[\s\[|:<(])(?:DEBUG|INFO|TRACE|NOTICE)(?:[\s\]|:>)]|$)")
# A line that begins a record of its own, and so ends the message of an exception.
_RECORD = re.compile(
    r"$|\[|\d{4}-\d\d|[A-Z]+:? {2,}|(?:DEBUG|INFO|WARNING|ERROR|CRITICAL)\b|Process |The above exc"
    r"|During handling of|Task exception|Future exception|Exception |Traceback |.*Warning: "
)
# Ends that a signal or a stop made; no cause of a failure.
_ENDS = re.compile(
    r"(?:.*\.)?(?:CancelledError|KeyboardInterrupt|GeneratorExit|HaltServer|SystemExit: \d+$"
    r"|SystemExit$)|<HaltServer"
)
# That the start failed is more than how the processes ended after it.
_STARTUP_FAILED = re.compile(
    r".*(?:Application startup failed|lifespan startup failed|was sent SIG[A-Z]+!)", re.IGNORECASE
)
_AFTERMATH = re.compile(
    r".*(?:Unexpected exit from worker|Child process \[\d+\]|[Ww]orker \(?pid:? ?\d+\)? ?exited"
    r"|Shutting down|Worker failed to boot|Stopping parent process|Exception in worker process"
    r"|Process Spawn\w*-\d+:|Process \w+-\d+:|exception was never retrieved|Unclosed |^future: "
    r"|During handling of the above exception|The above exception was the direct cause"
    r"|run with `RUST_BACKTRACE|object at 0x\w+>$)"
)
# What structured logs call their parts, the most telling first.
_JSON_KEYS = (
    *("exception", "exc_info", "traceback", "stack", "stack_trace"),
    *("message", "event", "msg", "error"),
)
_JSON_LEVELS = ("level", "levelname", "severity", "log_level", "level_name")
# When and by whom a line was written differs from round to round, and says nothing of why.
_STAMP = re.compile(
    r"\[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[\d.,]*(?: ?[+-]\d\d:?\d\d|Z)?\]?\s*(?:\[\d+\]\s*)?"
)
# Lines of one exception's message that are quoted with its first.
_MESSAGE_LINES = 4


class Rank(IntEnum):
    """How much a line tells of a failure."""

    FRAME = 0
    QUIET = 1
    AFTERMATH = 2
    PRINTED = 3
    STARTUP_FAILED = 4
    ERROR = 5
    EXCEPTION = 6


class Line(NamedTuple):
    """One line of a log, or an exception with its message, and what it is worth."""

    text: str
    rank: Rank


def reason_in(log: str, least: Rank = Rank.FRAME) -> str | None:
    """Return the line that says why a program failed, short; None where none has such a rank."""
    best: Line | None = None
    for line in _ranked(_plain_lines(log)):
        is_told = bool(harmless(line.text).strip())
        if is_told and (best is None or line.rank >= best.rank):
            best = line
    if best is None or best.rank < least:
        return None
    text = _STAMP.sub("", best.text, count=1) if _STAMP.match(best.text) else best.text
    text = harmless(text).strip() or harmless(best.text).strip()
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def exceptions_in(log: str) -> list[str]:
    """Return the exceptions that a log's tracebacks end with, in their order."""
    lines = _ranked(_plain_lines(log))
    return [line.text for line in lines if line.rank is Rank.EXCEPTION]


def _plain_lines(log: str) -> Iterator[str]:
    """Yield the lines without colours and margins; those of structured logs in plain words."""
    for line in _TERMINAL_CODES.sub("", log).splitlines():
        if line.startswith("{"):
            yield from _of_json(line)
        else:
            yield _GROUP_MARGIN.sub("", line, count=1) if _GROUP_MARGIN.match(line) else line


def _of_json(line: str) -> list[str]:
    try:
        record: Any = msgspec.json.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return [line]
    texts = [text for key in _JSON_KEYS if isinstance(text := record.get(key), str) and text]
    if not texts:
        return [line]
    level = next((str(record[key]).upper() for key in _JSON_LEVELS if key in record), "")
    first, *more = texts[0].splitlines()
    return [f"{level}: {first}" if level else first, *more, ""]


def _ranked(lines: Iterator[str]) -> Iterator[Line]:
    """Yield every line with its rank, and of each traceback the exception alone."""
    rest = list(lines)
    at = 0
    in_traceback = is_aside = False
    while at < len(rest):
        line = rest[at]
        at += 1
        frame = _GROUP_FRAME.fullmatch(line)
        if _TRACEBACK in line or _FRAME.match(line) or (frame is not None and frame["number"]):
            in_traceback = True
        elif frame is not None or (in_traceback and _OF_A_TRACEBACK.match(line)):
            continue
        elif in_traceback or _FATAL.match(line):
            text, at = _with_message(line, rest, at)
            if not is_aside:
                yield Line(text, Rank.AFTERMATH if _ENDS.match(text) else Rank.EXCEPTION)
            in_traceback = is_aside = False
        elif _ASIDE.match(line):
            is_aside = True
        elif text := line.strip(_BOX + "\t"):
            yield Line(text, _rank(line))


def _with_message(first: str, lines: list[str], at: int) -> tuple[str, int]:
    """Return an exception with its message's further lines, and where the log goes on.

    Those end with an indented one: whatever stands flush after it may be another's.
    """
    more: list[str] = []
    for line in lines[at:]:
        if _RECORD.match(line) or _GROUP_FRAME.fullmatch(line) or _TRACEBACK in line:
            break
        more.append(line)
    while more and not more[-1].startswith((" ", "\t")):
        more.pop()
    if not more and first.rstrip().endswith(":") and at < len(lines):
        more = [lines[at]]  # Rust's panics tell their message in the next line.
    parts = [part.strip() for part in (first, *more[:_MESSAGE_LINES])]
    return " / ".join(part for part in parts if part), at + len(more)


def _rank(line: str) -> Rank:
    if line.startswith((" ", "\t")):
        return Rank.FRAME
    if _AFTERMATH.match(line):
        return Rank.AFTERMATH
    if _STARTUP_FAILED.match(line):
        return Rank.STARTUP_FAILED
    if _WARNING.match(line) or _QUIET.match(line):
        return Rank.QUIET
    return Rank.ERROR if _ERROR.match(line) else Rank.PRINTED
