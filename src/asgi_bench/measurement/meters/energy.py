"""The energy of all CPUs, including the load generator's share, if the machine offers it."""

from asgi_bench.machine.energy import EnergyCounter
from asgi_bench.measurement.meters.meter import Counter, Meter

TOLD = {
    "machine_energy_j": "Energy that all CPU packages took, for the load generator too, in joules "
    "(RAPL). Absent where the machine doesn't tell, as virtual ones don't."
}


def meter() -> Meter:
    """Reads what the CPUs themselves count."""
    counter = EnergyCounter()

    def read(_: object) -> dict[str, float]:
        energy_j = counter.read_j()
        return {} if energy_j is None else {"machine_energy_j": energy_j}

    return Counter(read)
