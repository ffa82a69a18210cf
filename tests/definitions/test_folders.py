from pathlib import Path

import pytest

from asgi_bench.definitions import folders
from asgi_bench.definitions.servers import load_servers
from asgi_bench.errors import UsageError
from tests.packaged_runner import with_packaged_runner


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


def test_another_package_ships_runner_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its entry point names their folder; it adds a server and can't replace a shipped one."""
    site = with_packaged_runner(tmp_path, "fastest", 'command = ["fastest", "{port}"]')
    (site / "fastest" / "bench" / "uvicorn.toml").write_text('command = ["other", "{port}"]')
    monkeypatch.syspath_prepend(site)
    servers = load_servers(folders.runner_folders())
    assert servers["fastest"].here == str(site / "fastest" / "bench")
    assert servers["uvicorn"].command[0] == "{python}"
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "fastest.toml").write_text('command = ["mine", "{port}"]')
    assert load_servers(folders.runner_folders([mine]))["fastest"].command[0] == "mine"


def test_an_entry_point_that_leads_nowhere_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line has the entry point, the package and the group; nothing of it is imported."""
    site = with_packaged_runner(tmp_path, "fastest", 'command = ["fastest", "{port}"]')
    (site / "fastest" / "bench").rename(site / "fastest" / "moved")
    monkeypatch.syspath_prepend(site)
    with pytest.raises(UsageError, match=r"'fastest' of fastest, group asgi_bench\.runners: "):
        folders.runner_folders()
