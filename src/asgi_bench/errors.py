"""Faults that the user can fix, each with its exit code."""

import signal
from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes of the command line (docs/commands.md, "Exit codes")."""

    OK = 0
    FAILED = 1
    USAGE = 2
    REGRESSION = 3
    UNDECIDED = 4
    INVALID = 5


class BenchError(Exception):
    """A fault with one clear line for the user; anything else is a bug and keeps its traceback.

    `account` is what a server or the user's own code said about it, of any length. It is shown
    once, before the line.
    """

    exit_code: int = ExitCode.FAILED
    account: str = ""


class Interrupted(BaseException):
    """The command was stopped from outside; exits with 128 + the signal, as a shell expects.

    This is not a BenchError: code that goes on without a damaged trial must not go on after this.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"interrupted by {signal.Signals(number).name}")
        self.number = number
        self.exit_code = 128 + number


class UsageError(BenchError):
    """A wrong file, key or flag: the text names it and says what is allowed."""

    exit_code = ExitCode.USAGE
