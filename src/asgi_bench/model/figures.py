"""Figures computed from the counts of a trial or of one of its slices."""

import math
from collections.abc import Sequence
from itertools import combinations
from statistics import median

from asgi_bench.model.trial import Slice, Trial

# Threads of one server wait for one another where they have one CPU: granian's for 58 % of the time
# that they are ready, undisturbed. It is a disturbance where others use so much of that CPU.
HARMLESS_OTHERS_SHARE = 0.05
# The kernel tells what a CPU was used for in ticks, so each reading is off by up to one, and the
# difference of two by a sixth of a tick's square in variance. Over 20 slices of 24 ms that is 4 %
# of a CPU, by chance alone: a share is others' doing where it is above twice that.
TICK_S = 0.01
CERTAIN_DEVIATIONS = 2.0

# Of smaller answers bytes per second tell nothing that requests per second don't.
LARGE_ANSWER_BYTES = 4096
PER_REQUESTS = 1000
# The first quarter of a trial's requests fills caches and free lists, and is left out where enough
# samples stay; a slope through fewer than these is none.
SETTLING_SHARE = 0.25
ENOUGH_SAMPLES = 6
FEWEST_SAMPLES = 3
FEWEST_REQUESTS = 500
# Caches and free lists that the first requests fill take some MiB: below 5 KiB a connection here.
FEWEST_CONNECTIONS = 1000


def others_share(slices: Sequence[Slice]) -> float | None:
    """How many of its CPUs something other than the server used; None if that isn't known."""
    known = [piece for piece in slices if "other_cpu_s" in piece.meters]
    duration_s = sum(piece.duration_s for piece in known)
    spent_s = sum(piece.meters["other_cpu_s"] for piece in known)
    return spent_s / duration_s if duration_s else None


def least_others_share(slices: Sequence[Slice], cpus: int) -> float | None:
    """How many of so many CPUs something other than the server certainly used.

    It is below 0 if that is less than what reading them in ticks may add; None if it isn't known.
    """
    share = others_share(slices)
    if share is None:
        return None
    known = [piece for piece in slices if "other_cpu_s" in piece.meters]
    deviation_s = TICK_S * math.sqrt(len(known) * cpus / 6)
    return share - CERTAIN_DEVIATIONS * deviation_s / sum(piece.duration_s for piece in known)


def is_cpu_known(trial: Trial) -> bool:
    """Whether all CPU time of the server was counted; no if somebody else started the server.

    If processes may have ended without being waited for, it was, unless something that may have
    been the server's used its CPUs.
    """
    if trial.target is not None:
        return False
    if not trial.has_untold_cpu:
        return True
    others = others_share(trial.slices)
    return others is not None and others <= HARMLESS_OTHERS_SHARE


def sent_in_slices(trial: Trial) -> int:
    """All requests sent between the clock reads of a trial, answered correctly or not."""
    sent = sum(piece.sent for piece in trial.slices)
    return sent or trial.requests + trial.errors.total


def per_request(trial: Trial, amount: float | None) -> float | None:
    """An amount divided by all requests between the clock reads; None if either is unknown."""
    sent = sent_in_slices(trial)
    return amount / sent if amount is not None and sent else None


def server_cpu_s_per_request(trial: Trial) -> float | None:
    """CPU time of the server's process tree over all requests between the clock reads."""
    return per_request(trial, trial.server_cpu_s) if is_cpu_known(trial) else None


def messages_per_s(trial: Trial) -> float | None:
    """Messages or events per second in correct responses; None if each response is one message."""
    held, answers_per_s = trial.messages_per_request, trial.throughput_rps
    return None if held in {None, 1} or answers_per_s is None else held * answers_per_s


def stream_cpu_s(trial: Trial) -> float | None:
    """CPU time of the server per stream that clients hold open; None if no stream is held."""
    return None if trial.open_streams is None else server_cpu_s_per_request(trial)


def connection_bytes(trial: Trial) -> float | None:
    """Server memory per open connection, including the requests on it.

    The growth from ready to loaded, divided by all connections; for held streams, while they are
    open. None if there are too few connections to stand out from what the first requests take.
    """
    connections = sum(trial.connections_by_process.values())
    loaded, idle = trial.server_pss_bytes, trial.server_pss_idle_bytes
    if trial.open_streams is not None:
        connections = trial.open_streams.connections
        loaded = trial.open_streams.server_pss_bytes
    if connections < FEWEST_CONNECTIONS or loaded is None or idle is None:
        return None
    return (loaded - idle) / connections


def received_bytes_per_s(trial: Trial) -> float | None:
    """Bytes of correct responses per second of load, if responses are large."""
    known = [piece for piece in trial.slices if piece.received_bytes is not None]
    total, answers = sum(one.received_bytes or 0 for one in known), sum(o.requests for o in known)
    if not answers or total < LARGE_ANSWER_BYTES * answers or len(known) < len(trial.slices):
        return None
    return total / trial.duration_s


def growth_bytes(trial: Trial) -> float | None:
    """By how much the server's memory grew per 1,000 requests, over the load of one trial.

    The median slope of all pairs of samples (Theil and Sen), which one garbage collection hardly
    moves. None if there are too few samples or requests.
    """
    samples = trial.memory_samples
    total = samples[-1][0] if samples else 0
    settled = [sample for sample in samples if sample[0] >= SETTLING_SHARE * total]
    used = settled if len(settled) >= ENOUGH_SAMPLES else samples
    if len(used) < FEWEST_SAMPLES or total < FEWEST_REQUESTS:
        return None
    slopes = [
        (later_bytes - earlier_bytes) / (later - earlier)
        for (earlier, earlier_bytes), (later, later_bytes) in combinations(used, 2)
        if later > earlier
    ]
    return PER_REQUESTS * median(slopes) if slopes else None


def own_pss_bytes(trial: Trial) -> int | None:
    """Memory after the load, excluding the pages of files; for comparing two servers.

    A page is divided among all who map it. Baseline and control share the libraries of one
    environment, while a candidate in another has its own: that made 5 % of the same uvicorn's
    memory.
    """
    if trial.server_pss_bytes is None or trial.server_pss_file_bytes is None:
        return None
    return trial.server_pss_bytes - trial.server_pss_file_bytes


def slice_throughput_rps(piece: Slice) -> float | None:
    """Correct responses per second in one slice; None if nothing was measured."""
    requests, seconds = piece.counted
    return requests / seconds if requests > 0 and seconds > 0 else None


def slice_cpu_s_per_request(piece: Slice) -> float | None:
    """CPU time of the server per request in one slice; None if nothing was measured."""
    is_measured = piece.sent > 0 and piece.server_cpu_s > 0
    return piece.server_cpu_s / piece.sent if is_measured else None
