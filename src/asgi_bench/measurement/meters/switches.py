"""How often the server's threads left a CPU: voluntarily, or because another took it."""

from asgi_bench.machine.clocks import context_switches
from asgi_bench.measurement.meters.meter import Counter, Meter, Scene

TOLD = {
    "voluntary_switches": "Context switches of the server's threads that were waits for something "
    "to do; absent where a process ended.",
    "involuntary_switches": "Those that were losses of the CPU; absent where a process ended.",
}


def meter() -> Meter:
    """Counts live threads."""
    return Counter(_read, dies_with_processes=True)


def _read(scene: Scene) -> dict[str, float]:
    if not scene.pids:
        return {}
    voluntary, involuntary = context_switches(scene.pids)
    return {"voluntary_switches": voluntary, "involuntary_switches": involuntary}
