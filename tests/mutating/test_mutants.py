"""What mutants there are of a module, and how one is tried."""

import ast
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from mutating.judging import change
from mutating.mutants import Mutant, Outcome, mutants_of
from mutating.score import mutation_section, read_equivalent, summary_of, unexplained
from mutating.tests_by_line import KnownTests

SOURCE = '''
"""A module of a few rules."""

LIMIT = 3
NAMES: Literal["a", "b"] = "a"


class Rule:
    def holds(self, value: int = 1) -> bool:
        """Say it."""
        assert value
        if value > LIMIT and not self.is_off:
            raise ValueError("too much of it")
        return min(value, 2) + 1 == 3
'''


def mutants() -> dict[str, Mutant]:
    """Those of the module above, by key."""
    return {one.key: one for one in mutants_of("analysis/rule.py", ast.parse(SOURCE))}


def test_operators_limits_and_statements_are_changed() -> None:
    """Each place alone; notes, types, asserts and sentences are no behaviour."""
    place = "analysis/rule.py Rule.holds: "
    assert list(mutants()) == [
        "analysis/rule.py <module>: 3 -> 4",
        "analysis/rule.py <module>: 'a' -> 'aX'",
        f"{place}1 -> 2",
        f"{place}value > LIMIT and (not self.is_off) -> value > LIMIT or not self.is_off",
        f"{place}value > LIMIT -> value >= LIMIT",
        f"{place}not self.is_off -> self.is_off",
        f"{place}raise ValueError('too much of it') -> pass",
        f"{place}min(value, 2) + 1 == 3 -> min(value, 2) + 1 != 3",
        f"{place}min(value, 2) + 1 -> min(value, 2) - 1",
        f"{place}min(value, 2) -> max(value, 2)",
        f"{place}2 -> 3",
        f"{place}1 -> 2 #2",
        f"{place}3 -> 4",
    ]
    assert [one.function for one in mutants().values()] == ["", "", "", *["Rule.holds"] * 10]


def test_a_name_outlives_changes_elsewhere() -> None:
    """The log goes by names: lines may move, and so may other functions."""
    moved = ast.parse("X = 1\n\n\ndef other(): return 5\n" + SOURCE)
    assert mutants().keys() <= {one.key for one in mutants_of("analysis/rule.py", moved)}


@pytest.fixture
def rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """A package with a module of the given source, imported."""

    def imported(source: str) -> ModuleType:
        module = ModuleType("asgi_bench.rules")
        (tmp_path / "rules.py").write_text(source)
        exec(compile(source, str(tmp_path / "rules.py"), "exec"), vars(module))
        monkeypatch.setitem(sys.modules, "asgi_bench.rules", module)
        return module

    return imported


def test_a_function_is_changed_wherever_it_is_referred_to(
    tmp_path: Path, rules: Callable[[str], ModuleType]
) -> None:
    """A table of rules holds the function itself, and a property hides it."""
    source = (
        "import functools\n"
        "class A:\n    @property\n    def b(self): return 1 < 1\n"
        "@functools.cache\ndef c(): return 2 < 2\n"
        "TABLE = (c,)\n"
    )
    module = rules(source)
    for mutant in mutants_of("rules.py", ast.parse(source)):
        if "<=" in mutant.new:
            change(tmp_path, mutant)
    assert module.A().b
    assert module.TABLE[0]()


def test_a_line_has_the_tests_that_execute_it() -> None:
    """The quickest first; what is executed at import has those of the whole module."""
    known = KnownTests(
        "state", {"a.py": {1: (), 3: ("slow", "quick"), 4: ("other",)}}, {"slow": 2.0, "quick": 1.0}
    )
    assert known.of("a.py", 3, 3) == ["quick", "slow"]
    assert known.of("a.py", 1, 1) == ["other", "quick", "slow"]
    assert known.of("a.py", 7, 7) == []


def test_the_score_leaves_out_what_is_no_fault(tmp_path: Path) -> None:
    """A survivor with a reason counts on neither side, one without is not noticed."""
    outcomes: dict[str, Outcome] = {
        "wire/http1.py f: 1 -> 2": "killed",
        "wire/http1.py f: 2 -> 3": "timeout",
        "wire/http1.py f: 3 -> 4": "survived",
        "wire/http1.py g: 3 -> 4": "uncovered",
    }
    equivalent = {"wire/http1.py f: 3 -> 4"}
    assert unexplained(outcomes, equivalent) == {"wire/http1.py g: 3 -> 4"}
    summary = tmp_path / "summary.json"
    mutants = [*outcomes, "load/histogram.py f: 1 -> 2"]
    summary.write_bytes(summary_of(outcomes, mutants, equivalent))
    section = mutation_section(summary)
    assert section.startswith("4 of 5 mutants, drawn by seed 1, ")
    assert "| readers of the wire | 4 | 4 | 2 | 1 | 1 | 1 | 66.7% |" in section
    assert "| the histogram | 1 | 0 | 0 | 0 | 0 | 0 | - |" in section
    assert "| all | 5 | 4 | 2 | 1 | 1 | 1 | 66.7% |" in section


def test_every_equivalent_has_a_reason() -> None:
    """A line of the file is a mutant's name, with why no test can tell."""
    assert all(len(reason) > 20 for reason in read_equivalent().values())
