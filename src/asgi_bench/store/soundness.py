"""Whether a stored trial can be used: its histograms are read by many, and damaged for all."""

import base64
import binascii
import zlib
from collections.abc import Iterator

from asgi_bench.model import RequestFigures, Slice, Trial

# Of an HDR V2 histogram: the cookie, and the length of what zlib has packed.
_HEAD_BYTES = 8


def has_sound_histograms(trial: Trial) -> bool:
    """Whether each histogram of a trial can be unpacked; some 20 us each."""
    return all(map(_is_sound, _histograms(trial)))


def given_up(trial: Trial) -> Trial:
    """A trial whose figures can't be read: failed, without them."""
    return Trial(
        cell=trial.cell,
        round=trial.round,
        block=trial.block,
        started_at=trial.started_at,
        outcome="failed",
        reason="its stored histogram can't be read",
        log=trial.log,
    )


def _histograms(trial: Trial) -> Iterator[str]:
    parts: tuple[Trial | RequestFigures | Slice, ...] = (trial, *trial.by_request, *trial.slices)
    return (blob for part in parts for blob in part.times_hdr.values())


def _is_sound(blob: str) -> bool:
    try:
        zlib.decompress(base64.b64decode(blob, validate=True)[_HEAD_BYTES:])
    except (binascii.Error, zlib.error, ValueError):
        return False
    return True
