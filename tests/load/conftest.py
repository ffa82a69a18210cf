"""One known-answer server for all tests of the load package: each gives it its behaviour."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.known_answers import KnownAnswers

# A shared machine that pauses a test for a moment is no finding.
settings.register_profile("load", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("load")


@pytest.fixture(scope="session")
def known() -> Iterator[KnownAnswers]:
    """A server that awaits its behaviour."""
    with KnownAnswers() as server:
        yield server
