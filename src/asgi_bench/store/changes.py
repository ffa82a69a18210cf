"""The changes that were found in series, so that a history without a new run needn't search again.

The search is what costs: a second to import ruptures, more than all else of a history from its
index. The file is derived: a damaged one, or one by other rules, counts for nothing, and deleting
it costs only time.
"""

import hashlib
from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from asgi_bench.model import Search, Segmentation
from asgi_bench.regular_files import read_regular
from asgi_bench.store.files import write_whole
from asgi_bench.store.runs import UNREADABLE

CHANGES_FILE = "changes.json"
CHANGES_SCHEMA = "asgi-bench/changes"


class _Found(msgspec.Struct, frozen=True):
    """What was found in each series by these rules, by the digest of its values."""

    schema: str
    rules: str
    found: dict[str, Segmentation]


@contextmanager
def remembered(parent: Path, search: Search, rules: str) -> Iterator[Search]:
    """Give a search that remembers in this folder what was found in the same values before.

    `rules` says by what the search goes: what was found by others is forgotten.
    Kept is what was asked for the last time: series grow, and of the shorter ones nothing is asked
    any more. Where the folder takes no files, each time searches anew.
    """
    path = parent / CHANGES_FILE
    known = _read(path, rules)
    asked: dict[str, Segmentation] = {}

    def found_in(values: Sequence[float]) -> Segmentation:
        key = hashlib.sha256(array("d", values).tobytes()).hexdigest()
        found = known.get(key)
        asked[key] = search(values) if found is None else found
        return asked[key]

    yield found_in
    if asked.keys() != known.keys():
        content = msgspec.json.encode(_Found(CHANGES_SCHEMA, rules, asked))
        # It holds nothing that isn't found again.
        with suppress(OSError):
            write_whole(path, content)


def _read(path: Path, rules: str) -> Mapping[str, Segmentation]:
    try:
        stored = msgspec.json.decode(read_regular(path), type=_Found)
    except (OSError, *UNREADABLE):
        return {}
    is_ours = (stored.schema, stored.rules) == (CHANGES_SCHEMA, rules)
    return stored.found if is_ours else {}
