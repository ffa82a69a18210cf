"""The servers of a selection, with what starts each of them for every way to reach it."""

import msgspec
from packaging.requirements import Requirement

from asgi_bench.conformance.servers import Candidate, Way
from asgi_bench.definitions.chosen import chosen_servers
from asgi_bench.definitions.folders import runner_folders, shipped_apps
from asgi_bench.definitions.plan import load_plan
from asgi_bench.definitions.selection import Selection
from asgi_bench.definitions.servers import Server, load_servers
from asgi_bench.definitions.setups import DEFAULT_VARIANTS
from asgi_bench.model import Plan, PlannedCell
from asgi_bench.model.matrix import Unchecked

APP = "conformance:app"


def matrix_plan(asked: Selection) -> Plan:
    """The plan of a selection: default variants unless others are named, each way, one worker.

    Raises UsageError as `load_plan` does.
    """
    return load_plan(
        msgspec.structs.replace(
            asked,
            variants=asked.variants or DEFAULT_VARIANTS,
            workers=(1,),
            scenarios=("hello",),
            http=("1", "2"),
            transports=("tcp", "tls", "unix"),
            connections=(1,),
            stand_in=(APP, shipped_apps(), shipped_apps()),
        )
    )


def candidates(asked: Selection, plan: Plan) -> tuple[list[Candidate], list[Unchecked]]:
    """The servers that can be started, and those that can't, with the reason."""
    known = load_servers(runner_folders(asked.runner_folders))
    servers = {server.name: server for server in chosen_servers(asked.servers, known)}
    ways: dict[tuple[str, str], dict[Way, PlannedCell]] = {}
    for planned in plan.cells:
        cell = planned.cell
        of_one = ways.setdefault((cell.server, cell.variant), {})
        of_one[cell.http, cell.transport] = planned
    found: list[Candidate] = []
    left_out: list[Unchecked] = []
    for (name, variant), of_one in ways.items():
        reason = of_one["1", "tcp"].skip_reason
        if reason is not None:
            left_out.append(Unchecked(name, variant, reason))
            continue
        packages = packages_of(servers[name], variant)
        features = frozenset(servers[name].features)
        found.append(Candidate(name, variant, packages, features, of_one))
    return found, left_out


def packages_of(server: Server, variant: str) -> frozenset[str]:
    """What a server is made of, by the names of distributions."""
    lines = (*server.requires, *server.variants[variant].requires)
    names = {Requirement(line).name.lower() for line in lines}
    return frozenset(names | ({server.distribution.lower()} if server.distribution else set()))
