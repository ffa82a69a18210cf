"""Locust's own two HTTP users on a scenario: what everyone else measures with, for comparison."""

import os
from typing import Any

import msgspec
from locust import FastHttpUser, HttpUser, constant, task

from asgi_bench.load.messages import CLIENT_VARIABLE, SCENARIO_VARIABLE
from asgi_bench.model import Scenario

SCENARIO = msgspec.json.decode(os.environ[SCENARIO_VARIABLE], type=Scenario)
CLIENT = os.environ[CLIENT_VARIABLE]


def check(response: Any) -> None:
    """Fail a response that is not the expected answer, by the kind of its fault."""
    if response.status_code != SCENARIO.expect_status:
        response.failure("status" if response.status_code else response.error)
    elif SCENARIO.expect_body is not None and response.text != SCENARIO.expect_body:
        response.failure("body")
    else:
        response.success()


def request(client: Any) -> None:
    """Send the scenario's request once."""
    with client.request(
        SCENARIO.method,
        SCENARIO.path,
        headers=SCENARIO.headers,
        data=SCENARIO.body or None,
        catch_response=True,
    ) as response:
        check(response)


if CLIENT == "fasthttp":

    class StockFastHttp(FastHttpUser):
        """Locust's FastHttpUser, one connection each."""

        wait_time = constant(0)

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
            request(self.client)
