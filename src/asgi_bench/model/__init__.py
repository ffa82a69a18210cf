"""The vocabulary of a run as frozen structs: what is planned, and what one trial measured.

Imports nothing of ours but its own parts. Files hold exactly these structs, in SI units, times
in UTC.
"""

from asgi_bench.model.behaviour import (
    Behaviour,
    GracefulStop,
    IdleKeepAlive,
    Losses,
    Overload,
    WorkerRestart,
)
from asgi_bench.model.goal import Goal
from asgi_bench.model.history import (
    INDEX_VERSION,
    RatioPoint,
    RunEntry,
    Search,
    Segmentation,
    Step,
    TrackedMetric,
)
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
)
from asgi_bench.model.proof import Proof
from asgi_bench.model.request import Part, Request, Scenario, WeightedRequest, holds_match
from asgi_bench.model.run import (
    PROCESSOR_FACTS,
    SCHEMA_VERSION,
    Machine,
    Run,
    RunHeader,
    Source,
)
from asgi_bench.model.sides import ROLES, Gate, Role, Side
from asgi_bench.model.trial import (
    ErrorCounts,
    OpenFigures,
    Outcome,
    Reason,
    RequestFigures,
    Slice,
    Trial,
    ValidityLevel,
)
from asgi_bench.model.verdict import (
    VERDICT_VERSION,
    AbReport,
    CellVerdict,
    Difference,
    DifferenceKind,
    Effect,
    GateMetric,
    MetricVerdict,
    Verdict,
)

__all__ = [
    "INDEX_VERSION",
    "PROCESSOR_FACTS",
    "ROLES",
    "SCHEMA_VERSION",
    "VERDICT_VERSION",
    "AbReport",
    "Arrivals",
    "Behaviour",
    "Cell",
    "CellVerdict",
    "Client",
    "ClosedLoop",
    "Difference",
    "DifferenceKind",
    "Effect",
    "ErrorCounts",
    "Gate",
    "GateMetric",
    "Goal",
    "GracefulStop",
    "IdleKeepAlive",
    "Load",
    "Losses",
    "Machine",
    "MetricVerdict",
    "Objective",
    "OpenFigures",
    "OpenLoop",
    "Outcome",
    "Overload",
    "Part",
    "Plan",
    "PlannedCell",
    "Proof",
    "RateSweep",
    "RatioPoint",
    "Reason",
    "Request",
    "RequestFigures",
    "Role",
    "Run",
    "RunEntry",
    "RunHeader",
    "Scenario",
    "Search",
    "Segmentation",
    "Side",
    "Slice",
    "Source",
    "Step",
    "TrackedMetric",
    "Trial",
    "ValidityLevel",
    "Verdict",
    "WeightedRequest",
    "WorkerRestart",
    "holds_match",
]
