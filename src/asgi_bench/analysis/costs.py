"""What a server costs: CPU time parted, memory, starting and stopping, context switches, energy."""

from collections.abc import Callable, Iterable, Sequence
from statistics import median

from asgi_bench.analysis.cell_facts import interval_over
from asgi_bench.analysis.report import Costs
from asgi_bench.model import Trial
from asgi_bench.model.figures import (
    is_cpu_known,
    per_request,
    sent_in_slices,
    server_cpu_s_per_request,
)


def costs_of(trials: Sequence[Trial]) -> Costs:
    """The costs of one cell, from the trials that its estimates rest on."""
    return Costs(
        server_user_s_per_request=interval_over(_parted(trial, system=False) for trial in trials),
        server_system_s_per_request=interval_over(_parted(trial, system=True) for trial in trials),
        throughput_rps_per_core=interval_over(map(_per_core, trials)),
        server_pss_idle_bytes=_median_bytes(trial.server_pss_idle_bytes for trial in trials),
        server_pss_peak_bytes=_median_bytes(trial.server_pss_peak_bytes for trial in trials),
        server_pss_kept_bytes=_median_bytes(map(kept_bytes, trials)),
        startup_s=interval_over(trial.startup_s for trial in trials),
        stop_s=interval_over(trial.stop_s for trial in trials),
        voluntary_switches_per_request=_pooled(trials, lambda trial: trial.voluntary_switches),
        involuntary_switches_per_request=_pooled(trials, lambda trial: trial.involuntary_switches),
        response_bytes=next((t.response_bytes for t in trials if t.response_bytes), None),
        machine_energy_j_per_request=interval_over(map(_energy_j, trials)),
    )


def _parted(trial: Trial, *, system: bool) -> float | None:
    """User or system time per request.

    The kernel parts a process's time by sampling, in steps of 10 ms; the whole is exact, so only
    the parts' ratio is taken from there.
    """
    user_s, system_s = trial.server_user_s, trial.server_system_s
    cpu_s = server_cpu_s_per_request(trial)
    if user_s is None or system_s is None or cpu_s is None or user_s + system_s <= 0:
        return None
    share = (system_s if system else user_s) / (user_s + system_s)
    return max(share, 0.0) * cpu_s


def _per_core(trial: Trial) -> float | None:
    """Correct answers per second of the server's CPU time."""
    is_known = trial.server_cpu_s > 0 and is_cpu_known(trial)
    return trial.requests / trial.server_cpu_s if is_known else None


def _energy_j(trial: Trial) -> float | None:
    """Joules of all CPUs per request."""
    return per_request(trial, trial.machine_energy_j)


def _pooled(trials: Sequence[Trial], count: Callable[[Trial], int | None]) -> float | None:
    """A count per request over all trials that have it: a mean of rounds would not do for zeros."""
    counted = [(number, sent_in_slices(t)) for t in trials if (number := count(t)) is not None]
    sent = sum(sent for _, sent in counted)
    return sum(number for number, _ in counted) / sent if sent else None


def _median_bytes(sizes: Iterable[int | None]) -> int | None:
    """The median of the sizes there are."""
    known = [size for size in sizes if size is not None]
    return round(median(known)) if known else None


def kept_bytes(trial: Trial) -> int | None:
    """What stays after the load: the memory with all connections closed, less that before it."""
    if trial.server_pss_after_bytes is None or trial.server_pss_idle_bytes is None:
        return None
    return trial.server_pss_after_bytes - trial.server_pss_idle_bytes
