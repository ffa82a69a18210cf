"""Instructions where they stand, of real processes under callgrind."""

import subprocess
from pathlib import Path

import pytest

from asgi_bench.counting.backends.callgrind import Callgrind
from asgi_bench.serving.faults import ServerFault


@pytest.mark.slow
def test_all_processes_are_placed(tmp_path: Path) -> None:
    """A program and what it starts are counted by object and function, which come to the total."""
    backend = Callgrind()
    if (reason := backend.missing()) is not None:
        pytest.skip(reason)
    command = ("/bin/sh", "-c", "/bin/true; /bin/true; exit 0")
    subprocess.run([*backend.prefix(tmp_path), *command], timeout=120, check=True)
    tally = backend.tally(tmp_path)
    assert tally.processes == 3
    assert tally.total > 100_000
    assert {kind: sum(parts.values()) for kind, parts in tally.parts.items()} == {
        "object": tally.total,
        "function": tally.total,
    }
    assert "libc.so.6" in tally.parts["object"]
    assert backend.fault(tmp_path) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "callgrind wrote no counts"),
        (
            "events: Ir\nfn=f\n1 4\n",
            "callgrind's output can't be read: no total: the file is incomplete",
        ),
    ],
)
def test_a_count_that_is_not_whole_is_none(text: str | None, reason: str, tmp_path: Path) -> None:
    """Where a process was killed before it wrote, there is no count."""
    if text is not None:
        (tmp_path / "counts.77").write_text(text)
    with pytest.raises(ServerFault, match=reason):
        Callgrind().tally(tmp_path)
