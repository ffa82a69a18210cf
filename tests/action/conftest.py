"""Git that takes no settings of whoever runs the tests, and a cache of the test's own."""

from pathlib import Path

import pytest

from tests.repositories import without_settings


@pytest.fixture(autouse=True)
def own_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commits are nobody's; what is built is forgotten."""
    without_settings(monkeypatch)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
