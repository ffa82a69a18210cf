"""One known-answer server for all tests of the load package: each gives it its behaviour."""

from collections.abc import Iterator

import pytest

from tests.known_answers import KnownAnswers


@pytest.fixture(scope="session")
def known() -> Iterator[KnownAnswers]:
    """A server that awaits its behaviour."""
    with KnownAnswers() as server:
        yield server
