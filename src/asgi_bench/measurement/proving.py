"""Proof of settings: every server setting is started once on an app that tells what really runs.

The command line is the one that is measured, but for the app.
"""

import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import msgspec

from asgi_bench.definitions.folders import shipped_apps
from asgi_bench.measurement.standing import LogPath, StandingServer, StandingServers
from asgi_bench.model import Plan, PlannedCell, Proof, Trial
from asgi_bench.serving.faults import ServerFault
from asgi_bench.serving.proof import PROBE_SCENARIO, ask_workers, proof_of

NO_APP = "its command serves no Python app"


def prove(plan: Plan, log_path: LogPath) -> tuple[Proof, ...]:
    """Return the proof of every setting that the plan measures, in the plan's order.

    The servers of a block are up side by side, as they are when they are measured.
    """
    settings: dict[str, PlannedCell] = {}
    for planned in plan.cells:
        if planned.skip_reason is None:
            settings.setdefault(planned.cell.setting, planned)
    probes = {name: _probe_cell(one) for name, one in settings.items() if one.proof_command}
    proofs = {name: Proof(name, unproven=NO_APP) for name in settings}
    proofs |= _ask(plan, list(probes.values()), log_path)
    return tuple(proofs.values())


def refused(plan: Plan, proofs: Sequence[Proof]) -> dict[str, str]:
    """Return the cells that must not be measured, by key, each with the reason."""
    faults = {proof.setting: proof.fault for proof in proofs if proof.fault is not None}
    return {
        planned.cell.key: f"not what its name says: {faults[planned.cell.setting]}"
        for planned in plan.cells
        if planned.skip_reason is None and planned.cell.setting in faults
    }


def failed_trials(plan: Plan, reasons: dict[str, str]) -> Iterator[Trial]:
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
    """The same start with the probe app, which comes first on the module path."""
    apps = str(shipped_apps())
    path = os.pathsep.join([apps, planned.env.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    return msgspec.structs.replace(
        planned,
        cell=msgspec.structs.replace(planned.cell, scenario=PROBE_SCENARIO.name),
        command=planned.proof_command,
        env={**planned.env, "PYTHONPATH": path},
        # A folder of the user's may hold another `probe.py`.
        working_dir=apps,
        blocks=planned.blocks[:1],
    )


def _ask(plan: Plan, cells: Sequence[PlannedCell], log_path: LogPath) -> dict[str, Proof]:
    asking = msgspec.structs.replace(plan, cells=tuple(cells), scenarios=(PROBE_SCENARIO,))
    proofs: dict[str, Proof] = {}
    for block in sorted({planned.blocks[0] for planned in cells}):
        members = [planned for planned in cells if planned.blocks[0] == block]
        with StandingServers(asking, members, log_path, round=0, block=block) as standing:
            for server in standing.servers:
                proof = _proof(server, plan.request_timeout_s)
                proofs[proof.setting] = proof
            standing.stop()
    return proofs


def _proof(server: StandingServer, timeout_s: float) -> Proof:
    planned = server.cells[0]
    setting = planned.cell.setting
    if server.fault is not None:
        return Proof(setting, unproven=server.fault)
    try:
        told = ask_workers(server.process.port, planned.cell.workers, timeout_s)
    except ServerFault as fault:
        return Proof(setting, unproven=fault.reason)
    return proof_of(setting, told, planned.proves)
