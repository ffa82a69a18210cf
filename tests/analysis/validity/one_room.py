"""What the rules of one module find, without those of the others."""

from types import ModuleType

from asgi_bench.analysis.validity.evidence import Evidence
from asgi_bench.analysis.validity.trial import RULES
from asgi_bench.model import Cell, PlannedCell, Reason, Trial
from tests.synthetic_run import plan_of


def findings_of(*modules: ModuleType, trial: Trial, cell: Cell) -> list[Reason]:
    """Return the findings of the modules' rules, in the order in which they are told."""
    seen = Evidence(trial, cell, plan_of((PlannedCell(cell),)))
    names = {module.__name__ for module in modules}
    found = (rule(seen) for rule in RULES if rule.__module__ in names)
    return [reason for reason in found if reason is not None]
