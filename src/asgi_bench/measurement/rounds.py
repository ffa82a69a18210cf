"""A run from its plan to its stored trials: round by round, block by block, judged and stored."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import NamedTuple, TypeAlias

import msgspec

from asgi_bench.analysis.validity.trial import judge_trial
from asgi_bench.measurement.behaviours.runner import BehaviourRunner
from asgi_bench.measurement.block import Loader, measure_block
from asgi_bench.measurement.load_processes import LoadProcesses
from asgi_bench.measurement.progress import Observer, Progress, TrialDone
from asgi_bench.measurement.proving import as_proven, failed_trials, prove, refused
from asgi_bench.measurement.schedule import HOSTS, SERVERS, SIDES, SliceLength, load_duration_s
from asgi_bench.measurement.slice_loader import SliceLoader
from asgi_bench.measurement.stock_loader import StockLoader
from asgi_bench.model import Behaviour, Plan, PlannedCell, Proof, Trial
from asgi_bench.model.calibration import Calibration
from asgi_bench.store.runs import RunWriter

# Asked after each complete round but the last, with how many there were and all judged trials so
# far: whether that is enough. A rule that looks more often than it planned for finds too much.
Enough: TypeAlias = Callable[[int, Sequence[Trial]], bool]


class SoFar(NamedTuple):
    """What the earlier parts of a run have measured: complete rounds, and behaviour.

    `elapsed_s` is where the run's clock was.
    """

    rounds: int = 0
    trials: Sequence[Trial] = ()
    behaviours: Sequence[Behaviour] = ()
    elapsed_s: float = 0.0


NOTHING_YET = SoFar()


def measure(
    plan: Plan,
    writer: RunWriter,
    observer: Observer,
    *,
    calibration: Calibration | None = None,
    fail_fast: bool = False,
    enough: Enough | None = None,
    idle_watch_s: float | None = None,
    so_far: SoFar = NOTHING_YET,
    accept: Callable[[tuple[Proof, ...]], None] | None = None,
    token: str | None = None,
) -> Progress:
    """Carry out a plan; every trial is stored as soon as its block has ended.

    The plan's rounds are the maximum: `enough` may end the run after any of them. With
    `idle_watch_s` the servers' behaviour is observed after them, idle connections for that long.
    Servers are fresh in each round. Whatever interrupts it, no process is left and the stored
    trials are kept. A continued run skips the rounds that it has; `accept` stores what really runs,
    or raises BenchError if that is not what ran before. `token` authenticates load hosts.
    """
    cells = [planned for planned in plan.cells if planned.skip_reason is None]
    per_round_s = sum(
        len(planned.blocks) * load_duration_s(planned, plan.duration_s) for planned in cells
    )
    progress = Progress(observer, (plan.rounds - so_far.rounds) * per_round_s, so_far.elapsed_s)
    with ExitStack() as stack:
        loader: Loader
        processes: LoadProcesses | None = None
        if plan.client == "fast":
            processes = stack.enter_context(LoadProcesses(writer.folder, plan, token))
            processes.prepare()
            # No server is to stand and wait for people.
            processes.await_hosts()
            loader = SliceLoader(
                plan,
                processes,
                progress,
                _slice_length(plan, calibration),
                known_ceilings_rps(plan, so_far.trials),
            )
        else:
            loader = StockLoader(plan, writer, progress)
        progress.enter(0, 0, "prove")
        proofs = prove(plan, writer.log_path)
        (accept or writer.write_proofs)(proofs)
        reasons = refused(plan, proofs)
        if not so_far.rounds:
            _store_refused(plan, reasons, writer, progress)
        proof_of = {planned.cell.key: _proof(planned, proofs) for planned in cells}
        right = [planned for planned in cells if planned.cell.key not in reasons]
        cells = [] if reasons and fail_fast else right
        # Who never asks whether it is enough goes on for hours: what is stored is not held as well.
        trials = [] if enough is None else list(so_far.trials)
        for round, block, members in rounds_and_blocks(plan, cells, so_far.rounds):
            # Each part measures a round at least, so that a run comes to its end.
            is_new_round = trials and so_far.rounds < round and trials[-1].round < round
            if enough is not None and is_new_round and enough(round, trials):
                break
            if processes is not None:
                processes.await_hosts()
            measured = measure_block(
                plan, members, loader, writer, progress, round=round, block=block
            )
            for trial in measured:
                proven = as_proven(trial, proof_of[trial.cell])
                judged = judge_trial(proven, plan, calibration)
                writer.append(judged)
                progress.tell(TrialDone(judged))
                if enough is not None:
                    trials.append(judged)
            if fail_fast and any(trial.outcome == "failed" for trial in measured):
                break
        if idle_watch_s is not None and processes is not None:
            known = so_far.behaviours
            BehaviourRunner(plan, processes, writer, progress, idle_watch_s, known).run(cells)
    progress.leave()
    return progress


def _slice_length(plan: Plan, calibration: Calibration | None) -> SliceLength:
    """That of an A/B, or of load hosts; else as calibrated on this machine, or the default."""
    if plan.gate is not None:
        return SIDES
    if plan.load_hosts:
        return HOSTS
    shortest_s = calibration.shortest_slice_s if calibration is not None else None
    return msgspec.structs.replace(SERVERS, shortest_s=shortest_s or SERVERS.shortest_s)


def known_ceilings_rps(plan: Plan, trials: Sequence[Trial]) -> dict[str, float]:
    """The throughputs that shares of rates refer to, by cell key, fixed by the first rounds."""
    loads = {planned.cell.key: planned.cell.load for planned in plan.cells}
    found: dict[str, float] = {}
    for trial in trials:
        load = loads.get(trial.cell)
        if load is None or not load.is_relative or trial.cell in found:
            continue
        steps_rps = [piece.offered_rps for piece in trial.slices[: len(load.shares)]]
        if load.rate_share is not None and trial.offered_rps is not None:
            found[trial.cell] = trial.offered_rps / load.rate_share
        elif load.shares and len(steps_rps) == len(load.shares):
            # All steps were taken, in random order; what a search added comes after them.
            found[trial.cell] = max(filter(None, steps_rps)) / max(load.shares)
    return found


def _store_refused(
    plan: Plan, reasons: Mapping[str, str], writer: RunWriter, progress: Progress
) -> None:
    """Store a failed trial for each cell whose proof is not what it states."""
    for trial in failed_trials(plan, reasons):
        writer.append(trial)
        progress.tell(TrialDone(trial))


def _proof(planned: PlannedCell, proofs: Sequence[Proof]) -> Proof | None:
    return next((proof for proof in proofs if proof.setting == planned.cell.start), None)


def rounds_and_blocks(
    plan: Plan, cells: Sequence[PlannedCell], first_round: int = 0
) -> Iterator[tuple[int, int, list[PlannedCell]]]:
    """Yield each round's blocks with their cells, the blocks in an order drawn per round."""
    numbers = sorted({block for planned in cells for block in planned.blocks})
    for round in range(first_round, plan.rounds):
        chance = random.Random(f"{plan.seed}/blocks/{round}")
        for block in chance.sample(numbers, len(numbers)):
            yield round, block, [planned for planned in cells if block in planned.blocks]
