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
    Plan,
    PlannedCell,
    RateSweep,
    Scenario,
)
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
    "Plan",
    "PlannedCell",
    "RateSweep",
    "Reason",
    "Run",
    "RunHeader",
    "Scenario",
    "Slice",
    "Trial",
    "ValidityLevel",
]
