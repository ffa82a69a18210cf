"""The vocabulary of a run as frozen structs: what is planned, and what one trial measured.

Imports nothing of ours but its own parts. Files hold exactly these structs, in SI units, times
in UTC.
"""

from asgi_bench.model.plan import (
    Arrivals,
    Cell,
    Client,
    ClosedLoop,
    Load,
    Objective,
    OpenLoop,
    Part,
    Plan,
    PlannedCell,
    RateSweep,
    Scenario,
    holds_match,
)
from asgi_bench.model.proof import Proof
from asgi_bench.model.run import (
    SCHEMA_VERSION,
    Machine,
    Run,
    RunHeader,
)
from asgi_bench.model.trial import (
    ErrorCounts,
    OpenFigures,
    Outcome,
    Reason,
    Slice,
    Trial,
    ValidityLevel,
)

__all__ = [
    "SCHEMA_VERSION",
    "Arrivals",
    "Cell",
    "Client",
    "ClosedLoop",
    "ErrorCounts",
    "Load",
    "Machine",
    "Objective",
    "OpenFigures",
    "OpenLoop",
    "Outcome",
    "Part",
    "Plan",
    "PlannedCell",
    "Proof",
    "RateSweep",
    "Reason",
    "Run",
    "RunHeader",
    "Scenario",
    "Slice",
    "Trial",
    "ValidityLevel",
    "holds_match",
]
