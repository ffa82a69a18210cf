"""Servers that somebody else started: where they are, whether they may be loaded, the plan."""

import re
import socket
from collections.abc import Sequence
from itertools import product
from urllib.parse import urlsplit

import msgspec

from asgi_bench.definitions.assembly import asked_loads, assembled
from asgi_bench.definitions.own_app import OwnApp, scenario_of
from asgi_bench.definitions.selection import Selection
from asgi_bench.errors import BenchError, UsageError
from asgi_bench.machine.addresses import is_own
from asgi_bench.model import Cell, Plan, PlannedCell, Scenario
from asgi_bench.model.endpoint import PORTS, TRANSPORTS, Target
from asgi_bench.model.plan import load_time_s

_HOST = re.compile(r"[a-z0-9._-]+")
# What the scenario is called that the flags about a request describe.
SCENARIO = "target"


def parse_targets(texts: Sequence[str], where: str) -> tuple[Target, ...]:
    """Return targets as given, each once; raises UsageError for an invalid one."""
    return tuple(dict.fromkeys(_target(text, where) for text in texts))


def _target(text: str, where: str) -> Target:
    allowed = "it must be http[s]://HOST[:PORT], such as http://10.0.0.1:8000"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as fault:
        raise UsageError(f"{where}: {text!r}: {fault}; {allowed}") from None
    if parts.scheme not in TRANSPORTS or not parts.hostname or parts.username is not None:
        raise UsageError(f"{where}: {text!r}: {allowed}")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise UsageError(
            f"{where}: {text!r}: leave out everything after the host; use --path for the path"
        )
    if ":" in parts.hostname:
        raise UsageError(f"{where}: {text!r}: only IPv4 addresses can be loaded")
    if not _HOST.fullmatch(parts.hostname) or port == 0:
        raise UsageError(f"{where}: {text!r}: {allowed}")
    return Target(parts.scheme, parts.hostname, PORTS[parts.scheme] if port is None else port)


def parse_hosts(texts: Sequence[str], where: str) -> tuple[str, ...]:
    """Return hosts as given; raises UsageError for anything but a name."""
    hosts = tuple(text.lower() for text in texts)
    for host in hosts:
        if not _HOST.fullmatch(host):
            raise UsageError(
                f"{where}: {host!r} must be only a host or an address, such as 203.0.113.7"
            )
    return hosts


def address_of(target: Target, allowed: Sequence[str]) -> str:
    """Return the address that a target's host has now; load goes there for the whole run.

    Raises:
        UsageError: it is neither loopback nor private, and `allowed` names neither it nor the host.
        BenchError: the host has no IPv4 address.
    """
    try:
        found = socket.getaddrinfo(target.host, target.port, socket.AF_INET, socket.SOCK_STREAM)
    except (OSError, UnicodeError) as fault:
        raise BenchError(f"--target {target.url}: {target.host} has no address: {fault}") from None
    address = str(found[0][4][0])
    if not is_own(address) and not {target.host, address} & set(allowed):
        named = "" if address == target.host else f" ({address})"
        raise UsageError(
            f"--target {target.url}: {target.host}{named} is neither a loopback nor a private "
            f"address; if you may load it, add --allow-target {target.host}"
        )
    return address


def plan_of_targets(selection: Selection) -> Plan:
    """Return the plan of a selection whose servers somebody else started.

    The flags about a request say what is requested from them.

    Raises:
        UsageError: one of them may not be loaded, or flags rule each other out.
        BenchError: the host of one has no IPv4 address.
    """
    own = selection.own_app or OwnApp()
    scenario = msgspec.structs.replace(
        scenario_of(own, needs=()), name=SCENARIO, description="a server that runs elsewhere"
    )
    if selection.random_masks:
        scenario = msgspec.structs.replace(scenario, random_masks=True)
    return assembled(selection, _cells(selection, scenario), (scenario,))


def _cells(selection: Selection, scenario: Scenario) -> list[PlannedCell]:
    """A cell for each target, HTTP version and load."""
    addresses = {each: address_of(each, selection.allowed_targets) for each in selection.targets}
    return [
        PlannedCell(
            Cell(
                *(target.authority, "default", 1, scenario.name, load),
                http=version,
                transport=target.transport,
            ),
            target=target.url,
            target_address=addresses[target],
            skip_reason=scenario.refusal(
                load.connections,
                load_time_s(load, selection.duration_s),
                version,
                target.transport,
            ),
        )
        for target, version in product(selection.targets, selection.http)
        for load in asked_loads(
            selection,
            version,
            connections=selection.connections,
            further=selection.also_connections or (),
        )
    ]
