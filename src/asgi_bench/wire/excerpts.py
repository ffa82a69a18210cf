"""The start of what arrived over the wire, for quoting in a sentence."""

from codecs import getincrementaldecoder

LONGEST_EXCERPT = 60


def excerpt(data: bytes, longest: int = LONGEST_EXCERPT) -> str:
    """Return bytes in quotes, with `…` if they were cut: as text if they are UTF-8."""
    piece = data[: longest * 4]
    try:
        # Not final: a character that the cut went through is left out.
        text = getincrementaldecoder("utf-8")().decode(piece)
    except UnicodeDecodeError:
        text = piece.decode("latin-1")
    quoted = repr(text[:longest])
    return (
        quoted
        if len(text) <= longest and len(piece) == len(data)
        else f"{quoted[:-1]}…{quoted[-1]}"
    )
