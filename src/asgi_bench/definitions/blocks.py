"""Which cells of a plan are up at once."""

import math
from collections.abc import Mapping, Sequence

import msgspec

from asgi_bench.model import Cell, PlannedCell


def in_blocks(
    planned: Sequence[PlannedCell], reference: str | None, size: int | None
) -> tuple[PlannedCell, ...]:
    """Put each worker count of a scenario into blocks of its own, the reference into all of them.

    All servers of a block are up at once, and what is compared is in one, unless that would be
    more of them than `size`: other scenarios would only take memory. Where there is nothing else
    under the reference's scenario and load it is left out: it would take time and compare nothing.
    A count of which nothing can be measured has no block.
    """
    measured = [one.cell for one in planned if one.skip_reason is None]
    block_of = _own_blocks(measured, reference, size)
    loads = {
        (block_of[cell.scenario, cell.setting], cell.request_key, cell.load.key)
        for cell in measured
        if cell.setting != reference
    }
    numbers = sorted(set(block_of.values()))
    # Of those that can't be measured.
    beside: dict[tuple[str, int], int] = {}
    for cell in measured:
        number = block_of[cell.scenario, cell.setting]
        kind = (cell.scenario, cell.workers)
        beside[kind] = min(number, beside.get(kind, number))

    def blocks(one: PlannedCell) -> tuple[int, ...]:
        scenario, setting = one.cell.scenario, one.cell.setting
        own = block_of.get((scenario, setting), beside.get((scenario, one.cell.workers), 0))
        if one.skip_reason is not None or one.cell.setting != reference:
            return (own,)
        asked = (one.cell.request_key, one.cell.load.key)
        return (own, *(each for each in numbers if each != own and (each, *asked) in loads))

    return tuple(msgspec.structs.replace(one, blocks=blocks(one)) for one in planned)


def _own_blocks(
    measured: Sequence[Cell], reference: str | None, size: int | None
) -> dict[tuple[str, str], int]:
    """The block of each setting that a scenario is measured with, in ascending order.

    The reference's is the first of its worker count.
    """
    scenarios = list(dict.fromkeys(cell.scenario for cell in measured))
    # What belongs together, by scenario and worker count: each with its servers.
    kinds: dict[tuple[int, int], dict[str, set[str]]] = {}
    beside: dict[str, set[str]] = {scenario: set() for scenario in scenarios}
    for cell in measured:
        servers = kinds.setdefault((scenarios.index(cell.scenario), cell.workers), {})
        if cell.setting == reference:
            beside[cell.scenario].add(cell.process_key)
        else:
            servers.setdefault(cell.without_setup.setting, set()).add(cell.process_key)
    part_of: dict[tuple[int, int, str], int] = {}
    first_of: dict[tuple[int, int], int] = {}
    count = 0
    for kind, servers in sorted(kinds.items()):
        taken = len(beside[scenarios[kind[0]]])
        sizes = {name: len(keys) for name, keys in servers.items()}
        first_of[kind] = count
        for part in _parts(sizes, None if size is None else max(1, size - taken)):
            part_of |= {(*kind, name): count for name in part}
            count += 1
    found: dict[tuple[str, str], int] = {}
    for cell in measured:
        kind = (scenarios.index(cell.scenario), cell.workers)
        own = (*kind, cell.without_setup.setting)
        number = first_of[kind] if cell.setting == reference else part_of[own]
        found[cell.scenario, cell.setting] = number
    return found


def _parts(servers: Mapping[str, int], room: int | None) -> list[list[str]]:
    """Names in their order, in parts of about as many servers each: no more than `room`.

    What is under one name stays together: the ways a setting is asked by, and its setups.
    """
    whole = sum(servers.values())
    even = whole if room is None else math.ceil(whole / math.ceil(whole / room)) if whole else 0
    parts: list[list[str]] = [[]]
    held = 0
    for name, count in servers.items():
        if parts[-1] and held + count > even:
            parts.append([])
            held = 0
        parts[-1].append(name)
        held += count
    return parts
