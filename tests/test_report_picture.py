"""The picture of a report with marks, and the page that explains them."""

import re
import runpy
from pathlib import Path
from typing import Any

from PIL import Image

from tests.documents import ROOT
from tests.reporting.browsing import IN_A_BROWSER

SCRIPT: dict[str, Any] = runpy.run_path(str(ROOT / "scripts" / "annotate-report"))
pytestmark = IN_A_BROWSER


def test_each_mark_is_explained_and_finds_its_place(tmp_path: Path) -> None:
    """The page has an entry for each mark, and today's report has what each points at."""
    page = (ROOT / "docs" / "reading-a-report.md").read_text(encoding="utf-8")
    numbers = re.findall(r"^(\d+)\. ", page, re.MULTILINE)
    assert numbers == [str(number) for number in range(1, len(SCRIPT["MARKED"]) + 1)]
    drawn = tmp_path / "report.png"
    SCRIPT["draw"](drawn)
    with Image.open(drawn) as picture:
        assert picture.width == SCRIPT["SIZE"]["width"]


def test_the_committed_picture_is_there() -> None:
    """It is what the page shows, and small enough for a page."""
    picture = SCRIPT["PICTURE"]
    assert isinstance(picture, Path)
    assert 10_000 < picture.stat().st_size < 400_000
