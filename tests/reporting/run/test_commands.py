from asgi_bench.analysis.report import SettingReport
from asgi_bench.model import Proof
from asgi_bench.reporting.document import Notes, shown
from asgi_bench.reporting.run.commands import setting_entry


def proofs_of(*pids: int) -> str:
    """What a setting with two workers shows, of which these answered."""
    proof = Proof("x/default/w2", loop="uvloop.Loop", worker_pids=pids)
    setting = SettingReport("x/default/w2", "x", "default", 2, None, ("x",), proof=proof)
    _, proofs = shown(setting_entry([setting]).blocks, "markdown")
    assert isinstance(proofs, Notes)
    return "; ".join(proofs.texts).removeprefix("seen from inside: ")


def test_fewer_workers_than_there_are_is_said() -> None:
    """What one of two workers told is not shown as if both had."""
    assert proofs_of(7, 8) == "event loop uvloop.Loop"
    assert proofs_of(7) == "event loop uvloop.Loop; reported by 1 of 2 workers"
