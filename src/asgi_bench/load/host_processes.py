"""The load processes of one host: started together, and waited for until all have ended."""

import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from types import FrameType

from asgi_bench.machine.affinity import allowed_cpus, move


def run_all(argv: Sequence[str], environment: Mapping[str, str], count: int) -> int:
    """Run so many processes of an argv; return the worst exit code, as a shell has it.

    Each has a CPU of its own where there are enough. SIGINT and SIGTERM are passed on to all.
    """
    cpus = allowed_cpus()
    processes: list[subprocess.Popen[bytes]] = []

    def pass_on(number: int, frame: FrameType | None) -> None:
        for process in processes:
            process.send_signal(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, pass_on)
    with ExitStack() as stack:
        for place in range(count):
            # A group of its own: a terminal's Ctrl-C comes by us alone, and once.
            process = stack.enter_context(
                subprocess.Popen(argv, env=dict(environment), process_group=0)
            )
            processes.append(process)
            if count <= len(cpus):
                move([process.pid], [cpus[place]])
        return max(_shell_code(process.wait()) for process in processes)


def _shell_code(code: int) -> int:
    return code if code >= 0 else 128 - code
