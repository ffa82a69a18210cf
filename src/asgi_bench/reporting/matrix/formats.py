"""A conformance matrix in the formats that `check --matrix` prints."""

from typing import Literal, TypeAlias

import msgspec

from asgi_bench.analysis.matrix import MatrixVerdict
from asgi_bench.model.matrix import Matrix
from asgi_bench.reporting.matrix.document import matrix_document
from asgi_bench.reporting.matrix.junit import matrix_junit
from asgi_bench.reporting.render.markdown import render_markdown
from asgi_bench.reporting.render.terminal import WIDTH, render_terminal

MatrixFormat: TypeAlias = Literal["text", "markdown", "html", "json", "junit"]


def render_matrix(
    matrix: Matrix,
    verdict: MatrixVerdict,
    format: MatrixFormat,
    *,
    width: int = WIDTH,
    color: bool = False,
) -> str:
    """A matrix in a format; `width` and `color` are the terminal's, for text."""
    match format:
        case "json":
            return msgspec.json.format(msgspec.json.encode(matrix), indent=2).decode() + "\n"
        case "junit":
            return matrix_junit(matrix, verdict)
        case "text":
            document = matrix_document(matrix, verdict)
            return render_terminal(document, width=width, color=color)
        case "markdown":
            return render_markdown(matrix_document(matrix, verdict))
        case "html":
            # What lays out pages imports matplotlib, which takes most of a second.
            from asgi_bench.reporting.render.page import render_page

            return render_page(matrix_document(matrix, verdict))
