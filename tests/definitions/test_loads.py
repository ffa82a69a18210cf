import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_bench.definitions.loads import (
    DEFAULT_CONNECTIONS,
    DEFAULT_OPEN_CONNECTIONS,
    SEARCH_STEPS,
    SWEEP_SHARES,
    OfferedRate,
    loads,
    parse_objective,
    parse_rates,
)
from asgi_bench.errors import UsageError
from asgi_bench.model import ClosedLoop, Load, Objective, OpenLoop, RateSweep


def loads_of(
    connections: tuple[int, ...] | None = None,
    rates: str = "",
    *,
    closed: bool = False,
    sweep: bool = False,
    objective: Objective | None = None,
) -> tuple[Load, ...]:
    """The loads of some flags, the others at their defaults."""
    return loads(
        connections=connections,
        rates=parse_rates(rates) if rates else (),
        arrivals="poisson",
        closed=closed,
        sweep=sweep,
        objective=objective,
    )


@pytest.mark.parametrize(
    ("text", "rates"),
    [
        ("500", (OfferedRate(rate_rps=500),)),
        ("50%", (OfferedRate(share=0.5),)),
        ("500, 50%,0.5", (OfferedRate(500), OfferedRate(share=0.5), OfferedRate(0.5))),
        ("12.5%,400%", (OfferedRate(share=0.125), OfferedRate(share=4))),
        ("500,500,50%,50%", (OfferedRate(500), OfferedRate(share=0.5))),
    ],
)
def test_rates_are_numbers_or_shares(text: str, rates: tuple[OfferedRate, ...]) -> None:
    """A number is requests per second, with a percent sign a share; each once, in order."""
    assert parse_rates(text) == rates


@pytest.mark.parametrize(
    "text", ["", "0", "0%", "-5", "5e3", "1/2", "fast", "500,", "50 %", "500rps", "nan", "inf", "٣"]
)
def test_what_is_no_rate_is_named(text: str) -> None:
    """The message names the flag, what was given and what is allowed."""
    with pytest.raises(
        UsageError, match=r"--rate: .* requests per second, such as 500, or a share"
    ):
        parse_rates(text)


def test_share_has_a_bound() -> None:
    """More than four times what a server can do measures nothing but the queue."""
    with pytest.raises(UsageError, match=r"-r: '401%' is more than 400%"):
        parse_rates("401%", "-r")


@given(st.text(max_size=12))
def test_any_text_is_rates_or_one_clear_line(text: str) -> None:
    """Whatever is typed gives positive rates or a usage error of one line."""
    try:
        rates = parse_rates(text)
    except UsageError as error:
        assert "\n" not in str(error)
    else:
        assert all((rate.rate_rps or 0) > 0 or (rate.share or 0) > 0 for rate in rates)


@pytest.mark.parametrize(
    ("text", "objective"),
    [
        ("p99=10ms", Objective(0.99, 0.01)),
        ("p50=1s", Objective(0.5, 1)),
        (" p99.9 = 250us ", Objective(0.999, 250e-6)),
        ("p5=2s", Objective(0.05, 2)),
    ],
)
def test_objective_is_a_percentile_and_a_time(text: str, objective: Objective) -> None:
    """The quantile is what it reads: 99.9 is 0.999, to the last digit."""
    assert parse_objective(text) == objective


@pytest.mark.parametrize("text", ["", "p99", "99=10ms", "p100=1s", "p0=1s", "p-1=1s", "px=1s"])
def test_what_is_no_objective_is_named(text: str) -> None:
    """The message names the flag and shows how it is written."""
    with pytest.raises(UsageError, match=r"--slo: .* a percentile and a time, such as p99=10ms"):
        parse_objective(text)


@pytest.mark.parametrize("text", ["p99=", "p99=10", "p99=fast"])
def test_objective_without_a_time_is_named(text: str) -> None:
    """A limit without a unit is refused like any duration."""
    with pytest.raises(UsageError, match=r"--slo"):
        parse_objective(text)


def test_without_flags_there_is_one_closed_loop() -> None:
    """64 connections are what is measured if nothing is asked for."""
    assert loads_of() == (ClosedLoop(DEFAULT_CONNECTIONS),)


def test_a_closed_loop_for_each_connection_count() -> None:
    """Several counts give several cells, in the order given."""
    assert loads_of((1, 64, 8)) == (ClosedLoop(1), ClosedLoop(64), ClosedLoop(8))


def test_rates_replace_closed_loops() -> None:
    """With rates there are open loops alone, whose connections are a cap."""
    assert loads_of(rates="500,50%") == (
        OpenLoop(500, connections=DEFAULT_OPEN_CONNECTIONS),
        OpenLoop(None, rate_share=0.5, connections=DEFAULT_OPEN_CONNECTIONS),
    )
    assert loads_of((32,), "500") == (OpenLoop(500, connections=32),)


def test_closed_adds_the_closed_loops() -> None:
    """With --closed both are measured, the closed ones first, and the largest count is the cap."""
    found = loads_of((8, 512), "500", closed=True)
    assert found == (ClosedLoop(8), ClosedLoop(512), OpenLoop(500, connections=512))


def test_several_caps_are_refused() -> None:
    """An open loop has one cap; the message names the flag and the counts."""
    for flags in ({"rates": "500"}, {"sweep": True}):
        with pytest.raises(UsageError, match=r"--connections: 8,64: .* a single cap"):
            loads_of((8, 64), **flags)


def test_sweep_rises_past_saturation() -> None:
    """Its shares rise, from light load to more than all; without an objective it searches none."""
    (sweep,) = loads_of(sweep=True)
    assert sweep == RateSweep(SWEEP_SHARES)
    assert list(SWEEP_SHARES) == sorted(SWEEP_SHARES)
    assert SWEEP_SHARES[0] <= 0.2 < 1 < SWEEP_SHARES[-1]


def test_objective_makes_a_sweep_search() -> None:
    """With an objective the sweep carries it, and as many steps as its search may take."""
    objective = Objective(0.99, 0.01)
    (sweep,) = loads_of(sweep=True, objective=objective)
    assert sweep == RateSweep(SWEEP_SHARES, objective, SEARCH_STEPS)


@given(
    connections=st.none() | st.tuples(st.integers(1, 5000)),
    rates=st.lists(st.sampled_from(["1", "500", "0.5", "10%", "99.5%"]), unique=True, max_size=4),
    closed=st.booleans(),
    sweep=st.booleans(),
)
def test_keys_of_loads_differ(
    connections: tuple[int, ...] | None, rates: list[str], closed: bool, sweep: bool
) -> None:
    """Whatever is asked for, no two loads share the key that cells are told apart by."""
    found = loads_of(connections, ",".join(rates), closed=closed, sweep=sweep)
    keys = [load.key for load in found]
    assert found
    assert len(set(keys)) == len(keys)
