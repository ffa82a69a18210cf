"""What all pages have in common: templates that escape, one style sheet, nothing from elsewhere."""

import base64
import hashlib
from functools import cache
from string import Template
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from asgi_bench.reporting.charts.inline import dark_rules


def filled(template: str, **values: Any) -> str:
    """A template as a page that may load nothing and run no script but its own."""
    style, script = _style(), _source("page.js")
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        f"base-uri 'none'; form-action 'none'"
    )
    found = _environment().get_template(template)
    return found.render(policy=policy, style=style, script=script, **values)


def _hash(text: str) -> str:
    """What a content-security-policy knows a style or script by."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _style() -> str:
    """The style sheet, the charts' dark colours in it."""
    return Template(_source("page.css")).substitute(dark_rules=dark_rules())


@cache
def _source(name: str) -> str:
    """One of the package's own files."""
    loader = _environment().loader
    assert loader is not None
    return loader.get_source(_environment(), name)[0]


@cache
def _environment() -> Environment:
    """Templates that escape whatever they are given."""
    return Environment(
        loader=PackageLoader("asgi_bench.reporting.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
