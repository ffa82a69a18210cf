"""What holds for every test."""

import os
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import HealthCheck, settings

from asgi_bench.secret_names import held_back
from tests.situation import Said, stands_in

# A shared machine may stand still for longer than hypothesis allows a single example.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

ENDING_S = 10.0

# Tests in these folders and modules compute, so they may share the machine with each other.
COMPUTING = frozenset(
    {"analysis", "gate", "generator", "model", "protocols", "ranking", "reporting", "store"}
)
# So may these, but for the slow ones: they start programs that answer as well on a busy machine,
# an interpreter, git or make. All others want the machine for themselves: servers, load processes
# and clocks disturb one another.
ASKING = frozenset(
    {"action", "definitions", "fuzzing", "setups"}
    | {f"test_{name}.py" for name in ("architecture", "docs", "host_examples", "log_reasons")}
    | {f"test_{name}.py" for name in ("plain_text", "project", "quantities", "regular_files")}
    | {f"test_{name}.py" for name in ("secret_names", "situation")}
)
# Where tests that compute lie beside those that drive a browser.
DRAWING = "reporting"
TESTS = Path(__file__).parent
# A shared machine stands still for seconds now and then. What fails is tried again, and the summary
# names it; what is broken fails each time.
RERUNS = 1
TIMED_RERUNS = 2
# A run that takes longer than this tells where its time went.
LONG_S = 60.0


def pytest_addoption(parser: pytest.Parser) -> None:
    """`scripts/test` runs one stage after the other."""
    parser.addoption("--stage", choices=["pure", "processes"], help="only the tests of this stage")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Read no folder of the other stage, where none is asked for by name: reading takes seconds."""
    stage = config.getoption("--stage")
    if stage is None or set(config.args) != set(config.getini("testpaths")):
        return None
    place = collection_path.name
    is_module = place.startswith("test_") and place.endswith(".py")
    if collection_path.parent != TESTS or not (is_module or collection_path.is_dir()):
        return None
    if stage == "pure":
        is_ours = place in COMPUTING | ASKING
    elif place == DRAWING:
        is_ours = "not browser" not in config.getoption("markexpr")
    else:
        is_ours = place not in COMPUTING
    return None if is_ours else True


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what belongs to the other stage; say how often a test that fails is tried again."""
    for item in items:
        if item.get_closest_marker("timed") is not None:
            item.add_marker(pytest.mark.flaky(reruns=TIMED_RERUNS))
        elif not _is_pure(item):
            item.add_marker(pytest.mark.flaky(reruns=RERUNS))
    stage = config.getoption("--stage")
    if stage is None:
        return
    of_stage = [item for item in items if (stage == "pure") == _is_pure(item)]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(of_stage)])
    items[:] = of_stage


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell the time by folder of a run that took long."""
    by_folder: defaultdict[str, float] = defaultdict(float)
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                by_folder[_folder(report.nodeid)] += report.duration
    if sum(by_folder.values()) > LONG_S:
        terminalreporter.section("minutes by folder")
        for folder, spent_s in sorted(by_folder.items(), key=lambda item: -item[1]):
            terminalreporter.write_line(f"{spent_s / 60:6.1f}  {folder}")


def _is_pure(item: pytest.Item) -> bool:
    if item.get_closest_marker("browser") is not None:
        return False
    place = item.path.relative_to(TESTS).parts[0]
    return place in COMPUTING or (place in ASKING and item.get_closest_marker("slow") is None)


def _folder(nodeid: str) -> str:
    """The folder of a test below `tests`, or its module where it lies in `tests` itself."""
    return nodeid.split("::")[0].removeprefix("tests/").split("/")[0]


@pytest.fixture(scope="session", autouse=True)
def nothing_is_held_back() -> None:
    """What a failed start says must not depend on who runs the tests: take secrets away."""
    for name in held_back(os.environ, ()):
        del os.environ[name]


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left_running() -> Iterator[None]:
    """Fails the last test if any started process outlives them all."""
    yield
    deadline = time.monotonic() + ENDING_S
    while left := _running():
        assert time.monotonic() < deadline, f"left running: {left}"
        time.sleep(0.05)


@pytest.fixture
def said(request: pytest.FixtureRequest) -> Iterator[Said]:
    """Holds a text to the sentence of the test's `situation`; fails where none was held to it."""
    marker = request.node.get_closest_marker("situation")
    assert marker is not None, "`said` is for tests that are marked with `situation`"
    says, held = marker.kwargs["says"], []

    def hold(text: str) -> None:
        held.append(text)
        assert stands_in(says, text), f"expected: {says}\ngot: {text}"

    yield hold
    assert held, "the sentence of this situation was held to no text"


def _running() -> list[str]:
    """Return our descendants that have not ended; one that merely awaits its parent has."""
    descriptions = []
    for child in psutil.Process().children(recursive=True):
        try:
            if child.status() != psutil.STATUS_ZOMBIE:
                descriptions.append(f"{child.pid}: {' '.join(child.cmdline())}")
        except psutil.NoSuchProcess:
            continue
    return descriptions
