"""The fault matrix as data: for each phase and fault what must come of it, or why nothing can."""

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple, TypeAlias

# The life of a run, in its order.
PHASES = (
    *("install", "import", "start", "ready", "verify", "warm-up"),
    *("slice", "drain", "stop", "write", "report"),
)
SERVER_FAULTS = {
    "exits": "the server exits",
    "is-killed": "the server is killed",
    "stops-answering": "the server stops answering",
    "answers-slowly": "the server answers slowly",
    "wrong-body": "the server answers with a wrong body",
    "closes-connections": "the server closes every connection",
    "leaks": "the server leaks until the memory limit",
    "forks-a-child": "the server forks a child that survives it",
    "ignores-sigterm": "the server ignores SIGTERM",
    "floods-its-log": "the server floods its log",
    "binds-another-port": "the server binds another port",
    "squats-ports": "the server squats the next ports",
}
LOAD_FAULTS = {
    "load-killed": "the load process is killed",
    "load-stopped": "the load process is stopped (SIGSTOP)",
    "load-starved": "the load process is starved of its CPU",
}
# How far the time of day jumps, by the phase at which it does.
CLOCK_STEPS_S = {"start": 86_400, "slice": -86_400}
SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGKILL")
HARNESS_FAULTS = {
    **{name.lower(): f"asgi-bench gets {name}" for name in SIGNALS},
    "disk-full": "the disk of the results is full",
    "read-only": "the folder of the results can't be written",
    "clock-stepped": "the machine's clock is stepped",
    "few-descriptors": "asgi-bench may open 64 files",
    "second-harness": "a second asgi-bench starts",
    "resumed": "the run was killed here, and `--resume` goes on",
}
FAULTS = {**SERVER_FAULTS, **LOAD_FAULTS, **HARNESS_FAULTS}

How: TypeAlias = Literal["server", "load", "signal", "disk", "harness"]


class Case(NamedTuple):
    """A cell that is run: what must come of it.

    `code` is the exit code, `says` a regular expression that what is printed must have. `rest`: the
    trials of the round before the fault stand as they were, and the server beside the faulty one
    is measured in every round.
    """

    phase: str
    fault: str
    code: tuple[int, ...]
    says: str
    rest: bool = True
    is_quick: bool = False
    """Whether it belongs to the sample that `make test` runs."""

    @property
    def key(self) -> str:
        """Its name: `slice/exits`."""
        return f"{self.phase}/{self.fault}"


class Same(NamedTuple):
    """A cell that can't differ from another one."""

    phase: str
    why: str


class Never(NamedTuple):
    """A cell of what can't happen."""

    why: str


Cell: TypeAlias = Case | Same | Never

# One of two rounds failed is not more than half, so the cell is not, and the exit code is 0.
_ENDED = "exited with code 3 before it was ready: fatal: out of patience"
_NO_SERVER = Never("no server runs yet")
_NOT_YET = Never("no load process runs yet")
_GONE = Never("the server has ended")
_ORDERLY = "asgi-bench: interrupted by "
_DIED = r"the load process died by signal 9"
_FULL = r"(can't be stored|No space left on device|can't be made|can't be written)"


def matrix() -> dict[tuple[str, str], Cell]:
    """Return all cells, by phase and fault."""
    cells: dict[tuple[str, str], Cell] = {}
    for fault in FAULTS:
        cells |= {(phase, fault): _usual(phase, fault) for phase in PHASES}
    cells |= {(case.phase, case.fault): case for case in _CASES}
    return cells


def _usual(phase: str, fault: str) -> Cell:
    """A cell that no case is written for."""
    if fault in SERVER_FAULTS:
        return _usual_of_server(phase, fault)
    if fault in LOAD_FAULTS:
        if phase in ("install", "import", "start", "ready", "verify"):
            return _NOT_YET
        if phase in ("write", "report"):
            return Never("the load process has nothing left to do")
        return Same("slice", "one block is lost, whichever part of it was under way")
    return _usual_of_harness(phase, fault)


def _usual_of_server(phase: str, fault: str) -> Cell:
    if phase in ("install", "import"):
        return _NO_SERVER
    if phase in ("write", "report"):
        return _GONE
    if fault == "binds-another-port":
        return Never("a server binds once, as it starts")
    if phase == "drain":
        return Same("slice", "the answers that a slice still waits for are lost as its own are")
    if phase == "stop" and fault in _ABOUT_ANSWERS:
        return Never("nothing is asked of a server that is being stopped")
    if phase in ("start", "ready") and fault in _ABOUT_ANSWERS:
        return Same("verify", "nothing is asked of it before")
    return Same("start" if phase == "ready" else "slice", "what is done about it is the same")


_ABOUT_ANSWERS = ("answers-slowly", "wrong-body", "closes-connections")


def _usual_of_harness(phase: str, fault: str) -> Cell:
    if fault == "clock-stepped":
        if phase in ("install", "import"):
            return Same("start", "only dates are taken from the time of day")
        return Same("slice", "only dates are taken from the time of day")
    if fault == "resumed":
        if phase in ("install", "import", "start", "ready", "verify"):
            return Same("slice", "a round that was cut short is measured again as a whole")
        return Same("slice", "trials are stored when a block has ended, or not at all")
    if fault in ("second-harness", "few-descriptors"):
        return Same("start", "lock and descriptors are taken before the first start")
    if fault == "read-only":
        return Same("write", "a folder that can't be written is met as the run begins")
    if fault == "disk-full":
        if phase in ("install", "import"):
            return Same("write", "temporary folders are told of in the same line")
        return Same("write", "what is written meanwhile is logs; the next trial meets it")
    if phase in ("ready", "verify"):
        return Same("start", "the server is up in either case, and is ended")
    return Same("slice", "servers and load are up in either case, and are ended")


def _signals(phase: str, **more: bool) -> Iterable[Case]:
    """The four signals to the harness, at a phase."""
    for name, code in (("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)):
        yield Case(phase, name.lower(), (code,), f"{_ORDERLY}{name}", **more)
    yield Case(phase, "sigkill", (-9,), "", **more)


_CASES: tuple[Case, ...] = (
    Case("start", "exits", (0,), _ENDED),
    Case("start", "is-killed", (0,), "was ended by SIGKILL before it was ready"),
    Case("start", "stops-answering", (0,), "not ready within 4 s: nothing listens on port"),
    Case("start", "leaks", (0,), "before it was ready: .*MemoryError"),
    Case("start", "forks-a-child", (0,), " faulty "),
    Case("start", "ignores-sigterm", (0,), " faulty "),
    Case("start", "floods-its-log", (0,), " faulty "),
    Case("start", "binds-another-port", (0,), "not ready within 4 s: nothing listens on port"),
    Case("start", "squats-ports", (0,), " faulty "),
    Case("ready", "exits", (0,), "exited with code 3 before it was ready"),
    Case("ready", "stops-answering", (0,), "not ready within 4 s"),
    Case("verify", "exits", (0,), "exited with code 3 before it was ready|closed the connection"),
    Case("verify", "is-killed", (0,), "was ended by SIGKILL before it was ready|closed the connec"),
    Case("verify", "stops-answering", (0,), "not ready within 4 s|no complete response within"),
    Case("verify", "answers-slowly", (0,), " faulty "),
    Case("verify", "wrong-body", (0,), r"answered body 'Hello, w0rld!'"),
    Case("verify", "closes-connections", (0,), "closed the connection"),
    Case("warm-up", "exits", (0,), "exited with code 3"),
    Case("warm-up", "is-killed", (0,), "was ended by SIGKILL"),
    Case("warm-up", "stops-answering", (0,), "no complete response within|never got an answer"),
    Case("warm-up", "wrong-body", (0,), "a body other than the expected one"),
    Case("warm-up", "closes-connections", (0,), "closed the connection"),
    Case("slice", "exits", (0,), "the server exited with code 3 under load", is_quick=True),
    Case("slice", "is-killed", (0,), "was ended by SIGKILL under load"),
    Case("slice", "stops-answering", (0,), "requests got no correct response"),
    Case("slice", "answers-slowly", (0,), " faulty "),
    Case("slice", "wrong-body", (0,), "a body other than the expected one"),
    Case("slice", "closes-connections", (0,), "closed the connection"),
    Case("slice", "leaks", (0,), "exited with code 1 under load"),
    Case("slice", "forks-a-child", (0,), " faulty "),
    Case("slice", "ignores-sigterm", (0,), " faulty "),
    Case("slice", "floods-its-log", (0,), " faulty "),
    Case("slice", "squats-ports", (0,), " faulty "),
    Case("stop", "exits", (0,), " faulty "),
    Case("stop", "is-killed", (0,), " faulty "),
    Case("stop", "stops-answering", (0,), " faulty "),
    Case("stop", "leaks", (0,), " faulty "),
    Case("stop", "forks-a-child", (0,), " faulty "),
    Case("stop", "ignores-sigterm", (0,), " faulty "),
    Case("stop", "floods-its-log", (0,), " faulty "),
    Case("slice", "load-killed", (0,), _DIED),
    Case("slice", "load-stopped", (0, 1), "the load process"),
    Case("slice", "load-starved", (0,), " faulty "),
    *_signals("install", rest=False),
    *_signals("import", rest=False),
    *_signals("start"),
    *_signals("slice"),
    *_signals("stop"),
    *_signals("report"),
    Case("write", "disk-full", (1,), _FULL),
    Case("report", "disk-full", (0, 1), _FULL),
    Case(
        "write",
        "read-only",
        (1,),
        "can't be stored: (Read-only file system|Permission)",
        rest=False,
    ),
    Case(
        "start",
        "few-descriptors",
        (1,),
        "open files, but this machine allows 64",
        rest=False,
        is_quick=True,
    ),
    Case("start", "clock-stepped", (0,), " faulty "),
    Case("slice", "clock-stepped", (0,), " faulty "),
    Case("start", "second-harness", (1,), "another run is measuring on this machine"),
    Case("slice", "resumed", (0,), " faulty "),
)


def cases() -> Mapping[str, Case]:
    """Return the cells that are run, by key."""
    return {cell.key: cell for cell in matrix().values() if isinstance(cell, Case)}
