"""A run as one page: a single file that needs nothing else, to be read offline and mailed."""

from asgi_bench.reporting.page.rendering import render_page, write_page

__all__ = ["render_page", "write_page"]
