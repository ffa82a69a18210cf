"""The project's description on a package index: README without what leads nowhere there."""

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

# Pictures and links of the repository, and the marks of what scripts write.
PICTURE = re.compile(r"^!\[[^\]]*\]\((?!https://)[^)]*\)\n+", re.MULTILINE)
LINK = re.compile(r"\[([^\[\]]+)\]\((?!https://)[^)\s]+\)")
MARK = re.compile(r"^<!--.*?-->\n+", re.MULTILINE)


class DescriptionHook(MetadataHookInterface):
    """Fills in `readme`, which pyproject.toml leaves open."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Put the description into the metadata."""
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        text = LINK.sub(r"\1", PICTURE.sub("", MARK.sub("", text)))
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
