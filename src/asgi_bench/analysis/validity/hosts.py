"""Was load from other hosts what it should have been? Rules on hosts, their step, the network."""

from asgi_bench.analysis.network import link_share, round_trip_s
from asgi_bench.analysis.validity.evidence import Evidence
from asgi_bench.analysis.validity.limits import BUSY_SHARE
from asgi_bench.analysis.validity.load import time_words
from asgi_bench.model import Reason, ValidityLevel

# Slices in which a load host may be late or starved.
MOST_OUT_OF_STEP = 0.05
# Above this share of what the network carries, it shapes what is measured.
MOST_LINK_SHARE = 0.8


def load_lost(seen: Evidence) -> Reason | None:
    """The load ended before its time: what had been measured stands, and is no whole trial."""
    fault = seen.trial.load_fault
    if fault is None:
        return None
    return Reason(
        code="load-lost",
        level="invalid",
        value=float(len(seen.trial.slices)),
        limit=None,
        text=f"{fault}; {_slices(len(seen.trial.slices))} had been measured, and response times "
        "are lost",
    )


def from_afar(seen: Evidence) -> Reason | None:
    """Load of other hosts: what the way to them adds."""
    hosts = seen.trial.load_hosts
    if not hosts:
        return None
    longest_s = max(map(round_trip_s, hosts))
    names = ", ".join(sorted({host.name for host in hosts}))
    return Reason(
        code="load-hosts",
        level="valid",
        value=longest_s,
        limit=None,
        text=f"the load came from {len(hosts)} load process{'' if len(hosts) == 1 else 'es'} of "
        f"other hosts ({names}), the farthest a round trip of {time_words(longest_s)} away: that "
        "is in every response time",
    )


def out_of_step(seen: Evidence) -> Reason | None:
    """Load hosts that were late or starved: a part of the slices had a part of the load."""
    trial = seen.trial
    bad = trial.late_slices + trial.starved_slices
    slices = len(trial.slices) + trial.left_out_slices
    if not slices or bad <= MOST_OUT_OF_STEP * slices:
        return None
    what = (
        f"in {bad} of {slices} slices a load host began late ({trial.late_slices}) or waited for "
        f"a CPU ({trial.starved_slices})"
    )
    advice = "let nothing else run on the load hosts, and keep the network idle"
    level: ValidityLevel = "suspect" if trial.left_out_slices else "invalid"
    then = "they are left out" if trial.left_out_slices else "the server had less load than stated"
    return Reason(
        code="out-of-step",
        level=level,
        value=bad / slices,
        limit=MOST_OUT_OF_STEP,
        text=f"{what}, and {then}: {advice}",
    )


def link_limited(seen: Evidence) -> Reason | None:
    """The network as the limit, by the bytes that went over it and what it carried before."""
    share = link_share(seen.trial)
    if share is None or share <= MOST_LINK_SHARE:
        return None
    is_busy = seen.server_share is not None and seen.server_share >= BUSY_SHARE
    is_invalid = seen.cell.load.is_closed and not is_busy
    then = (
        "the network was the limit, so the server can do more than shown"
        if is_invalid
        else "response times include waiting for the network"
    )
    return Reason(
        code="link-limited",
        level="invalid" if is_invalid else "suspect",
        value=share,
        limit=MOST_LINK_SHARE,
        text=f"the load took {share:.0%} of the bandwidth measured between the server and a load "
        f"host: {then}; use a faster network, or a scenario with fewer bytes",
    )


def _slices(count: int) -> str:
    return f"{count} slice{'' if count == 1 else 's'}"
