import os
import time
from pathlib import Path

import pytest

from asgi_bench.errors import BenchError
from asgi_bench.setups.cache import cache_folder, content_digest, forget_unused


def test_a_relative_cache_home_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the specification says; then it is .cache in the home folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", "here")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "asgi-bench"


def test_a_cache_that_can_not_be_made_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a fault of the user's machine: one line."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(BenchError, match="can't be made"):
        cache_folder()


def test_a_digest_follows_the_content(tmp_path: Path) -> None:
    """Content, names, links and the right to be run change it; caches and git don't."""
    folder = tmp_path / "one"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "a.py").write_text("1")
    seen = {content_digest(folder)}

    def is_new() -> bool:
        digest = content_digest(folder)
        is_known = digest in seen
        seen.add(digest)
        return not is_known

    (folder / "inner" / "__pycache__").mkdir()
    (folder / "inner" / "__pycache__" / "a.pyc").write_text("1")
    (folder / ".git").write_text("gitdir: elsewhere")
    (folder / "env").mkdir()
    (folder / "env" / "pyvenv.cfg").touch()
    assert not is_new()
    (folder / "inner" / "a.py").write_text("2")
    assert is_new()
    (folder / "inner" / "a.py").rename(folder / "inner" / "b.py")
    assert is_new()
    (folder / "inner" / "b.py").chmod(0o755)
    assert is_new()
    (folder / "link").symlink_to("inner")
    assert is_new()


def test_what_can_not_be_read_counts_by_its_name(tmp_path: Path) -> None:
    """A digest is told all the same: whoever needs the content to build will complain."""
    digests = set()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        # As a file without the right to read it, which the superuser has in any case.
        (tmp_path / name / "memory").symlink_to("/proc/self/mem")
        digests.add(content_digest(tmp_path / name))
        (tmp_path / name / "memory").rename(tmp_path / name / "other")
        digests.add(content_digest(tmp_path / name))
    assert len(digests) == 2


def test_what_links_out_of_a_folder_lead_to_counts(tmp_path: Path) -> None:
    """Files and folders elsewhere are built from too; rings and folders around it are no trap."""
    folder, shared = tmp_path / "around" / "project", tmp_path / "shared"
    folder.mkdir(parents=True)
    shared.mkdir()
    (tmp_path / "one.py").write_text("1")
    (shared / "two.py").write_text("1")
    (shared / "back").symlink_to(folder)
    (folder / "one.py").symlink_to("../../one.py")
    (folder / "shared").symlink_to(shared)
    (folder / "around").symlink_to("..")
    (folder / "ring").symlink_to("ring")
    (folder / "nowhere").symlink_to(tmp_path / "nowhere")
    seen = [content_digest(folder)]
    for path in (tmp_path / "one.py", shared / "two.py"):
        path.write_text("2")
        seen.append(content_digest(folder))
    assert len(set(seen)) == 3
    (folder.parent / "beside.py").touch()
    assert content_digest(folder) == seen[-1]


def test_only_what_was_long_unused_is_forgotten(tmp_path: Path) -> None:
    """An environment is removed by its stamp's age."""
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "stamp").touch()
    then = time.time() - 100
    os.utime(tmp_path / "old" / "stamp", (then, then))
    forget_unused(tmp_path, "stamp", kept_s=50)
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
