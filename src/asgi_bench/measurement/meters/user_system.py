"""The server's CPU time divided into user and system, as the kernel samples it: in steps of 10 ms.

The total is known to the nanosecond (`server_cpu`); the ratio of the two is what matters here.
"""

from asgi_bench.machine.clocks import user_system_s
from asgi_bench.measurement.meters.meter import Counter, Meter, Scene

TOLD = {
    "server_user_s": "CPU time of the server in user mode. The kernel samples it in steps of 10 "
    "ms, so only its ratio to `server_system_s` over many slices is of use.",
    "server_system_s": "CPU time of the server in the kernel, sampled likewise.",
}


def meter() -> Meter:
    """Includes children that ended: their parent inherits their time."""
    return Counter(_read)


def _read(scene: Scene) -> dict[str, float]:
    if not scene.pids:
        return {}
    user_s, system_s = user_system_s(scene.pids)
    return {"server_user_s": user_s, "server_system_s": system_s}
