"""What cells are compared by: each metric is a figure of one trial."""

from collections.abc import Callable, Mapping

from asgi_bench.analysis.document import Metric
from asgi_bench.analysis.percentiles import merge_histograms, quantile_s
from asgi_bench.analysis.sweeps import is_trial_overloaded
from asgi_bench.analysis.utilization import is_cpu_known, sent_in_slices
from asgi_bench.errors import BenchError
from asgi_bench.model import RESPONSE_TIME, Load, Trial


def server_cpu_s_per_request(trial: Trial) -> float | None:
    """CPU time of the server's process tree over all requests between the clock reads."""
    sent = sent_in_slices(trial)
    return trial.server_cpu_s / sent if sent and is_cpu_known(trial) else None


def response_time_p50_s(trial: Trial) -> float | None:
    """The median response time of an open loop; None where it was overloaded, or without samples.

    Raises BenchError for a stored histogram that can't be read, naming cell and round.
    """
    if is_trial_overloaded(trial):
        return None
    try:
        histogram = merge_histograms([trial.times_hdr.get(RESPONSE_TIME)])
    except BenchError as error:
        raise BenchError(f"{trial.cell}, round {trial.round}: a histogram is {error}") from None
    return None if histogram is None else quantile_s(histogram, 0.5)


FIGURES: Mapping[Metric, Callable[[Trial], float | None]] = {
    "throughput_rps": lambda trial: trial.throughput_rps,
    "server_cpu_s_per_request": server_cpu_s_per_request,
    "response_time_p50_s": response_time_p50_s,
}
LESS_IS_BETTER: frozenset[Metric] = frozenset({"server_cpu_s_per_request", "response_time_p50_s"})


def ranking_metric(load: Load) -> Metric:
    """What cells under a load are ranked by.

    At saturation that is throughput. An open loop offers all the same rate, so what tells them
    apart is how long its median request took; the tail of a round has too few samples.
    """
    return "throughput_rps" if load.is_closed else "response_time_p50_s"
