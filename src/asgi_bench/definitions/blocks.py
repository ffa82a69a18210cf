"""Which cells of a plan are up at once."""

import math
from collections.abc import Mapping, Sequence

import msgspec

from asgi_bench.model import PlannedCell


def in_blocks(
    planned: Sequence[PlannedCell], reference: str | None, size: int | None
) -> tuple[PlannedCell, ...]:
    """Put each worker count of a scenario into blocks of its own, each with the reference.

    All servers of a block are up at once, and servers that are compared share a block, unless that
    makes it larger than `size`: other scenarios would only take memory. The reference is left out
    if nothing else is under its scenario and load: it would take time and compare nothing. A
    server that never idles is alone: it would slow down everything beside it, the reference too.
    A worker count that can't be measured at all has no block.
    """
    block_of = _own_blocks(planned, reference, size)
    loads = {
        (block_of[one.cell.scenario, one.cell.setting], one.cell.request_key, one.cell.load.key)
        for one in planned
        if one.skip_reason is None and one.cell.setting != reference and one.idles
    }

    def blocks(one: PlannedCell) -> tuple[int, ...]:
        own = block_of[one.cell.scenario, one.cell.setting]
        if one.skip_reason is not None or one.cell.setting != reference:
            return (own,)
        asked = (one.cell.request_key, one.cell.load.key)
        others = sorted({number for number, *kind in loads if tuple(kind) == asked} - {own})
        return (own, *others)

    return tuple(msgspec.structs.replace(one, blocks=blocks(one)) for one in planned)


def _own_blocks(
    planned: Sequence[PlannedCell], reference: str | None, size: int | None
) -> dict[tuple[str, str], int]:
    """The block of each setting that a scenario is measured with, in ascending order.

    That of the reference, and of what can't be measured, is the first of its worker count.
    """
    measured = [one.cell for one in planned if one.skip_reason is None]
    restless = {one.cell.server for one in planned if not one.idles}
    places = {name: place for place, name in enumerate(dict.fromkeys(c.scenario for c in measured))}
    # What belongs together, by scenario and worker count, those last that have to be alone: each
    # with its servers.
    kinds: dict[tuple[int, int, str], dict[str, set[str]]] = {}
    beside: dict[int, set[str]] = {place: set() for place in places.values()}
    for cell in measured:
        place = places[cell.scenario]
        name = cell.without_setup.setting
        is_alone = cell.server in restless and cell.setting != reference
        servers = kinds.setdefault((place, cell.workers, name if is_alone else ""), {})
        if cell.setting == reference:
            beside[place].add(cell.process_key)
        else:
            servers.setdefault(name, set()).add(cell.process_key)
    part_of: dict[tuple[int, int, str], int] = {}
    first_of: dict[tuple[int, int], int] = {}
    count = 0
    for kind, servers in sorted(kinds.items()):
        sizes = {name: len(keys) for name, keys in servers.items()}
        first_of.setdefault(kind[:2], count)
        for part in _parts(sizes, None if size is None else max(1, size - len(beside[kind[0]]))):
            part_of |= {(*kind[:2], name): count for name in part}
            count += 1
    found: dict[tuple[str, str], int] = {}
    # What is measured comes last: other ways that the same setting is asked by may not be.
    for one in sorted(planned, key=lambda one: one.skip_reason is None):
        cell = one.cell
        count_of = (places.get(cell.scenario, len(places)), cell.workers)
        is_first = one.skip_reason is not None or cell.setting == reference
        number = (
            first_of.get(count_of, 0)
            if is_first
            else part_of[*count_of, cell.without_setup.setting]
        )
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
