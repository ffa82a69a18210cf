"""All checks, in the order of reports."""

from asgi_bench.conformance.check import Check, LifeCheck
from asgi_bench.conformance.suites import (
    app_faults,
    bodies,
    connections,
    drain,
    http2,
    lifespan,
    requests,
    responses,
    scope,
    streaming,
    websocket,
    websocket_messages,
)
from asgi_bench.model.matrix import CheckEntry

_SUITES = (
    *(scope, requests, responses, app_faults, bodies, streaming, connections),
    *(websocket, websocket_messages, http2),
)
CHECKS: tuple[Check, ...] = tuple(check for suite in _SUITES for check in suite.SUITE.checks)
LIFE_CHECKS: tuple[LifeCheck, ...] = tuple(
    check for suite in (lifespan, drain) for check in suite.SUITE.checks
)
ENTRIES: tuple[CheckEntry, ...] = (
    *(check.entry for check in CHECKS),
    *(check.entry for check in LIFE_CHECKS),
)
