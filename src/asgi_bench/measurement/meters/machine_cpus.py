"""Other use of the CPUs: by the hypervisor's other guests, and by other programs."""

from asgi_bench.machine.clocks import cpu_times
from asgi_bench.measurement.meters.meter import Counter, Meter, Scene, Spent

TOLD = {
    "steal_s": "Time that the hypervisor took from the CPUs in use.",
    "other_cpu_s": "CPU time that anything but the server used of the servers' CPUs. It is read in "
    "steps of 10 ms, so in one slice it may be below 0. Absent where they have no CPUs of their "
    "own.",
}


def meter() -> Meter:
    """Reads what the machine counts for each CPU."""
    return _MachineCpus(_read)


class _MachineCpus(Counter):
    """Takes what the server itself has used off the time that its CPUs were busy."""

    def end(self, scene: Scene, spent: Spent) -> dict[str, float]:
        told = super().end(scene, spent)
        busy_s = told.pop("busy_s", None)
        return told if busy_s is None else told | {"other_cpu_s": busy_s - spent.server_cpu_s}


def _read(scene: Scene) -> dict[str, float]:
    times = cpu_times()
    used = times.keys() & {*scene.server_cpus, *scene.load_cpus}
    counts = {"steal_s": sum(times[cpu].steal_s for cpu in used)}
    if scene.server_cpus:
        own = times.keys() & set(scene.server_cpus)
        counts["busy_s"] = sum(times[cpu].busy_s for cpu in own)
    return counts
