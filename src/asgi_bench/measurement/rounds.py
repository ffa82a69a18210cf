"""A run from its plan to its stored trials: round by round, block by block, judged and kept."""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import TypeAlias

import msgspec

from asgi_bench.analysis.validity.trial import judge_trial
from asgi_bench.measurement.behaviours.runner import BehaviourRunner
from asgi_bench.measurement.block import Loader, measure_block
from asgi_bench.measurement.load_processes import LoadProcesses
from asgi_bench.measurement.progress import Observer, Progress, TrialDone
from asgi_bench.measurement.proving import as_proven, failed_trials, prove, refused
from asgi_bench.measurement.schedule import SERVERS, SIDES, SliceLength, load_duration_s
from asgi_bench.measurement.slice_loader import SliceLoader
from asgi_bench.measurement.stock_loader import StockLoader
from asgi_bench.model import Plan, PlannedCell, Proof, Trial
from asgi_bench.model.calibration import Calibration
from asgi_bench.store.runs import RunWriter

# Asked after each complete round but the last, with how many there were and all judged trials so
# far: whether that is enough. A rule that looks more often than it planned for finds too much.
Enough: TypeAlias = Callable[[int, Sequence[Trial]], bool]


def measure(
    plan: Plan,
    writer: RunWriter,
    observer: Observer,
    *,
    calibration: Calibration | None = None,
    fail_fast: bool = False,
    enough: Enough | None = None,
    idle_watch_s: float | None = None,
) -> Progress:
    """Carry out a plan; every trial is stored as soon as its block has ended.

    The plan's rounds are the most there will be: `enough` may end the run after any of them.
    With `idle_watch_s` it is watched after them how the servers behave, idle connections for that
    long. Servers are fresh in each round. Whatever interrupts it, no process is left and the stored
    trials stand.
    """
    cells = [planned for planned in plan.cells if planned.skip_reason is None]
    per_round_s = sum(
        len(planned.blocks) * load_duration_s(planned, plan.duration_s) for planned in cells
    )
    progress = Progress(observer, plan.rounds * per_round_s)
    with ExitStack() as stack:
        loader: Loader
        processes: LoadProcesses | None = None
        if plan.client == "fast":
            processes = stack.enter_context(LoadProcesses(writer.folder, plan))
            processes.prepare()
            loader = SliceLoader(plan, processes, progress, _slice_length(plan, calibration))
        else:
            loader = StockLoader(plan, writer, progress)
        progress.enter(0, 0, "prove")
        proofs = prove(plan, writer.log_path)
        writer.write_proofs(proofs)
        reasons = _refuse_misnamed(plan, proofs, writer, progress)
        proof_of = {planned.cell.key: _proof(planned, proofs) for planned in cells}
        right = [planned for planned in cells if planned.cell.key not in reasons]
        cells = [] if reasons and fail_fast else right
        trials: list[Trial] = []
        for round, block, members in rounds_and_blocks(plan, cells):
            is_new_round = bool(trials) and trials[-1].round < round
            if enough is not None and is_new_round and enough(round, trials):
                break
            measured = measure_block(
                plan, members, loader, writer, progress, round=round, block=block
            )
            for trial in measured:
                proven = as_proven(trial, proof_of[trial.cell])
                judged = judge_trial(proven, plan, calibration)
                writer.append(judged)
                progress.tell(TrialDone(judged))
                trials.append(judged)
            if fail_fast and any(trial.outcome == "failed" for trial in measured):
                break
        if idle_watch_s is not None and processes is not None:
            BehaviourRunner(plan, processes, writer, progress, idle_watch_s).run(cells)
    progress.leave()
    return progress


def _slice_length(plan: Plan, calibration: Calibration | None) -> SliceLength:
    """That of an A/B; else no less than this machine's calibration found, or the default."""
    if plan.gate is not None:
        return SIDES
    shortest_s = calibration.shortest_slice_s if calibration is not None else None
    return msgspec.structs.replace(SERVERS, shortest_s=shortest_s or SERVERS.shortest_s)


def _refuse_misnamed(
    plan: Plan, proofs: Sequence[Proof], writer: RunWriter, progress: Progress
) -> dict[str, str]:
    """Store a failed trial for each cell whose proof is not what it states.

    Returns why, by cell key.
    """
    reasons = refused(plan, proofs)
    for trial in failed_trials(plan, reasons):
        writer.append(trial)
        progress.tell(TrialDone(trial))
    return reasons


def _proof(planned: PlannedCell, proofs: Sequence[Proof]) -> Proof | None:
    return next((proof for proof in proofs if proof.setting == planned.cell.start), None)


def rounds_and_blocks(
    plan: Plan, cells: Sequence[PlannedCell]
) -> Iterator[tuple[int, int, list[PlannedCell]]]:
    """Yield each round's blocks with their cells, the blocks in an order drawn per round."""
    numbers = sorted({block for planned in cells for block in planned.blocks})
    for round in range(plan.rounds):
        chance = random.Random(f"{plan.seed}/blocks/{round}")
        for block in chance.sample(numbers, len(numbers)):
            yield round, block, [planned for planned in cells if block in planned.blocks]
