"""A run of several weighted requests that was never measured but looks like it."""

import msgspec

from asgi_bench.model import RESPONSE_TIME, ErrorCounts, RequestFigures, Run, Trial, WeightedRequest
from tests.synthetic_histograms import histogram_blob
from tests.synthetic_run import planned_cells, synthetic_run

REQUESTS = (
    WeightedRequest("list", path="/items", weight=6),
    WeightedRequest("order | now", method="POST", path="/orders", weight=2, expect_status=201),
)
# Of a trial: of 800 sent each got its share, and some orders were wrong.
LIST_SENT, ORDER_SENT, ORDER_ERRORS = 600, 200, 4


def requests_run(rounds: int = 3) -> Run:
    """Cells that were loaded with two requests, in some rounds."""
    run = synthetic_run(planned_cells()[:2], rounds=rounds, edit=_parted)
    (scenario,) = run.header.plan.scenarios
    scenario = msgspec.structs.replace(scenario, requests=REQUESTS)
    plan = msgspec.structs.replace(run.header.plan, scenarios=(scenario,))
    return msgspec.structs.replace(run, header=msgspec.structs.replace(run.header, plan=plan))


def _parted(trial: Trial) -> Trial:
    return msgspec.structs.replace(
        trial,
        by_request=(
            RequestFigures(
                "list",
                requests=LIST_SENT,
                sent=LIST_SENT,
                times_hdr={RESPONSE_TIME: histogram_blob(0.002, LIST_SENT, spread=0.2)},
                response_bytes=900,
            ),
            RequestFigures(
                "order | now",
                requests=ORDER_SENT - ORDER_ERRORS,
                sent=ORDER_SENT,
                errors=ErrorCounts(status=ORDER_ERRORS),
                times_hdr={RESPONSE_TIME: histogram_blob(0.02, ORDER_SENT, spread=0.2)},
                response_bytes=100,
            ),
        ),
    )
