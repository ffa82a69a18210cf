"""The changes found in series, so that a history without a new run needn't search again.

The search takes most of the time: a second to import ruptures, more than the rest of a history from
its index. The file is derived: a damaged one, or one by other rules, is ignored, and deleting it
only
costs time.
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
    """Return a search that remembers, in this folder, what was found in the same values before.

    `rules` says what the search depends on: results of other rules are forgotten. Only what the
    last history needed is kept: series grow, and the shorter ones are not needed again. If the
    folder can't be written, each call searches anew.
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
