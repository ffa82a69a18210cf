"""Where the shipped runner files and applications lie."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]


def shipped_runners() -> Path:
    """The folder of the shipped runner files."""
    return _shipped("runners")


def shipped_apps() -> Path:
    """The folder of the shipped applications and of `scenarios.toml`."""
    return _shipped("apps")


def _shipped(name: str) -> Path:
    """The copy an installed wheel carries; in a checkout, which has none, the top-level folder."""
    packaged = PACKAGE / "shipped" / name
    return packaged if packaged.is_dir() else PACKAGE.parents[1] / name
