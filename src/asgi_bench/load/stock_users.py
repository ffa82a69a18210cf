"""Locust's own two HTTP users on a scenario: what most people measure with, for comparison."""

import os
from pathlib import Path
from typing import Any

import msgspec
from locust import FastHttpUser, HttpUser, constant, task

from asgi_bench.load.messages import CLIENT_VARIABLE, SCENARIO_VARIABLE, TIMEOUT_VARIABLE
from asgi_bench.model import Scenario

TOLD = os.environ[SCENARIO_VARIABLE]
SCENARIO = msgspec.json.decode(
    Path(TOLD[1:]).read_bytes() if TOLD.startswith("@") else TOLD, type=Scenario
)
CLIENT = os.environ[CLIENT_VARIABLE]
TIMEOUT_S = float(os.environ[TIMEOUT_VARIABLE])


def check(response: Any) -> None:
    """Fail a response that is not the expected one, by the kind of its fault."""
    if response.status_code != SCENARIO.expect_status:
        response.failure("status" if response.status_code else response.error)
    elif response.request_meta["exception"] is not None and response.status_code < 400:
        # The head was read and the body was not: FastHttpUser would raise again on its content.
        response.failure(response.request_meta["exception"])
    elif not SCENARIO.accepts(response.content or b""):
        response.failure("body")
    else:
        response.success()


def request(client: Any, **options: Any) -> None:
    """Send the scenario's request once."""
    with client.request(
        SCENARIO.method,
        SCENARIO.path,
        headers=SCENARIO.headers,
        data=SCENARIO.content or None,
        # A redirect may be the expected answer, and following it would be a second request.
        allow_redirects=False,
        catch_response=True,
        **options,
    ) as response:
        check(response)


if CLIENT == "fasthttp":

    class StockFastHttp(FastHttpUser):
        """Locust's FastHttpUser, one connection each."""

        wait_time = constant(0)
        connection_timeout = network_timeout = TIMEOUT_S

        @task
        def load(self) -> None:
            """Send the request."""
            request(self.client)

else:

    class StockHttp(HttpUser):
        """Locust's HttpUser, on requests and urllib3."""

        wait_time = constant(0)

        @task
        def load(self) -> None:
            """Send the request."""
            request(self.client, timeout=TIMEOUT_S)
