"""What can go wrong between starting a server and loading it."""

from asgi_bench.errors import BenchError
from asgi_bench.model import ErrorCounts


class ServerFault(BenchError):
    """A server that can't be measured: its trial has failed, the run goes on.

    `reason` says why in one line; `probes_sent` and `errors` count what had been sent until then.
    """

    def __init__(
        self,
        reason: str,
        *,
        probes_sent: int = 0,
        errors: ErrorCounts | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.probes_sent = probes_sent
        self.errors = errors or ErrorCounts()
