from collections.abc import Iterator

import pytest

from tests.known_answers import KnownAnswers


@pytest.fixture(scope="session")
def known() -> Iterator[KnownAnswers]:
    """A known-answer server for a test to set."""
    with KnownAnswers() as server:
        yield server
