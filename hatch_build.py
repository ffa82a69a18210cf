"""The project's description on a package index: README with links and pictures that work there."""

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

# Pictures and links of the repository, and the marks of what scripts write.
PICTURE = re.compile(r"(!\[[^\]]*\]\()(?!https://)([^)\s]+)\)")
LINK = re.compile(r"((?<!!)\[(?:[^\[\]]|!\[[^\]]*\]\([^)]*\))*\]\()(?!https://|#)([^)\s]+)\)")
MARK = re.compile(r"^<!--.*?-->\n+", re.MULTILINE)


class DescriptionHook(MetadataHookInterface):
    """Fills in `readme`, which pyproject.toml leaves open."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Put the description into the metadata; links lead to the files of this version."""
        repository = metadata["urls"]["Repository"]
        raw = repository.replace("https://github.com/", "https://raw.githubusercontent.com/")
        tag = f"v{metadata['version']}"
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        text = PICTURE.sub(rf"\1{raw}/{tag}/\2)", MARK.sub("", text))
        text = LINK.sub(rf"\1{repository}/blob/{tag}/\2)", text)
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
