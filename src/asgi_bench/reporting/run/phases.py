"""Where the time of a run went, in one line."""

from collections.abc import Mapping

from asgi_bench.reporting import numbers

# In the order of a run; only time within slices is measuring.
WORDS: Mapping[str, str] = {
    "load": "under load",
    "lead-in": "leading in",
    "between": "between slices",
    "ask": "asking the app",
    "calibrate": "calibrating",
    "prepare": "preparing",
    "prove": "proving settings",
    "start": "starting servers",
    "open": "opening and warming up",
    "stop": "stopping",
    "behave": "watching behaviour",
    "finish": "finishing",
    "report": "report and charts",
}
# Less is not worth a word; what is left out is told together.
LEAST_SHARE = 0.005


def phases_words(phases_s: Mapping[str, float]) -> str:
    """The whole time and each phase's share of it: `302 s: under load 77%, starting servers 7%`."""
    total_s = sum(phases_s.values())
    if total_s <= 0:
        return "0 s"
    known = {WORDS.get(phase, phase): phases_s[phase] / total_s for phase in _in_order(phases_s)}
    told = {words: share for words, share in known.items() if share >= LEAST_SHARE}
    rest = 1 - sum(told.values())
    if rest >= LEAST_SHARE:
        told["other"] = rest
    shares = ", ".join(f"{words} {numbers.percent(share)}%" for words, share in told.items())
    return f"{total_s:.0f} s: {shares}"


def _in_order(phases_s: Mapping[str, float]) -> list[str]:
    """The phases as they are told; what is unknown here comes last."""
    return [*(p for p in WORDS if p in phases_s), *(p for p in phases_s if p not in WORDS)]
