"""A cache of the test's own, a pip that reaches no network, and git that takes no settings."""

from pathlib import Path

import pytest

from tests.repositories import without_settings


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache folder; pip finds nothing but what it is pointed at."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    without_settings(monkeypatch)
    return tmp_path / "cache" / "asgi-bench"
