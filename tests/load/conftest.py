"""One known-answer server for all tests of the load package: each gives it its behaviour."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

# Locust would patch the standard library of the whole test run; its processes must inherit none
# of this.
os.environ["LOCUST_SKIP_MONKEY_PATCH"] = "1"
import locust  # noqa: F401

del os.environ["LOCUST_SKIP_MONKEY_PATCH"]

from tests.known_answers import KnownAnswers

# A shared machine that pauses a test for a moment is no finding.
settings.register_profile("load", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("load")


@pytest.fixture(scope="session")
def known() -> Iterator[KnownAnswers]:
    """A server that awaits its behaviour."""
    with KnownAnswers() as server:
        yield server
