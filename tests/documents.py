"""The documents as tests read them: which there are, their blocks of code, their commands."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def documents() -> list[Path]:
    """Return the documents, all that is in Markdown for readers."""
    return sorted(
        [
            *ROOT.glob("*.md"),
            *(ROOT / "docs").rglob("*.md"),
            ROOT / "results" / "README.md",
        ]
    )


def commands_in(path: Path) -> Iterator[str]:
    """Yield each command of asgi-bench in a document's console blocks, in order."""
    for language, block in FENCED.findall(path.read_text(encoding="utf-8")):
        if language != "console":
            continue
        for line in block.replace("\\\n", " ").splitlines():
            if line.startswith("$ asgi-bench ") and "…" not in line:
                yield line.removeprefix("$ ")


def block_with(document: str, start: str) -> str:
    """Return the one block of a document that begins with these words."""
    text = (ROOT / document).read_text(encoding="utf-8")
    (block,) = (block for _, block in FENCED.findall(text) if block.startswith(start))
    return str(block)
