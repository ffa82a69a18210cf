"""A distribution of somebody else's that ships a runner file, as an installer leaves it."""

from pathlib import Path


def with_packaged_runner(folder: Path, name: str, text: str) -> Path:
    """Return a site folder that holds it; the package can't be imported, and need not be."""
    site = folder / "site"
    runners = site / name / "bench"
    runners.mkdir(parents=True)
    (site / name / "__init__.py").write_text("raise AssertionError('was imported')\n")
    (runners / f"{name}.toml").write_text(text)
    noted = site / f"{name}-1.0.dist-info"
    noted.mkdir()
    (noted / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (noted / "entry_points.txt").write_text(f"[asgi_bench.runners]\n{name} = {name}.bench\n")
    return site
