"""What holds for every test."""

import time
from collections.abc import Iterator

import psutil
import pytest
from hypothesis import HealthCheck, settings

from tests.situation import Said, stands_in

# A shared machine may stand still for longer than hypothesis allows a single example.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

ENDING_S = 10.0


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
