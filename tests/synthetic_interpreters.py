"""A run in which each `default` was measured under three interpreters."""

import msgspec

from asgi_bench.model import Plan, Proof, Run, Setup, Trial
from tests.synthetic_run import planned_cells, synthetic_run

# Answers over those under the first.
RATIOS = {"3.11": 1.0, "3.12": 0.9, "3.14t": 1.2}
VERSIONS = {
    "3.11": "CPython 3.11.7",
    "3.12": "CPython 3.12.1",
    "3.14t": "CPython 3.14.0 free-threaded",
}
REFERENCE = "uvicorn/default@3.11/w1"


def interpreters_run(rounds: int = 6) -> Run:
    """Servers get slower and faster by `RATIOS`; under 3.12 an older uvloop is installed."""
    replace = msgspec.structs.replace
    cells = tuple(
        replace(planned, cell=replace(planned.cell, setup=name))
        for planned in planned_cells(worker_counts=(1,))
        for name in RATIOS
        if planned.cell.variant == "default"
    )
    run = synthetic_run(cells, rounds=rounds, edit=_as_fast)
    header = replace(run.header, plan=_over_interpreters(run.header.plan))
    proofs = tuple(
        Proof(
            setting=f"uvicorn/default@{name}/w1",
            python=version,
            packages={"uvloop": "0.23.0"},
            gil=name != "3.14t",
        )
        for name, version in VERSIONS.items()
    )
    return replace(run, header=header, proofs=proofs)


def _over_interpreters(plan: Plan) -> Plan:
    setups = tuple(
        Setup(
            name=name,
            python=f"/{name}/bin/python",
            packages={"uvloop": "0.21.0" if name == "3.12" else "0.23.0", "unused": name},
            python_version=version,
        )
        for name, version in VERSIONS.items()
    )
    return msgspec.structs.replace(plan, setups=setups, reference=REFERENCE)


def _as_fast(trial: Trial) -> Trial:
    """For as much CPU time so many answers as the interpreter has it."""
    ratio = RATIOS[trial.cell.split("/")[1].partition("@")[2]]
    replace = msgspec.structs.replace
    pieces = tuple(
        replace(piece, requests=int(piece.requests * ratio), sent=int(piece.sent * ratio))
        for piece in trial.slices
    )
    return replace(trial, slices=pieces, requests=sum(piece.requests for piece in pieces))
