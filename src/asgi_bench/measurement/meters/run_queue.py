"""How long the server's threads were ready to run and had no CPU."""

from asgi_bench.machine.clocks import run_queue_wait_s
from asgi_bench.measurement.meters.meter import Counter, Meter, Scene

TOLD = {"server_wait_s": "How long threads of the server waited for a CPU, summed over threads."}


def meter() -> Meter:
    """Counts live threads."""
    return Counter(_read)


def _read(scene: Scene) -> dict[str, float]:
    return {"server_wait_s": run_queue_wait_s(scene.pids)} if scene.pids else {}
