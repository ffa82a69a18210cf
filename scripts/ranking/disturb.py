"""Another program on the machine: it wants each CPU in phases, with pauses as long between them.

In a phase it runs without a pause, so that the kernel gives it half of the CPU; phases and pauses
take 0.1 to 2 s each. `disturb.py SEED` goes on until it is ended; each CPU has a process and a
sequence of its own, so that the same seed gives the same disturbance.
"""

import os
import random
import sys
import time
from multiprocessing import Process

SHORTEST_S, LONGEST_S = 0.1, 2.0


def disturb(cpu: int, seed: str, parent: int) -> None:
    """Take half of one CPU in phases, for as long as the parent lives."""
    os.sched_setaffinity(0, {cpu})
    chance = random.Random(f"{seed}/{cpu}")
    while os.getppid() == parent:
        time.sleep(chance.uniform(SHORTEST_S, LONGEST_S))
        until_s = time.monotonic() + chance.uniform(SHORTEST_S, LONGEST_S)
        while time.monotonic() < until_s:
            pass


def main() -> None:
    """Disturb every CPU that this process may use."""
    seed = sys.argv[1] if len(sys.argv) > 1 else "1"
    cpus, parent = os.sched_getaffinity(0), os.getpid()
    processes = [Process(target=disturb, args=(cpu, seed, parent)) for cpu in cpus]
    for process in processes:
        process.start()
    for process in processes:
        process.join()


if __name__ == "__main__":
    main()
