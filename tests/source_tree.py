"""Our own source as data: its modules, what each imports, and what that reaches."""

import ast
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

PACKAGE = "asgi_bench"


@dataclass(frozen=True)
class Module:
    """One parsed Python file; `name` is dotted, a package's own is that of its folder."""

    name: str
    path: Path
    is_package: bool

    @cached_property
    def text(self) -> str:
        """The file's text."""
        return self.path.read_text(encoding="utf-8")

    @property
    def tree(self) -> ast.Module:
        """The file's syntax tree, parsed once for all who ask; nobody changes it."""
        return _parsed(self.text, str(self.path))

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """All nodes of the tree."""
        return _walked(self.text, str(self.path))

    @property
    def room(self) -> str:
        """The package the module lies in, `wire` for `asgi_bench.wire.http1`; else ''.

        `python -m asgi_bench` is another door to the command line.
        """
        parts = self.name.split(".")
        if parts[1:] == ["__main__"]:
            return "cli"
        return parts[1] if len(parts) > 2 or (len(parts) == 2 and self.is_package) else ""


@dataclass(frozen=True)
class Import:
    """One import statement's target, and the line it stands in."""

    target: str
    line: int


@cache
def _parsed(text: str, path: str) -> ast.Module:
    return ast.parse(text, path)


@cache
def _walked(text: str, path: str) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(_parsed(text, path)))


Modules = Mapping[str, Module]
Graph = Mapping[str, tuple[Import, ...]]


def read_modules(root: Path) -> dict[str, Module]:
    """Return every module under `root` by its dotted name."""
    modules = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if is_package else parts)
        modules[name] = Module(name, path, is_package)
    return modules


def imports_of(module: Module, modules: Modules) -> Iterator[Import]:
    """Yield what a module imports, at its top, in a function, or for its annotations alone.

    `from package import name` is an import of `package.name` where that is one of `modules`.
    """
    for node in module.nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            base = _base(module, node)
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield Import(inner if inner in modules else base, node.lineno)


def _base(module: Module, node: ast.ImportFrom) -> str:
    """Return the module a `from` names, its leading dots resolved."""
    if not node.level:
        return node.module or ""
    parts = module.name.split(".")
    parts = parts[: len(parts) - node.level + module.is_package]
    return ".".join([*parts, node.module] if node.module else parts)


def import_graph(modules: Modules) -> dict[str, tuple[Import, ...]]:
    """Return what each module imports."""
    return {name: tuple(imports_of(module, modules)) for name, module in modules.items()}


def reached(start: str, graph: Graph) -> dict[str, tuple[str, ...]]:
    """Return all that importing `start` may import in the end, each with the chain to it.

    A module's packages are run before it, so they count; what isn't ours ends its chain.
    """
    chains: dict[str, tuple[str, ...]] = {start: (start,)}
    waiting = deque([start])
    while waiting:
        name = waiting.popleft()
        if name not in graph:
            continue
        for target in (*(found.target for found in graph[name]), *_packages(name)):
            if target not in chains:
                chains[target] = (*chains[name], target)
                waiting.append(target)
    return chains


def _packages(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts))]


def cycles(graph: Graph) -> list[tuple[str, ...]]:
    """Return each ring of modules that import one another, once, its first name the smallest."""
    edges = {
        name: sorted({found.target for found in imports} & graph.keys())
        for name, imports in graph.items()
    }
    rings: set[tuple[str, ...]] = set()
    done: set[str] = set()

    def visit(name: str, path: list[str]) -> None:
        if name in path:
            ring = path[path.index(name) :]
            first = ring.index(min(ring))
            rings.add((*ring[first:], *ring[:first]))
        elif name not in done:
            for target in edges[name]:
                visit(target, [*path, name])
            done.add(name)

    for name in edges:
        visit(name, [])
    return sorted(rings)
