"""The notes of a struct's fields: the string literals below them."""

import ast
import inspect
import sys
import textwrap
from functools import cache

import msgspec


@cache
def notes(kind: type[msgspec.Struct]) -> dict[str, str]:
    """The note of each field that a struct declares itself, by its key; inherited ones left out."""
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(body, ast.ClassDef)
    keys = {field.name: field.encode_name for field in msgspec.structs.fields(kind)}
    found = {}
    for node, below in zip(body.body, [*body.body[1:], None], strict=True):
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
            continue
        if node.target.id not in keys:
            continue  # A variable of the class: what all its values answer alike.
        match below:
            case ast.Expr(value=ast.Constant(value=str(text))):
                found[keys[node.target.id]] = " ".join(text.split())
            case _:
                sys.exit(
                    f"{kind.__module__}: {kind.__name__}.{node.target.id} has no note below it"
                )
    return found
