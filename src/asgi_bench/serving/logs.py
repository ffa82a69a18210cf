"""What a server wrote before it failed."""

import re
from pathlib import Path

_TAIL_BYTES = 65_536
_LONGEST = 300
_TERMINAL_CODES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")


def last_log_line(path: Path) -> str | None:
    """The last line with anything in it, without colours, shortened; None if there is none."""
    try:
        with path.open("rb") as log:
            log.seek(0, 2)
            log.seek(max(0, log.tell() - _TAIL_BYTES))
            tail = log.read()
    except FileNotFoundError:
        return None
    text = _TERMINAL_CODES.sub("", tail.decode(errors="replace"))
    lines = [stripped for line in text.splitlines() if (stripped := line.strip())]
    if not lines:
        return None
    last = lines[-1]
    return last if len(last) <= _LONGEST else last[: _LONGEST - 1] + "…"
