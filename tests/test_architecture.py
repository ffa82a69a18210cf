"""The rules of the house, read off the source: who imports whom, and how modules look.

Each rule is a function from a tree of source to its faults, so that each can be seen to fail.
"""

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.source_tree import PACKAGE, Import, Module, cycles, import_graph, reached, read_modules

ROOT = Path(__file__).resolve().parents[1]
SRC = ROOT / "src"

# What a package may import besides itself and the vocabulary (`model`, and the modules beside the
# packages: `errors`, ...), which everything may import and which imports no other package.
VOCABULARY = "model"
MAY_IMPORT: dict[str, frozenset[str]] = {
    VOCABULARY: frozenset(),
    "machine": frozenset(),
    "definitions": frozenset({"machine"}),
    "setups": frozenset({"definitions", "machine"}),
    "store": frozenset(),
    "analysis": frozenset(),
    "wire": frozenset(),
    "load": frozenset({"machine", "wire"}),
    "serving": frozenset({"machine", "wire"}),
    "measurement": frozenset(
        {"serving", "load", "wire", "machine", "store", "analysis", "definitions"}
    ),
    # Answers are learned and a run's header is made as in a measurement by time.
    "counting": frozenset(
        {"measurement", "serving", "wire", "machine", "store", "analysis", "definitions"}
    ),
    # It starts servers to look at them, and has clients of its own: `wire` is what is compared.
    "conformance": frozenset({"serving", "machine", "definitions"}),
    "reporting": frozenset({"store", "analysis"}),
}
MAY_IMPORT |= {"cli": frozenset(MAY_IMPORT)}  # the top: all lies below it
READING = ("reporting", "store", "analysis")
MEASURING = ("measurement", "counting", "conformance", "serving", "load", "wire", "machine")
# Packages that read must not start a process, nor know what does.
STARTS_PROCESSES = (
    *(
        f"{PACKAGE}.{room}"
        for room in ("measurement", "counting", "conformance", "serving", "load")
    ),
    *("subprocess", "multiprocessing", "pty"),
)
DRAWS = (f"{PACKAGE}.reporting", "matplotlib")
# What only one place may import: its effects (a patched standard library, a second of start-up)
# must not spread.
ONLY_IN = {
    "gevent": f"{PACKAGE}.load",
    "geventhttpclient": f"{PACKAGE}.load",
    "locust": f"{PACKAGE}.load",
    "matplotlib": f"{PACKAGE}.reporting.charts",
}
# Names that say nothing: what lies in such a module has a better home.
EMPTY_NAMES = frozenset(
    ("common", "helper", "helpers", "manager", "managers", "misc", "util", "utils")
)
MAX_LINES = 500
SHELL_CALLS = ("os.system", "os.popen", "getoutput", "getstatusoutput", "subprocess_shell")
LAST_WORDS = tuple(call.rpartition(".")[2] for call in SHELL_CALLS)
SHELLS = ("sh", "bash", "/bin/sh", "/bin/bash", "env")

Rule = Callable[[Path], list[str]]


def one_way(src: Path) -> list[str]:
    """Return imports that don't run downward."""
    modules = read_modules(src)
    rooms = {module.room for module in modules.values()} - {""}
    faults = []
    for module, found in _imports(src):
        package, _, rest = found.target.partition(".")
        target = rest.partition(".")[0]
        allowed = {module.room, VOCABULARY} | MAY_IMPORT.get(module.room, frozenset())
        if package == PACKAGE and target in rooms - allowed:
            importer = module.room or "the vocabulary"
            faults.append(f"{_place(module, found.line)}: {importer} imports {found.target}")
    return faults


def _imports(src: Path) -> Iterator[tuple[Module, Import]]:
    modules = read_modules(src)
    for name, imports in import_graph(modules).items():
        for found in imports:
            yield modules[name], found


def known_packages(src: Path) -> list[str]:
    """Return packages the rules don't know."""
    rooms = {module.room for module in read_modules(src).values()} - {""}
    return [f"{PACKAGE}.{room} has no place among the layers" for room in rooms - MAY_IMPORT.keys()]


def no_cycles(src: Path) -> list[str]:
    """Return rings of modules that import one another."""
    return [" -> ".join((*ring, ring[0])) for ring in cycles(import_graph(read_modules(src)))]


def reading_starts_nothing(src: Path) -> list[str]:
    """Return ways from the reading wing to what starts a process."""
    return _ways(src, READING, STARTS_PROCESSES)


def measuring_draws_nothing(src: Path) -> list[str]:
    """Return ways from the measuring wing to what draws."""
    return _ways(src, MEASURING, DRAWS)


def _ways(src: Path, rooms: tuple[str, ...], forbidden: tuple[str, ...]) -> list[str]:
    modules = read_modules(src)
    graph = import_graph(modules)
    return [
        " -> ".join(chain)
        for name, module in modules.items()
        if module.room in rooms
        for target, chain in reached(name, graph).items()
        if any(_within(target, prefix) for prefix in forbidden)
    ]


def kept_apart(src: Path) -> list[str]:
    """Return imports of what only one package may know."""
    return [
        f"{_place(module, found.line)}: {found.target} belongs to {ONLY_IN[package]} alone"
        for module, found in _imports(src)
        if (package := found.target.partition(".")[0]) in ONLY_IN
        and not _within(module.name, ONLY_IN[package])
    ]


def _within(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(prefix + ".")


def short_modules(src: Path) -> list[str]:
    """Return modules that have grown beyond the limit."""
    return [
        f"{module.path.name}: {lines} lines, at most {MAX_LINES}"
        for module in read_modules(src).values()
        if (lines := len(module.text.splitlines())) > MAX_LINES
    ]


def telling_names(root: Path) -> list[str]:
    """Return modules and folders whose name says nothing of what they hold."""
    return [
        f"{path.relative_to(root)}: name it after what it holds"
        for path in sorted(root.rglob("*"))
        if (path.is_dir() or path.suffix == ".py")
        and EMPTY_NAMES & set(re.split(r"[_\-]", path.stem.lower()))
    ]


def no_blanket_except(root: Path) -> list[str]:
    """Return handlers that swallow every fault, bugs included."""
    return [
        f"{_place(module, line)}: say which faults are meant"
        for module in read_modules(root).values()
        for line in _blanket_lines(module.nodes)
    ]


def _blanket_lines(nodes: Iterable[ast.AST]) -> Iterator[int]:
    for node in nodes:
        caught: list[ast.expr] = []
        if isinstance(node, ast.ExceptHandler):
            if node.type is None:
                yield node.lineno
            else:
                caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
        elif isinstance(node, ast.Call) and _last_word(node.func).endswith("suppress"):
            caught = node.args
        if any(ast.unparse(name) in ("Exception", "builtins.Exception") for name in caught):
            yield caught[0].lineno


def no_shell(root: Path) -> list[str]:
    """Return what hands a text to a shell: processes are started from argv alone."""
    return [
        f"{_place(module, node.lineno)}: {ast.unparse(node.func)} is handed to a shell"
        for module in read_modules(root).values()
        for node in module.nodes
        if isinstance(node, ast.Call) and _is_for_a_shell(node)
    ]


def _is_for_a_shell(call: ast.Call) -> bool:
    is_likely = _last_word(call.func).endswith(LAST_WORDS)
    has_switch = any(word.arg == "shell" for word in call.keywords)
    argv = call.args[0].elts if call.args and isinstance(call.args[0], ast.List) else []
    program = argv[0].value if argv and isinstance(argv[0], ast.Constant) else None
    is_named = is_likely and ast.unparse(call.func).endswith(SHELL_CALLS)
    return has_switch or is_named or program in SHELLS


def _last_word(called: ast.expr) -> str:
    """The last word of what is called: to write the whole of each would take seconds."""
    match called:
        case ast.Name(id=word) | ast.Attribute(attr=word):
            return word
    return ""


def private_stays_private(root: Path) -> list[str]:
    """Return imports of what another module keeps to itself."""
    return [
        f"{_place(module, node.lineno)}: {alias.name} is private to {node.module}"
        for module in read_modules(root).values()
        for node in module.nodes
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE)
        for alias in node.names
        if re.match("_[^_]", alias.name)
    ]


def marked_surface(src: Path) -> list[str]:
    """Return packages that hand out names without a sorted `__all__` of exactly these."""
    return [
        f"{module.name}: __all__ = {sorted(given)}"
        for module in read_modules(src).values()
        if module.is_package and (given := _handed_out(module.tree)) is not None
        if _listed(module.tree) != sorted(given, key=_as_sorted)
    ]


def _handed_out(tree: ast.Module) -> set[str] | None:
    """The names that a package takes from its modules for others; None where there are none."""
    found = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE)
        for alias in node.names
    }
    return found or None


def _listed(tree: ast.Module) -> list[str]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    return []


def _as_sorted(name: str) -> tuple[int, str]:
    """Constants before classes before functions, as ruff sorts them."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


def no_server_names(src: Path) -> list[str]:
    """Return code that names a shipped server: its runner file has to say it all."""
    names = {
        name.lower()
        for path in (ROOT / "runners").glob("*.toml")
        for name in (path.stem, tomllib.loads(path.read_text("utf-8")).get("distribution", ""))
        if name
    }
    told = [*_told_in_code(src), *_told_in_templates(src)]
    named = re.compile("|".join(map(re.escape, names)), re.IGNORECASE)
    return [
        f"{place}: names {found[0].lower()}"
        for place, text in told
        if (found := named.search(text)) is not None
    ]


def _told_in_code(src: Path) -> Iterator[tuple[str, str]]:
    """Every name and every text of the code, but for what documents it."""
    for module in read_modules(src).values():
        notes = {
            id(node.value)
            for node in module.nodes
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        }
        for node in module.nodes:
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                if id(node) not in notes:
                    yield _place(module, node.lineno), node.value
            elif isinstance(node, ast.Name):
                yield _place(module, node.lineno), node.id
            elif isinstance(node, ast.FunctionDef | ast.ClassDef):
                yield _place(module, node.lineno), node.name


def _told_in_templates(src: Path) -> Iterator[tuple[str, str]]:
    for path in src.rglob("*"):
        if path.suffix in (".css", ".html", ".j2", ".js", ".sh"):
            yield path.name, path.read_text("utf-8")


def told_tests(root: Path) -> list[str]:
    """Return tests that don't say what must hold."""
    return [
        f"{_place(module, node.lineno)}: {node.name} needs a docstring that says what must hold"
        for module in read_modules(root).values()
        if module.path.name.startswith("test_")
        for node in module.nodes
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test")
        and not (ast.get_docstring(node) or "").endswith(".")
    ]


def _place(module: Module, line: int) -> str:
    return f"{module.name}:{line}"


RULES: Mapping[Rule, tuple[Path, ...]] = {
    one_way: (SRC,),
    known_packages: (SRC,),
    no_cycles: (SRC,),
    reading_starts_nothing: (SRC,),
    measuring_draws_nothing: (SRC,),
    kept_apart: (SRC,),
    short_modules: (SRC,),
    telling_names: (SRC, ROOT / "tests", ROOT / "apps", ROOT / "scripts"),
    no_blanket_except: (SRC, ROOT / "apps"),
    no_shell: (SRC, ROOT / "apps", ROOT / "runners", ROOT / "scripts"),
    private_stays_private: (SRC, ROOT / "tests"),
    marked_surface: (SRC,),
    no_server_names: (SRC,),
    told_tests: (ROOT / "tests",),
}


@pytest.mark.parametrize(
    ("rule", "root"),
    [(rule, root) for rule, roots in RULES.items() for root in roots],
    ids=lambda value: value.name if isinstance(value, Path) else value.__name__,
)
def test_the_source_keeps_the_rule(rule: Rule, root: Path) -> None:
    """Nothing in the project's own source breaks a rule of the house."""
    assert rule(root) == []


BROKEN: tuple[tuple[Rule, dict[str, str], str], ...] = (
    (one_way, {"machine/cpus.py": "from asgi_bench.load import user"}, "machine imports"),
    (one_way, {"load/user.py": "import asgi_bench.serving.process"}, "load imports"),
    (one_way, {"wire/http1.py": "from asgi_bench.load import target"}, "wire imports"),
    (one_way, {"serving/process.py": "from ..load import user"}, "serving imports"),
    (one_way, {"store/runs.py": "from . import gone\nfrom .. import analysis"}, "runs:2: store"),
    (one_way, {"analysis/ranks.py": "from asgi_bench import store"}, "analysis imports"),
    (one_way, {"definitions/plan.py": "def f():\n from asgi_bench import store"}, "definitions"),
    (one_way, {"measurement/run.py": "import asgi_bench.cli"}, "measurement imports"),
    (one_way, {"measurement/run.py": "import asgi_bench.reporting"}, "measurement imports"),
    (one_way, {"reporting/page.py": "import asgi_bench.measurement.run"}, "reporting imports"),
    (one_way, {"model/plan.py": "import asgi_bench.store.runs"}, "model imports"),
    (one_way, {"__init__.py": "import asgi_bench.cli"}, "the vocabulary imports"),
    (known_packages, {"plotting/__init__.py": ""}, "asgi_bench.plotting has no place"),
    (
        no_cycles,
        {
            "store/runs.py": "from asgi_bench.store import folders",
            "store/folders.py": "from asgi_bench.store.schema import SCHEMA",
            "store/schema.py": "def read():\n    import asgi_bench.store.runs",
        },
        "store.folders -> asgi_bench.store.schema -> asgi_bench.store.runs -> asgi_bench.store.fol",
    ),
    (reading_starts_nothing, {"store/runs.py": "import subprocess"}, "-> subprocess"),
    (
        reading_starts_nothing,
        {
            "reporting/tables.py": "from asgi_bench.analysis import ranks",
            "analysis/ranks.py": "from asgi_bench.load import user",
        },
        "reporting.tables -> asgi_bench.analysis.ranks -> asgi_bench.load.user",
    ),
    (measuring_draws_nothing, {"machine/cpus.py": "import matplotlib.pyplot"}, "-> matplotlib"),
    (
        measuring_draws_nothing,
        {
            "measurement/run.py": "import asgi_bench.store.runs",
            "store/runs.py": "import asgi_bench.reporting.charts",
        },
        "measurement.run -> asgi_bench.store.runs -> asgi_bench.reporting.charts",
    ),
    (kept_apart, {"cli/run.py": "def run():\n    from gevent import monkey"}, "cli.run:2: gevent"),
    (kept_apart, {"measurement/run.py": "import locust.stats"}, "locust.stats belongs to"),
    (kept_apart, {"reporting/tables.py": "import matplotlib"}, "matplotlib belongs to"),
    (kept_apart, {"loading/user.py": "import locust"}, "locust belongs to"),
    (
        short_modules,
        {"model.py": "x = 1\n" * (MAX_LINES + 1)},
        f"{MAX_LINES + 1} lines, at most {MAX_LINES}",
    ),
    (telling_names, {"store/run_utils.py": ""}, "run_utils.py: name it"),
    (telling_names, {"helpers/__init__.py": ""}, "helpers: name it"),
    (no_blanket_except, {"model.py": "try:\n    pass\nexcept Exception:\n    pass"}, "model:3"),
    (no_blanket_except, {"model.py": "try:\n    pass\nexcept:\n    pass"}, "model:3"),
    (
        no_blanket_except,
        {"model.py": "try:\n    pass\nexcept (OSError, Exception) as e:\n    raise"},
        "model:3",
    ),
    (no_blanket_except, {"model.py": "with contextlib.suppress(Exception):\n    pass"}, "model:1"),
    (no_shell, {"cli/run.py": "subprocess.run(f'ls {x}', shell=True)"}, "run:1: subprocess.run"),
    (no_shell, {"cli/run.py": "def f():\n    os.system(x)"}, "run:2: os.system"),
    (no_shell, {"cli/run.py": "subprocess.Popen(['sh', '-c', x])"}, "run:1: subprocess.Popen"),
    (
        private_stays_private,
        {"store/runs.py": "from asgi_bench.store.folders import _secret"},
        "runs:1: _secret is private to asgi_bench.store.folders",
    ),
    (
        marked_surface,
        {"store/__init__.py": "from asgi_bench.store.runs import b, A\n__all__ = ['b', 'A']"},
        "asgi_bench.store: __all__ = ['A', 'b']",
    ),
    (no_server_names, {"cli/run.py": "X = 'Uvicorn is slow'"}, "cli.run:1: names uvicorn"),
    (no_server_names, {"cli/run.py": "def granian():\n    pass"}, "cli.run:1: names granian"),
    (no_server_names, {"reporting/page.html": "<b>daphne</b>"}, "page.html: names daphne"),
    (told_tests, {"test_model.py": "def test_it():\n    pass"}, "test_it needs a docstring"),
    (told_tests, {"test_model.py": "class TestIt:\n    async def test_it(self): ...\n"}, "test_it"),
    (told_tests, {"test_model.py": "def test_it():\n    '''todo'''"}, "test_it needs a docstring"),
)


@pytest.mark.parametrize(
    ("rule", "files", "fault"),
    BROKEN,
    ids=[f"{rule.__name__}-{fault}" for rule, _, fault in BROKEN],
)
def test_a_broken_rule_is_found(
    rule: Rule, files: dict[str, str], fault: str, tmp_path: Path
) -> None:
    """Each rule names its fault in a tree that breaks it, and only there."""
    make_tree(tmp_path)
    assert rule(tmp_path) == []
    for name, text in files.items():
        path = tmp_path / PACKAGE / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert any(fault in found for found in rule(tmp_path)), rule(tmp_path)


def make_tree(root: Path) -> None:
    """Write a small tree in which every layer imports all it may."""
    for room, allowed in MAY_IMPORT.items():
        folder = root / PACKAGE / room
        folder.mkdir(parents=True)
        lines = [f"import {PACKAGE}.{target}" for target in sorted(allowed)]
        lines += [f"from {PACKAGE} import model", "__all__ = ['model']"]
        (folder / "__init__.py").write_text("\n".join(lines))
    (root / PACKAGE / "load" / "user.py").write_text("import locust, gevent.monkey\n")
    charts = root / PACKAGE / "reporting" / "charts"
    charts.mkdir()
    (charts / "__init__.py").write_text("from matplotlib.figure import Figure\n")
    (root / PACKAGE / "__init__.py").write_text("")
    (root / PACKAGE / "model.py").write_text(
        "try:\n    import msgspec\nexcept OSError:\n    raise\n"
    )


@pytest.mark.parametrize(
    "name",
    [
        "asgi_bench.measurement.rounds",
        "asgi_bench.load.generator",
        "asgi_bench.reporting.run.report",
        "asgi_bench.cli.main",
    ],
)
def test_importing_a_wing_leaves_the_heavy_packages_out(name: str) -> None:
    """Neither the harness nor the command line imports Locust, gevent or matplotlib at the top."""
    code = f"import json, sys, {name}\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True, timeout=60
    )
    assert {"gevent", "locust", "matplotlib"} & set(json.loads(done.stdout)) == set()
