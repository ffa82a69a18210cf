"""Small faults that a module may have: one place of its syntax tree changed at a time."""

import ast
import copy
import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

# `timeout` is noticed too: the tests would never end.
Outcome: TypeAlias = Literal["killed", "timeout", "survived", "uncovered"]

COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
COMPUTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitAnd,
}
CALLED = {"min": "max", "max": "min", "any": "all", "all": "any"}
FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef
# What only describes, for the type checker or the reader; asserts state what holds anyway.
DESCRIBING = frozenset({"annotation", "returns", "decorator_list", "type_params", "keywords"})
TYPE_WORDS = frozenset({"Annotated", "Callable", "ClassVar", "Literal", "Mapping", "Sequence"})


@dataclass(frozen=True)
class Mutant:
    """One changed place of a module."""

    module: str
    """The module's file, below `src/asgi_bench`."""
    place: str
    """The function it is in, with its class; empty at the module's top."""
    function: str
    """The outermost function in whose body it is; empty outside of any."""
    old: str
    new: str
    nth: int
    """Which of those alike in the same place, from 1."""
    line: int
    last_line: int
    apply: Callable[[], None] = field(compare=False)
    """Changes the tree that it was found in."""

    @property
    def key(self) -> str:
        """Its name in the log, which a change elsewhere in the module leaves as it is."""
        again = f" #{self.nth}" if self.nth > 1 else ""
        return f"{self.module} {self.place or '<module>'}: {self.old} -> {self.new}{again}"

    def drawn(self, seed: int) -> bytes:
        """Return where it stands in a random order, whatever other mutants there are."""
        return hashlib.sha256(f"{seed} {self.key}".encode()).digest()


def mutants_of(module: str, tree: ast.Module) -> Iterator[Mutant]:
    """Yield every mutant of a module, in the order of its source."""
    seen: Counter[tuple[str, str, str]] = Counter()
    for found in _below(tree, module, "", ""):
        alike = (found.place, found.old, found.new)
        seen[alike] += 1
        yield replace(found, nth=seen[alike])


def _below(node: ast.AST, module: str, place: str, function: str) -> Iterator[Mutant]:
    for name, value in ast.iter_fields(node):
        if name in DESCRIBING and not (name == "keywords" and isinstance(node, ast.Call)):
            continue
        members = enumerate(value) if isinstance(value, list) else [(None, value)]
        for index, child in members:
            if not isinstance(child, ast.AST) or _only_describes(child):
                continue
            inside = function
            if not function and name == "body" and isinstance(node, FUNCTIONS):
                inside = place
            for new in _changed(child, node):
                yield _mutant(node, name, index, child, new, module, place, inside)
            yield from _below(child, module, _place_of(child, place), inside)


def _mutant(
    parent: ast.AST,
    name: str,
    index: int | None,
    old: ast.AST,
    new: ast.AST,
    module: str,
    place: str,
    function: str,
) -> Mutant:
    def apply() -> None:
        ast.fix_missing_locations(ast.copy_location(new, old))
        if index is None:
            setattr(parent, name, new)
        else:
            getattr(parent, name)[index] = new

    line = getattr(old, "lineno", 1)
    return Mutant(
        module=module,
        place=place,
        function=function,
        old=_words(old),
        new=_words(new),
        nth=1,
        line=line,
        last_line=getattr(old, "end_lineno", None) or line,
        apply=apply,
    )


def _words(node: ast.AST) -> str:
    return ast.unparse(node) if not isinstance(node, ast.Pass) else "pass"


def _place_of(node: ast.AST, place: str) -> str:
    if isinstance(node, ast.ClassDef | FUNCTIONS):
        return f"{place}.{node.name}".lstrip(".")
    return place


def _only_describes(node: ast.AST) -> bool:
    """Tell whether a part is no behaviour: notes, types, asserts, what only a checker reads."""
    match node:
        case ast.Assert():
            return True
        case ast.Expr(value=ast.Constant()):
            return True
        case ast.Subscript(value=ast.Name(id=word)) if word in TYPE_WORDS:
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
        case ast.Assign(targets=[ast.Name(id="__all__" | "__slots__")]):
            return True
        case ast.keyword(arg="strict"):
            # Of `zip`, and an assertion: the lengths are equal.
            return True
    return False


def _changed(node: ast.AST, parent: ast.AST) -> Iterator[ast.AST]:
    """Yield what a part may be in its stead."""
    match node:
        case ast.Compare():
            for number, operator in enumerate(node.ops):
                yield _with(node, ops=_put(node.ops, number, COMPARED[type(operator)]()))
        case ast.BinOp() if type(node.op) in COMPUTED and not _is_text(node):
            yield _with(node, op=COMPUTED[type(node.op)]())
        case ast.AugAssign() if type(node.op) in COMPUTED:
            yield _with(node, op=COMPUTED[type(node.op)]())
        case ast.BoolOp():
            yield _with(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())
        case ast.UnaryOp(op=ast.Not() | ast.USub()):
            yield node.operand
        case ast.Call(func=ast.Name(id=name)) if name in CALLED:
            yield _with(node, func=ast.Name(CALLED[name], ast.Load()))
        case ast.Constant():
            yield from _other_constants(node, parent)
        case ast.Break():
            yield ast.Continue()
        case ast.Continue():
            yield ast.Break()
        case ast.Raise() | ast.Expr(value=ast.Call()):
            yield ast.Pass()
    yield from _turned(node, parent)


def _turned(node: ast.AST, parent: ast.AST) -> Iterator[ast.AST]:
    """Yield the opposite of a condition, where no change of its own operators says that."""
    is_condition = (isinstance(parent, ast.If | ast.While | ast.IfExp) and parent.test is node) or (
        isinstance(parent, ast.comprehension) and node in parent.ifs
    )
    if is_condition and isinstance(node, ast.Name | ast.Attribute | ast.Call | ast.NamedExpr):
        yield ast.UnaryOp(ast.Not(), node)


def _other_constants(node: ast.Constant, parent: ast.AST) -> Iterator[ast.AST]:
    """Yield another number or word. Sentences are for people, and tests of situations hold them."""
    if isinstance(parent, ast.JoinedStr | ast.FormattedValue):
        return
    match node.value:
        case bool():
            yield ast.Constant(not node.value)
        case int():
            yield ast.Constant(node.value + 1)
        case float():
            yield ast.Constant(node.value * 2 or 1.0)
        case str() if node.value and " " not in node.value:
            yield ast.Constant(node.value + "X")
        case bytes():
            yield ast.Constant(node.value + b"X")


def _is_text(node: ast.BinOp) -> bool:
    """Tell whether an operator joins or formats text, where any other is a fault at once."""
    return any(
        isinstance(side, ast.JoinedStr)
        or (isinstance(side, ast.Constant) and isinstance(side.value, str | bytes))
        for side in (node.left, node.right)
    )


def _with(node: ast.AST, **fields: object) -> ast.AST:
    changed = copy.copy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed


def _put(operators: list[ast.cmpop], number: int, operator: ast.cmpop) -> list[ast.cmpop]:
    return [*operators[:number], operator, *operators[number + 1 :]]
