"""Does every server start, respond correctly and stop? Each cell once, without any timing."""

from collections.abc import Callable
from pathlib import Path

import msgspec

from asgi_bench.analysis.validity.processes import miscounted
from asgi_bench.machine.lock import measuring_lock
from asgi_bench.measurement.expectations import learn_answers
from asgi_bench.measurement.interruption import orderly_interruption
from asgi_bench.measurement.proving import prove
from asgi_bench.measurement.rounds import rounds_and_blocks
from asgi_bench.measurement.running_servers import RunningServers
from asgi_bench.model import Plan, PlannedCell, Proof


class Checked(msgspec.Struct, frozen=True):
    """The result of one server: `fault` is None if all is well; `skip_reason` says why not started.

    `proof` is what really ran, if the server takes an app that can report it.
    """

    server: str
    fault: str | None = None
    skip_reason: str | None = None
    proof: Proof | None = None


def check_all(
    plan: Plan,
    log_folder: Path,
    tell: Callable[[Checked], None],
    announce: Callable[[str], None],
    *,
    lock_wait_s: float = 0.0,
) -> list[Checked]:
    """Start, verify and stop what the plan would measure; `tell` is called with each result.

    If the expected responses had to be found out, they are announced first. A server that isn't
    what its variant states, or what was requested, is at fault.

    Raises BenchError if another run holds the machine for longer than `lock_wait_s`, or no server
    can serve the app.
    """
    results: list[Checked] = []

    def note(result: Checked) -> None:
        results.append(result)
        tell(result)

    def log_path(cell_key: str, round: int, block: int) -> Path:
        return log_folder / f"{cell_key.replace('/', '-')}.log"

    skipped = {
        planned.cell.process_key: planned.skip_reason
        for planned in plan.cells
        if planned.skip_reason is not None
    }
    for process_key, reason in skipped.items():
        note(Checked(process_key, skip_reason=reason))
    # One block at a time, each server in the first of its own.
    cells = [
        msgspec.structs.replace(planned, blocks=planned.blocks[:1])
        for planned in plan.cells
        if planned.skip_reason is None
    ]
    with orderly_interruption(), measuring_lock(lock_wait_s, announce=announce):
        settled = learn_answers(plan, log_folder, announce).answered(plan)
        proofs = {proof.setting: proof for proof in prove(settled, log_path)}
        once = msgspec.structs.replace(settled, rounds=1)
        for round, block, members in rounds_and_blocks(once, cells):
            with RunningServers(once, members, log_path, round=round, block=block) as running:
                running.stop()
                for server in running.servers:
                    planned = server.cells[0]
                    proof = proofs[planned.cell.start] if planned.proof_command else None
                    fault = server.fault or _fault(proof, planned)
                    note(Checked(planned.cell.process_key, fault=fault, proof=proof))
    return results


def _fault(proof: Proof | None, planned: PlannedCell) -> str | None:
    """What a proof says against a server: it isn't what its variant states, or was asked for."""
    if proof is None:
        return None
    workers = miscounted(planned.cell.workers, len(proof.worker_pids))
    return proof.fault or workers or "; ".join(proof.differs) or None
