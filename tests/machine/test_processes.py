"""Which processes live and who started whom."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from asgi_bench.machine import processes

# Starts `depth` generations, each the child of the one before, and says their pids.
CHAIN = """
import os, sys, time
for _ in range(int(sys.argv[1])):
    if os.fork():
        break
os.write(1, b"%d\\n" % os.getpid())
time.sleep(60)
"""

DAEMON = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.write(1, b"%d\\n" % os.getpid())
        time.sleep(60)
    os._exit(0)
os.wait()
"""


@contextmanager
def running(script: str, *args: str, env: dict[str, str] | None = None) -> Iterator[list[int]]:
    """The root's pid and then those it printed, one a line; all are killed at the end."""
    argv = [sys.executable, "-I", "-S", "-c", script, *args]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, env=env) as root:
        assert root.stdout is not None
        count = int(args[0]) + 1 if args else 1
        pids = [int(root.stdout.readline()) for _ in range(count)]
        try:
            yield [root.pid, *(pid for pid in pids if pid != root.pid)]
        finally:
            for pid in pids:
                os.kill(pid, 9)


def test_tree_has_all_generations() -> None:
    """Grandchildren belong to the tree of the root, and a subtree can be asked for alone."""
    with running(CHAIN, "2") as pids:
        assert processes.tree_pids([pids[0]]) == tuple(sorted(pids))
        table = processes.process_table()
        assert processes.tree_pids([max(pids)], table) == (max(pids),)
        assert set(processes.tree_pids([os.getpid()], table)) >= set(pids)


def test_tree_leaves_out_the_dead(gone_pid: int) -> None:
    """Neither a zombie nor a vanished process lives."""
    zombie = subprocess.Popen([sys.executable, "-I", "-S", "-c", ""])
    try:
        os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
        assert processes.stat_fields(zombie.pid) is not None
        assert processes.tree_pids([zombie.pid, gone_pid]) == ()
    finally:
        zombie.wait()


def test_names_with_brackets_and_blanks_are_no_trouble() -> None:
    """A process may call itself anything; its parent must still be read rightly."""
    script = "import os,time\nopen('/proc/self/comm','w').write('a) S 1 (b')\n" + CHAIN
    with running(script, "0") as (pid,):
        entry = processes.process_entry(pid)
        assert entry is not None
        assert entry.parent == os.getpid()
        assert processes.process_name(pid) == "a) S 1 (b"


def test_tree_of_a_fork_storm_is_read_without_errors() -> None:
    """Processes that come and go while they are read must not raise."""
    stop = threading.Event()

    def storm() -> None:
        while not stop.is_set():
            subprocess.run(["/bin/true"], check=True)

    thread = threading.Thread(target=storm)
    thread.start()
    try:
        deadline = time.monotonic() + 1
        while time.monotonic() < deadline:
            assert os.getpid() in processes.tree_pids([os.getpid()])
    finally:
        stop.set()
        thread.join()


def test_a_daemon_is_found_by_its_environment() -> None:
    """A process that forked twice and left its session still carries what it was started with."""
    with running(DAEMON, env={"MARK": "xyz.1"}) as (root, daemon):
        assert processes.tree_pids([root]) in ((root,), ())
        assert processes.pids_with_environment("MARK=xyz.1") in ((daemon,), (root, daemon))
        assert processes.pids_with_environment("MARK=xyz") == ()


def test_name_of_a_vanished_process(gone_pid: int) -> None:
    """A name is for messages: none is no error."""
    assert processes.process_name(gone_pid) == "?"
    assert processes.process_entry(gone_pid) is None


def test_the_newest_task_changes_with_every_start() -> None:
    """As long as it stays the same, nobody has to look for new processes."""
    before = processes.newest_task()
    subprocess.run([sys.executable, "-I", "-S", "-c", ""], check=True)
    assert before is None or processes.newest_task() != before


def test_who_ignores_its_children_is_known(gone_pid: int) -> None:
    """Their CPU time is nowhere then; SIGCHLD handled or left alone is no trouble."""
    script = "import os, signal\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)\n" + CHAIN
    with running(script, "0") as (pid,):
        assert processes.ignores_children(pid)
    assert not processes.ignores_children(os.getpid())
    assert not processes.ignores_children(gone_pid)


def test_the_dead_are_in_the_table_where_they_are_asked_for() -> None:
    """Until someone waits for it a process keeps its clock."""
    zombie = subprocess.Popen([sys.executable, "-I", "-S", "-c", ""])
    try:
        os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
        assert zombie.pid in processes.process_table(with_dead=True)
        assert zombie.pid not in processes.process_table()
    finally:
        zombie.wait()


def test_who_waits_is_asleep_and_who_computes_is_not(gone_pid: int) -> None:
    """A process that waits for input sleeps, all its threads; one that computes doesn't."""
    code = "import sys, threading; threading.Thread(target=sys.stdin.read).start()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) as waiting:
        deadline_s = time.monotonic() + 30
        while not processes.are_asleep([waiting.pid]):
            assert time.monotonic() < deadline_s
            time.sleep(0.01)
        waiting.kill()
    code = "print(flush=True)\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as busy:
        assert busy.stdout is not None
        busy.stdout.readline()
        assert not processes.are_asleep([busy.pid])
        busy.kill()
    assert processes.are_asleep([gone_pid])
