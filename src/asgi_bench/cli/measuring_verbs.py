"""The verbs that measure: on Linux what they are, elsewhere one line that says why not.

CPU clocks, affinity, epoll and /proc are Linux's, and some of their modules can't even be imported
elsewhere. The verbs that read stored runs must work there all the same.
"""

import sys
from collections.abc import Callable
from typing import NoReturn

from asgi_bench.errors import BenchError

Verb = Callable[..., None]

if sys.platform == "linux":
    from asgi_bench.cli.ab import ab
    from asgi_bench.cli.calibrate import calibrate_
    from asgi_bench.cli.check import check
    from asgi_bench.cli.run import run

    MEASURING_VERBS: dict[str, Verb] = {
        "check": check,
        "run": run,
        "ab": ab,
        "calibrate": calibrate_,
    }
    ANY_FLAGS: dict[str, bool] = {}
else:

    def refuse() -> NoReturn:
        """Measure, which needs Linux."""
        raise BenchError(
            f"measuring needs Linux, this is {sys.platform}; "
            "report, plot and the other reading verbs work here"
        )

    MEASURING_VERBS: dict[str, Verb] = dict.fromkeys(("check", "run", "ab", "calibrate"), refuse)
    # A verb is refused whatever its flags are.
    ANY_FLAGS: dict[str, bool] = {"ignore_unknown_options": True, "allow_extra_args": True}
