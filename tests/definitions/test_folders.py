from pathlib import Path

import pytest

from asgi_bench.definitions import folders


def test_a_checkout_serves_its_top_level_folders() -> None:
    """Run from a checkout, the folders next to pyproject.toml are the shipped ones."""
    root = Path(__file__).parents[2]
    assert folders.shipped_runners() == root / "runners"
    assert folders.shipped_apps() == root / "apps"


def test_an_installed_package_serves_its_own_copies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the package carries the folders, they are used, whatever lies around it."""
    package = tmp_path / "site-packages" / "asgi_bench"
    (package / "shipped" / "runners").mkdir(parents=True)
    (tmp_path / "runners").mkdir()
    monkeypatch.setattr(folders, "PACKAGE", package)
    assert folders.shipped_runners() == package / "shipped" / "runners"
