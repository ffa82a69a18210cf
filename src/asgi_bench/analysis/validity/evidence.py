"""What the rules for one trial look at, and what several of them need."""

from functools import cached_property

import msgspec

from asgi_bench.analysis.percentiles import Histogram, merge_histograms
from asgi_bench.analysis.sweeps import is_trial_overloaded, taken_slices
from asgi_bench.analysis.utilization import load_occupied_share, server_busy_share
from asgi_bench.model import GENERATOR_LAG, RESPONSE_TIME, Cell, Plan, Trial
from asgi_bench.model.calibration import Calibration


class Evidence(msgspec.Struct, frozen=True, dict=True):
    """A trial that was under load, and its circumstances; costly figures are computed once."""

    trial: Trial
    cell: Cell
    plan: Plan
    calibration: Calibration | None = None
    """What the run used: it gives the generator's ceiling."""

    @cached_property
    def server_share(self) -> float | None:
        """Server CPU time over what it may use."""
        server_cpus = len(self.trial.server_cpus or self.plan.server_cpus)
        return server_busy_share(self.trial, self.cell.workers, server_cpus)

    @cached_property
    def load_share(self) -> float | None:
        """Generator CPU time over what it may use, including the time it waited for a CPU."""
        return load_occupied_share(self.trial, self.plan)

    @cached_property
    def response(self) -> Histogram | None:
        """The response times; for a sweep, at the rates that the server could handle."""
        if not self.cell.load.is_sweep:
            return merge_histograms([self.trial.times_hdr.get(RESPONSE_TIME)])
        taken = taken_slices(self.trial.slices)
        return merge_histograms(step.times_hdr.get(RESPONSE_TIME) for step in taken)

    @cached_property
    def lag(self) -> Histogram | None:
        """How late the generator was with each request of an open loop."""
        return merge_histograms([self.trial.times_hdr.get(GENERATOR_LAG)])

    @cached_property
    def is_overloaded(self) -> bool:
        """Whether an open loop's queue grew until the end."""
        return is_trial_overloaded(self.trial)
