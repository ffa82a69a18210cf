"""The renderers of documents: for a terminal, as Markdown, as a page."""
