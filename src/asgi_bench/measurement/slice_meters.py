"""Everything that is read of a server around one slice, and brought into its cell's trial."""

from collections.abc import Sequence
from pathlib import Path

from asgi_bench.load.messages import Loaded
from asgi_bench.machine.energy import EnergyMeter
from asgi_bench.measurement.disturbance import DisturbanceMeter
from asgi_bench.measurement.draft import TrialDraft
from asgi_bench.measurement.expense import ExpenseMeter
from asgi_bench.measurement.standing import StandingServer
from asgi_bench.measurement.throttle import ThrottleMeter
from asgi_bench.model import Plan


class SliceMeters:
    """Reads a server's processes when made, before a slice, and again after it.

    `servers` are all of the block: the others should idle; `quotas` the groups whose quotas hold
    all of them and the load. `pids` are the processes to clock.
    """

    def __init__(
        self,
        server: StandingServer,
        servers: Sequence[StandingServer],
        plan: Plan,
        energy: EnergyMeter,
        quotas: Sequence[Path],
    ) -> None:
        self._server = server
        server.credit_late_cpu()
        self.pids = server.lineage.pids
        server.memory.begin(self.pids)
        self._disturbance = DisturbanceMeter(
            self.pids,
            [pid for other in servers if other is not server for pid in other.latest_pids],
            server_cpus=plan.server_cpus,
            load_cpus=plan.load_cpus,
        )
        self._expense = ExpenseMeter(self.pids, energy)
        self._throttle = ThrottleMeter(quotas)

    def read(self, loaded: Loaded, draft: TrialDraft, *, offered_rps: float | None = None) -> None:
        """Bring a slice into a trial, with what it cost and what disturbed it."""
        draft.throttle(self._throttle.read())
        cpu = self._server.lineage.end(loaded.server_clocks_s)
        pids = self._server.lineage.pids
        draft.spend(self._expense.read(pids, has_ended=cpu.has_ended))
        draft.add(
            loaded,
            cpu,
            offered_rps=offered_rps,
            disturbance=self._disturbance.read(pids, cpu.spent_s),
        )
        self._server.note_late_cpu = draft.add_late_cpu
        self._server.memory.look(pids, loaded.requests)
