"""Run some tests under coverage until time is up; what was run is left out the next time.

    coverage run part.py FOLDER SECONDS PYTEST-FLAGS...

FOLDER keeps which tests have ended, and the file `complete` once that is all of them.
"""

import sys
import time
from pathlib import Path

import pytest

from asgi_bench.load import generator

# Load processes inherit no settings of other tools. Here they are to be measured with the rest.
MEASURED_BY = frozenset({"COVERAGE_FILE", "COVERAGE_PROCESS_CONFIG"})


class Resuming:
    """A plugin of pytest: goes on where the last call has stopped, and stops in time."""

    def __init__(self, folder: Path, deadline_s: float) -> None:
        self._ended = folder / "ended"
        self._complete = folder / "complete"
        self._deadline_s = deadline_s
        self._now: list[str] = []

    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Leave out what has ended before."""
        ended = set(self._ended.read_text().splitlines()) if self._ended.exists() else set()
        known = [item for item in items if item.nodeid in ended]
        config.hook.pytest_deselected(items=known)
        items[:] = [item for item in items if item.nodeid not in ended]

    def pytest_runtest_protocol(self, item: pytest.Item) -> None:
        """Stop before a test for which there is no time."""
        if time.monotonic() > self._deadline_s:
            item.session.shouldstop = "no time is left"

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Remember that a test has ended, whatever came of it."""
        self._now.append(nodeid)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Note what has ended, and whether that is all; who is killed before has found nothing."""
        with self._ended.open("a") as ended:
            ended.writelines(f"{nodeid}\n" for nodeid in self._now)
        if not session.shouldstop:
            self._complete.touch()


def main() -> None:
    """Exit as pytest does."""
    folder, seconds, *flags = sys.argv[1:]
    generator._KEPT |= MEASURED_BY
    plugin = Resuming(Path(folder), time.monotonic() + float(seconds))
    sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", *flags], plugins=[plugin]))


if __name__ == "__main__":
    main()
