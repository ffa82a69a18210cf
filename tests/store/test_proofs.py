from pathlib import Path

import pytest

from asgi_bench.errors import BenchError
from asgi_bench.model import Proof
from asgi_bench.store.folders import PROOFS_FILE
from asgi_bench.store.runs import RunWriter, read_proofs
from tests.synthetic_run import header_of, plan_of

PROOFS = (
    Proof("uvicorn/default/w1", loop="uvloop.Loop", tcp_nodelay=True, packages={"uvicorn": "1"}),
    Proof("nginx/default/w2", unproven="its command serves no Python app"),
)


def test_proofs_are_read_as_they_were_written(tmp_path: Path) -> None:
    """The whole file is there at once, and a run without one has no proofs."""
    with RunWriter(tmp_path, header_of(plan_of(()))) as writer:
        assert read_proofs(writer.folder) == ()
        writer.write_proofs(PROOFS)
        assert read_proofs(writer.folder) == PROOFS
        assert not list(writer.folder.glob(".*"))


@pytest.mark.parametrize("content", [b"{", b'[{"loop": 1}]', b"\xff"])
def test_a_file_that_holds_no_proofs_is_said(tmp_path: Path, content: bytes) -> None:
    """One line that names the file."""
    (tmp_path / PROOFS_FILE).write_bytes(content)
    with pytest.raises(BenchError, match=PROOFS_FILE) as caught:
        read_proofs(tmp_path)
    assert "\n" not in str(caught.value)
