"""The faults a user can mend, each with the exit code of the command line."""

import signal
from enum import IntEnum


class ExitCode(IntEnum):
    """What the command line exits with (README, "Exit codes")."""

    OK = 0
    FAILED = 1
    USAGE = 2
    REGRESSION = 3
    UNDECIDED = 4
    INVALID = 5


class BenchError(Exception):
    """A fault with one clear line for the user; anything else is a bug and keeps its traceback.

    `account` is what a server or the user's own code said about it, of any length: it is shown
    once, before the line.
    """

    exit_code: int = ExitCode.FAILED
    account: str = ""


class Interrupted(BaseException):
    """The command was stopped from outside; exits as a shell expects, with 128 + the signal.

    No BenchError: what goes on without a damaged trial must not go on without this.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"interrupted by {signal.Signals(number).name}")
        self.number = number
        self.exit_code = 128 + number


class UsageError(BenchError):
    """A file, key or flag that is wrong: the text names it and says what is allowed."""

    exit_code = ExitCode.USAGE
