"""One run with servers that fail in every way beside one that doesn't: the run goes on."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from asgi_bench.analysis.report import CellReport
from asgi_bench.analysis.summary import summarize
from asgi_bench.model import ErrorCounts, Trial
from tests.command_line import FAULTY_SERVERS, SERVERS, Finished, in_process, told

pytestmark = pytest.mark.slow

FAULTY = ("absent", "body", "dies", "exits", "late", "status")


class Stranger(threading.Thread):
    """Takes the port that a server is about to listen on, as soon as the server tells it."""

    def __init__(self, path: Path) -> None:
        super().__init__(daemon=True)
        self._told = socket.socket(socket.AF_UNIX)
        self._told.bind(str(path))
        self._told.listen()
        self._taken = socket.socket()
        self.port = 0

    def run(self) -> None:
        """Wait for one server."""
        connection, _ = self._told.accept()
        with connection:
            self.port = int(connection.recv(100))
            self._taken.bind(("127.0.0.1", self.port))
            self._taken.listen()

    def close(self) -> None:
        """Give the port back."""
        self._told.close()
        self._taken.close()


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stranger]:
    """A process beside the run that takes a port: this one."""
    with closing(Stranger(tmp_path_factory.mktemp("stranger") / "friend.sock")) as thread:
        thread.start()
        yield thread


@pytest.fixture(scope="module")
def finished(stranger: Stranger, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """The run, with 1 and with 2 workers."""
    names = [argument for name in (*FAULTY, "tiny") for argument in ("-s", name)]
    friend = stranger._told.getsockname()
    return in_process(
        *("run", "--runners", str(SERVERS), "--runners", str(FAULTY_SERVERS), *names),
        *("--variant", "default", "-w", "1,2", "--rounds", "1", "--duration", "200ms", "-c", "4"),
        *("--env", f"TINY_FRIEND={friend}", "--startup-timeout", "20s"),
        folder=tmp_path_factory.mktemp("failures"),
    )


@pytest.fixture(scope="module")
def cells(finished: Finished) -> dict[str, CellReport]:
    """What the report says, by `server/workers`."""
    return {f"{cell.server}/{cell.workers}": cell for cell in summarize(finished.run).cells}


def trial_of(finished: Finished, server: str) -> Trial:
    """A server's only trial with one worker."""
    (trial,) = [
        trial for trial in finished.trials(server) if "/w1/" in trial.cell and not trial.block
    ]
    return trial


def test_the_run_fails_but_names_its_folder_last(finished: Finished) -> None:
    """Exit code 1, the folder as the last line, and each failure told while the run went on."""
    assert finished.code == 1
    assert (finished.run_folder / "run.json").is_file()
    for server in ("body", "exits", "late", "status"):
        assert f"{server}/default/w1/hello/c4: failed: " in finished.stderr
    assert "Traceback" not in finished.stderr


@pytest.mark.parametrize(
    ("server", "reason", "is_in_log"),
    [
        ("exits", "exited with code 2 before it was ready", True),
        # The last line of these tells how the server was started, which is not why.
        ("status", "answered status 500, expected 200", False),
        ("body", "answered body 'Hello, w0rld!' (13 bytes), expected 'Hello, world!'", False),
    ],
)
def test_what_is_wrong_before_the_load_fails_with_the_line_that_says_why(
    finished: Finished, cells: dict[str, CellReport], server: str, reason: str, is_in_log: bool
) -> None:
    """The trial failed with what was wrong and why, if the log knows; it got no load."""
    trial = trial_of(finished, server)
    assert trial.outcome == "failed"
    log = (finished.run_folder / str(trial.log)).read_text().splitlines()
    assert trial.reason == (f"{reason}: {log[-1]}" if is_in_log else reason)
    assert trial.slices == ()
    assert trial.requests == 0
    assert cells[f"{server}/1"].outcome == "failed"
    assert cells[f"{server}/1"].reason == trial.reason


def test_a_wrong_answer_to_a_probe_is_in_the_totals(finished: Finished) -> None:
    """What was sent before the load counts in the totals, by kind, and in no other figure."""
    status, body = trial_of(finished, "status"), trial_of(finished, "body")
    assert (status.sent_total, status.errors_total) == (1, ErrorCounts(status=1))
    assert (body.sent_total, body.errors_total) == (1, ErrorCounts(body=1))
    assert status.errors.total == body.errors.total == 0


def test_a_port_that_a_stranger_took_fails_and_names_the_stranger(
    finished: Finished, stranger: Stranger
) -> None:
    """Its answers would have been taken for the server's."""
    trial = trial_of(finished, "late")
    assert stranger.port
    assert trial.outcome == "failed"
    assert trial.reason is not None
    assert trial.reason.startswith(f"port {stranger.port} is held by ")
    assert f"(pid {threading.main_thread().native_id}), not only by this server" in trial.reason
    assert trial.reason.endswith("OSError: [Errno 98] Address already in use")
    assert trial.sent_total == 0


def test_a_death_under_load_is_counted_and_makes_the_cell_invalid(
    finished: Finished, cells: dict[str, CellReport]
) -> None:
    """The figures are kept with errors by kind, and the findings say what happened."""
    trial = trial_of(finished, "dies")
    assert trial.outcome == "ok"
    assert trial.validity == "invalid"
    assert {"errors", "server-ended"} <= {reason.code for reason in trial.validity_reasons}
    assert trial.workers_lost == 1
    assert trial.errors.connect > 0
    assert trial.requests <= 300
    assert trial.sent_total <= 300 + 4
    log = (finished.run_folder / str(trial.log)).read_text().splitlines()
    assert log[-1] == "fatal: out of patience"
    assert cells["dies/1"].outcome == "ok"
    assert cells["dies/1"].validity == "invalid"


def test_what_is_not_installed_is_skipped_with_the_command_that_installs_it(
    cells: dict[str, CellReport],
) -> None:
    """Never a zero and never a missing row."""
    assert cells["absent/1"].outcome == "skipped"
    assert cells["absent/1"].reason == "not installed: pip install 'no-such-package>=1'"


def test_more_workers_than_a_server_takes_are_skipped(cells: dict[str, CellReport]) -> None:
    """A server without a worker count has its row for 2 workers, with the reason."""
    for server in FAULTY:
        assert cells[f"{server}/2"].outcome == "skipped"
        assert cells[f"{server}/2"].reason == "takes no worker count"


def test_the_others_are_measured(finished: Finished, cells: dict[str, CellReport]) -> None:
    """The good server has its figures, with 1 and with 2 workers."""
    for workers in (1, 2):
        cell = cells[f"tiny/{workers}"]
        assert cell.outcome == "ok"
        assert cell.errors.total == cell.errors_total.total == 0
        assert cell.throughput_rps.value
    for trial in finished.trials("tiny"):
        received = [
            line["received"] for line in told(finished.run_folder, trial) if "received" in line
        ]
        assert trial.sent_total == sum(received)


def test_every_planned_cell_is_in_every_format(finished: Finished) -> None:
    """The printed table has a line for each cell, whatever became of it."""
    for server in (*FAULTY, "tiny"):
        lines = [line for line in finished.stdout.splitlines() if f" {server} " in line[:20]]
        assert len(lines) >= 2, server
    header = json.loads((finished.run_folder / "run.json").read_text())
    assert len(header["plan"]["cells"]) == 2 * (len(FAULTY) + 1)
