"""What is not the same on both sides of an A/B, whatever was meant to differ.

Requested: commits, apps, flags, variables, interpreters, packages. Found: what really ran under
either side, as the proofs of its servers report from inside.
"""

import shlex
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from asgi_bench.analysis.history.environment import (
    parts_of,
    socket_options_of,
    started_with,
    variables_of,
)
from asgi_bench.model import Difference, DifferenceKind, Plan, PlannedCell, Proof, Setup

# Variables that asgi-bench sets for itself.
OURS = "ASGI_BENCH_"


class Pair(msgspec.Struct, frozen=True):
    """One server setting on both sides: how it was started, and what then ran, if that is known.

    `name` distinguishes it from others; "" if there is only one.
    """

    name: str
    cells: tuple[PlannedCell, PlannedCell]
    proofs: tuple[Proof, Proof] | None


def side_differences(
    baseline: Setup, candidate: Setup, pairs: Sequence[Pair] = ()
) -> tuple[Difference, ...]:
    """Return the differences: code first, then what runs, flags, variables, packages.

    This shows packages that a requirement brought along. Where environments are is no difference,
    as long as they contain the same.
    """
    found = (
        *_differing("commit", {"commit": baseline.commit}, {"commit": candidate.commit}),
        *_differing("app", *_apps(baseline, candidate)),
        *(one for pair in pairs for one in _modules(pair, (baseline, candidate))),
        *(one for pair in pairs for one in _running(pair)),
        *_differing("args", _flags(baseline), _flags(candidate)),
        *_differing("env", baseline.env, candidate.env),
        *(one for pair in pairs for one in _variables(pair, (baseline, candidate))),
        *_differing("python", _python(baseline), _python(candidate)),
        *_differing("package", baseline.packages, candidate.packages),
    )
    return tuple(dict.fromkeys(found))


def pairs_of(plan: Plan, proofs: Sequence[Proof]) -> list[Pair]:
    """Each server setting of an A/B on both sides, in the plan's order."""
    known = {proof.setting: proof for proof in proofs if proof.unproven is None}
    sides: dict[str, dict[str, PlannedCell]] = {}
    for planned in plan.cells:
        if planned.cell.setup is not None:
            sides.setdefault(planned.cell.without_setup.start, {}).setdefault(
                planned.cell.setup, planned
            )
    whole = {name: both for name, both in sides.items() if {"baseline", "candidate"} <= set(both)}
    pairs = []
    for name, both in whole.items():
        cells = both["baseline"], both["candidate"]
        told = [known[one.cell.start] for one in cells if one.cell.start in known]
        proven = (told[0], told[1]) if len(told) == len(cells) else None
        pairs.append(Pair(name if len(whole) > 1 else "", cells, proven))
    return pairs


def _differing(
    kind: DifferenceKind, baseline: Mapping[str, str | None], candidate: Mapping[str, str | None]
) -> Iterator[Difference]:
    for name in sorted(baseline.keys() | candidate.keys()):
        old, new = baseline.get(name), candidate.get(name)
        if old != new:
            yield Difference(kind, name, old, new)


def _apps(baseline: Setup, candidate: Setup) -> tuple[dict[str, str | None], dict[str, str | None]]:
    """The apps with their folders, which tell nothing where one is that of a commit."""
    are_files = baseline.commit is None and candidate.commit is None
    ours, theirs = (
        {"app": side.app, "app_dir": side.app_dir if are_files else None}
        for side in (baseline, candidate)
    )
    return ours, theirs


def _modules(pair: Pair, sides: tuple[Setup, Setup]) -> Iterator[Difference]:
    """Modules of the app that hold something else; those of a commit are told by it."""
    if pair.proofs is not None and all(side.commit is None for side in sides):
        yield from _differing("module", *(proof.modules for proof in pair.proofs))


def _running(pair: Pair) -> Iterator[Difference]:
    """What really ran: loop, protocol, parser, transport, options of the sockets."""
    if pair.proofs is None:
        return
    yield from _named(pair, "running", *(parts_of(proof) for proof in pair.proofs))
    yield from _named(pair, "socket", *(socket_options_of(proof) for proof in pair.proofs))


def _variables(pair: Pair, sides: tuple[Setup, Setup]) -> Iterator[Difference]:
    """The variables that servers were given, and those that a wrapped interpreter added."""
    given = [_given(*each) for each in zip(pair.cells, sides, strict=True)]
    yield from _named(pair, "env", *given)
    if pair.proofs is not None:
        known = {*given[0], *given[1]}
        yield from _named(pair, "env", *(variables_of(proof, known) for proof in pair.proofs))


def _given(planned: PlannedCell, side: Setup) -> dict[str, str]:
    """A cell's own variables, wherever its app lies; those of asgi-bench may differ."""
    _, variables = started_with(planned)
    folder = side.app_dir or "\0"
    return {
        name: value.replace(folder, "{app_dir}")
        for name, value in variables.items()
        if not name.startswith(OURS) and name not in side.env
    }


def _named(
    pair: Pair, kind: DifferenceKind, baseline: Mapping[str, str], candidate: Mapping[str, str]
) -> Iterator[Difference]:
    for one in _differing(kind, baseline, candidate):
        name = f"{one.name} of {pair.name}" if pair.name else one.name
        yield msgspec.structs.replace(one, name=name)


def _flags(side: Setup) -> dict[str, str | None]:
    return {"server flags": shlex.join(side.server_args) or None}


def _python(side: Setup) -> dict[str, str | None]:
    return {"python": side.python_version or None}
