"""Proof of settings: every server setting is started once with an app that tells what runs.

The command line is the one that is measured, except for the app.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from asgi_bench.definitions.plan import PROVEN_VARIABLE
from asgi_bench.machine.processes import process_variables
from asgi_bench.measurement.running_servers import LogPath, RunningServer, RunningServers
from asgi_bench.model import Plan, PlannedCell, Proof, Trial
from asgi_bench.serving.environment_variables import recorded_variables
from asgi_bench.serving.faults import ServerFault
from asgi_bench.serving.proof import PROBE_SCENARIO, ask_workers, changes, proof_of
from asgi_bench.serving.worker_count import await_more

NO_APP = "its command does not serve an ASGI app"
NOT_OURS = "it was already running when the run began"
# Variables, and words of a command, by which somebody asks for a mode for debugging.
DEBUG_VARIABLE = re.compile(r"DEBUG|DEVMODE|TRACEMALLOC|COVERAGE", re.IGNORECASE)
DEBUG_WORD = re.compile(r"-X.*|-.*debug.*|dev|(.*/)?coverage")


def prove(plan: Plan, log_path: LogPath) -> tuple[Proof, ...]:
    """Return the proof of every setting that the plan measures, in the plan's order.

    The servers of a block are up side by side, as when they are measured. The user's own app is in
    their processes, because it may change what runs; if that isn't what is stated, or nothing is,
    they are started once more without it, and the difference is the app's doing.
    """
    settings: dict[str, PlannedCell] = {}
    for planned in plan.cells:
        if planned.skip_reason is None:
            settings.setdefault(planned.cell.start, planned)
    probes = {name: _probe_cell(one) for name, one in settings.items() if one.proof_command}
    proofs = {
        name: Proof(name, unproven=NO_APP if one.target is None else NOT_OURS)
        for name, one in settings.items()
    }
    proofs |= _ask(plan, list(probes.values()), log_path)
    doubtful = {
        name: _without_app(probe)
        for name, probe in probes.items()
        if PROVEN_VARIABLE in probe.env
        and proofs[name].unproven is None
        and (proofs[name].fault is not None or not probe.proves)
    }
    for name, without in _ask(plan, list(doubtful.values()), log_path).items():
        proofs[name] = compared(proofs[name], without)
    return tuple(with_debugging(proof, settings[name]) for name, proof in proofs.items())


def compared(with_app: Proof, without: Proof) -> Proof:
    """What the variant isn't even without the app is its own fault; the rest is the app's."""
    if without.fault is not None or without.unproven is not None:
        return with_app
    differs = changes(with_app, without)
    fault = None if differs else with_app.fault
    return msgspec.structs.replace(with_app, fault=fault, differs=differs)


def with_debugging(proof: Proof, planned: PlannedCell) -> Proof:
    """A debugging mode that nobody requested is a deviation.

    Anyone who gives the server a variable or a flag for it has requested it.
    """
    is_asked_for = any(map(DEBUG_VARIABLE.search, planned.env)) or any(
        map(DEBUG_WORD.fullmatch, planned.command)
    )
    if not proof.debugging or is_asked_for:
        return proof
    told = f"it runs with {' and '.join(proof.debugging)}"
    return msgspec.structs.replace(proof, differs=(*proof.differs, told))


def as_proven(trial: Trial, proof: Proof | None) -> Trial:
    """A trial with what the proof of its setting reported: workers that served, what differs."""
    if proof is None or trial.outcome != "ok":
        return trial
    return msgspec.structs.replace(
        trial,
        workers_serving=max(trial.workers_serving, len(proof.worker_pids)),
        differs=proof.differs,
    )


def refused(plan: Plan, proofs: Sequence[Proof]) -> dict[str, str]:
    """Return the cells that must not be measured, by key, each with the reason."""
    faults = {proof.setting: proof.fault for proof in proofs if proof.fault is not None}
    return {
        planned.cell.key: f"not what its name says: {faults[planned.cell.start]}"
        for planned in plan.cells
        if planned.skip_reason is None and planned.cell.start in faults
    }


def failed_trials(plan: Plan, reasons: Mapping[str, str]) -> Iterator[Trial]:
    """Yield a failed trial for each refused cell."""
    for planned in plan.cells:
        if planned.cell.key in reasons:
            yield Trial(
                cell=planned.cell.key,
                round=0,
                block=planned.blocks[0],
                started_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
                outcome="failed",
                reason=reasons[planned.cell.key],
            )


def _probe_cell(planned: PlannedCell) -> PlannedCell:
    """The same start with the app that tells what runs."""
    return msgspec.structs.replace(
        planned,
        cell=msgspec.structs.replace(planned.cell, scenario=PROBE_SCENARIO.name),
        command=planned.proof_command,
        env={**planned.env, **planned.proof_env},
        blocks=planned.blocks[:1],
    )


def _without_app(probe: PlannedCell) -> PlannedCell:
    """The same start without the user's own app in the process."""
    env = {name: value for name, value in probe.env.items() if name != PROVEN_VARIABLE}
    return msgspec.structs.replace(probe, env=env)


def _ask(plan: Plan, cells: Sequence[PlannedCell], log_path: LogPath) -> dict[str, Proof]:
    asking = msgspec.structs.replace(plan, cells=tuple(cells), scenarios=(PROBE_SCENARIO,))
    proofs: dict[str, Proof] = {}
    for block in sorted({planned.blocks[0] for planned in cells}):
        members = [planned for planned in cells if planned.blocks[0] == block]
        with RunningServers(asking, members, log_path, round=0, block=block) as running:
            for server in running.servers:
                proof = _proof(server, plan.request_timeout_s)
                proofs[proof.setting] = proof
            running.stop()
    return proofs


def _proof(server: RunningServer, timeout_s: float) -> Proof:
    planned = server.cells[0]
    setting = planned.cell.start
    if server.fault is not None:
        return Proof(setting, unproven=server.fault)
    try:
        await_more(server.process, planned.cell.workers)
        told = ask_workers(server.process.endpoint, planned.cell.workers, timeout_s)
    except ServerFault as fault:
        return Proof(setting, unproven=fault.reason)
    environment = {
        name: value for pid in server.process.pids for name, value in process_variables(pid).items()
    }
    proof = proof_of(setting, told, planned.proves)
    return msgspec.structs.replace(proof, variables=recorded_variables(environment))
