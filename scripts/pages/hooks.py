"""What MkDocs asks of us: pages from outside `docs/`, pages made from code, and their links.

Pages link to each other as files of the repository do, so that they work there too. In the site a
link leads to the page that was made of the file, to a copy of it, or nowhere if it is a folder.
"""

import posixpath
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from asgi_bench.analysis.summary import survey
from asgi_bench.reporting.pages import render_page
from asgi_bench.store.folders import newest_run
from asgi_bench.store.runs import read_run
from pages.reference import PAGES

ROOT = Path(__file__).resolve().parents[2]
DOCS = "docs"
RECORDED = ROOT / "results" / "recorded"
# The recorded run's own page, and the pages that point at it.
REPORT, POINTING = "recorded/report.html", ("results.md", "reading-a-report.md")
# What that page links to, beside it: raw data and charts.
LINKED = ("*.json", "*.jsonl", "*.csv", "charts/*.svg")
# Copies of files that pages link to.
COPIES = "files"
# Pages of the site that are made of files outside docs/.
BROUGHT: Mapping[str, str] = {
    "METHODOLOGY.md": "methodology.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
    "README.md": "index.md",
    "results/README.md": "reference/result-files.md",
    "results/recorded/matrix/README.md": "matrix.md",
}
ORIGINS: Mapping[str, str] = {page: file for file, page in BROUGHT.items() if file != "README.md"}
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(([^()\s]+)\)")
PICTURE = re.compile(r"<p>(<img [^>]*>)</p>")
# Its words are those of the picture itself, which a reader of screens reads.
SCROLLED = (
    '<p class="sideways">Scroll the picture sideways. →</p>\n'
    '<div class="chart" role="group" aria-label="Picture" tabindex="0">{}</div>'
)
FENCE = re.compile(r"^(```|~~~)", re.MULTILINE)


def on_files(files: Files, config: Any) -> Files:
    """Add what is brought and what is made, then copies of the files that all of it links to."""
    for page, origin in ORIGINS.items():
        text = (ROOT / origin).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=text))
    for page, made in PAGES.items():
        files.append(File.generated(config, page, content=made()))
    newest = newest_run(RECORDED)
    files.append(File.generated(config, REPORT, content=render_page(survey(read_run(newest)))))
    for linked in (path for name in LINKED for path in newest.glob(name)):
        place = posixpath.join(posixpath.dirname(REPORT), linked.relative_to(newest).as_posix())
        files.append(File.generated(config, place, abs_src_path=str(linked)))
    copied: set[str] = set()
    for file in files.documentation_pages():
        if file.src_uri not in PAGES:
            copied |= set(_copies(file.content_string, origin_of(file.src_uri)))
    for name in sorted(copied):
        path = str(ROOT / name)
        files.append(File.generated(config, f"{COPIES}/{name}", abs_src_path=path))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Lead the links of a page to where the site has what they mean."""
    source = page.file.src_uri
    if source in PAGES:
        return markdown
    if source in POINTING:
        markdown += f"\n\nThe recorded run's page, live: [report]({REPORT}).\n"
    return relinked(markdown, source)


def on_page_content(html: str, page: Any, config: Any, files: Files) -> str:
    """Put each chart and picture into a box that scrolls sideways where the screen is narrow."""
    return PICTURE.sub(lambda found: SCROLLED.format(found[1]), html)


def on_post_page(output: str, page: Any, config: Any) -> str:
    """Name the theme's search dialog for readers of screens."""
    return output.replace('role="dialog"', 'role="dialog" aria-label="Search"')


def origin_of(page: str) -> str:
    """The file of the repository that a page is made of."""
    return ORIGINS.get(page, f"{DOCS}/{page}")


def relinked(markdown: str, page: str) -> str:
    """The Markdown of a page with its links led to pages and copies of the site."""
    folder = posixpath.dirname(page)

    def led(match: re.Match[str]) -> str:
        bang, words, link = match.groups()
        path, hash_, anchor = link.partition("#")
        if not path or ":" in path:
            return match[0]
        target = place_of(target_of(path, origin_of(page)))
        if target is None:
            return words
        return f"{bang}[{words}]({posixpath.relpath(target, folder or '.')}{hash_}{anchor})"

    parts = FENCE.split(markdown)
    # Text, fence, code, fence, text, …
    return "".join(
        LINK.sub(led, part) if number % 4 == 0 else part for number, part in enumerate(parts)
    )


def target_of(path: str, origin: str) -> str:
    """The file or folder of the repository that a link of a file means."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(origin), path))


def place_of(target: str) -> str | None:
    """Where the site has a file of the repository; None if it has no such page or file."""
    if target in BROUGHT:
        return BROUGHT[target]
    if target.startswith(f"{DOCS}/"):
        return target.removeprefix(f"{DOCS}/")
    return f"{COPIES}/{target}" if (ROOT / target).is_file() else None


def _copies(markdown: str, origin: str) -> Iterator[str]:
    """The files of the repository that a page links to and that are no pages."""
    for number, part in enumerate(FENCE.split(markdown)):
        for match in LINK.finditer(part) if number % 4 == 0 else ():
            path = match[3].partition("#")[0]
            if path and ":" not in path:
                place = place_of(target_of(path, origin))
                if place is not None and place.startswith(f"{COPIES}/"):
                    yield place.removeprefix(f"{COPIES}/")
