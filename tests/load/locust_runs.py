"""Locust as anyone starts it, on a locustfile of a test's own."""

import csv
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

START_S = 30.0


class Row(msgspec.Struct, frozen=True):
    """One row of Locust's CSV."""

    requests: int
    failures: int
    requests_per_s: float


class LocustRun(msgspec.Struct, frozen=True):
    """What a finished `locust -f` left."""

    exit_code: int
    output: str
    rows: dict[str, Row]
    failures: dict[str, int]


def run_locust(
    folder: Path,
    locustfile: str,
    host: str,
    *,
    run_time: str | None = None,
    stop_when: Callable[[], bool] | None = None,
) -> LocustRun:
    """Run a locustfile headless, by one user, until `run_time` or (by SIGTERM) a condition."""
    file = folder / "locustfile.py"
    file.write_text(locustfile)
    argv = [sys.executable, "-m", "locust", "-f", str(file), "--host", host, "--headless"]
    argv += ["-u", "1", "--csv", str(folder / "out"), "--exit-code-on-error", "0"]
    argv += ["--run-time", run_time] if run_time else []
    with (folder / "locust.log").open("w") as log:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder
        )
        try:
            if stop_when is not None:
                await_condition(stop_when)
                process.send_signal(signal.SIGTERM)
            exit_code = process.wait(START_S)
        finally:
            process.kill()
            process.wait()
    return LocustRun(
        exit_code=exit_code,
        output=(folder / "locust.log").read_text(),
        rows=read_table(folder / "out_stats.csv"),
        failures={
            row["Error"]: int(row["Occurrences"]) for row in _rows(folder / "out_failures.csv")
        },
    )


def read_table(path: Path) -> dict[str, Row]:
    """Locust's table of requests, by name."""
    return {
        row["Name"]: Row(
            int(row["Request Count"]), int(row["Failure Count"]), float(row["Requests/s"])
        )
        for row in _rows(path)
    }


def await_condition(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + START_S
    while not holds():
        assert time.monotonic() < deadline, "what is to stop the run never came"
        time.sleep(0.02)


def _rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))
