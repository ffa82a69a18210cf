from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgi_bench.analysis.stopping import slice_scatter
from asgi_bench.analysis.typical import Floats, Place, Typical, fitted, slowed_share, typical_slices
from asgi_bench.analysis.validity.cell import stall_findings
from asgi_bench.model import Slice, Trial
from asgi_bench.model.metric import Metric
from asgi_bench.model.metrics import CPU, THROUGHPUT

TURNS = 40
ROUNDS = 8
RATES_RPS = {"a/c64": 30_000.0, "b/c64": 25_000.0, "c/c64": 2_500.0}


def trial(cell: str, round: int, rates_rps: Sequence[float]) -> Trial:
    """A trial with a slice of 1000 requests at each rate."""
    slices = tuple(
        Slice(
            start_s=0.0,
            end_s=1000 / rate_rps,
            duration_s=1000 / rate_rps,
            requests=1000,
            sent=1000,
            errors=0,
            server_cpu_s=1000 / rate_rps,
            load_cpu_s=0.01,
            steady_requests=1000,
            steady_s=1000 / rate_rps,
        )
        for rate_rps in rates_rps
    )
    return Trial(
        cell=cell,
        round=round,
        block=0,
        started_at="",
        outcome="ok",
        slices=slices,
        requests=1000 * len(slices),
        server_cpu_s=sum(piece.server_cpu_s for piece in slices),
        lead_in_s=0.01,
    )


def run_of(
    seed: int = 1, stalls_of: str = "", noise: float = 0.2, times: int = 1, scatter: float = 0.02
) -> list[Trial]:
    """Rounds on a machine whose turns differ and that stalls in one slice of ten, of any cell.

    The cell that stalls of itself does so in one slice of eight more. The first comes by so many
    times in each turn.
    """
    chance = np.random.default_rng(seed)
    trials = []
    for round in range(ROUNDS):
        turns = np.exp(noise * chance.standard_normal(TURNS))
        for cell, rate_rps in RATES_RPS.items():
            of_turns = np.repeat(turns, times if cell == "a/c64" else 1)
            count = len(of_turns)
            stalls = np.where(chance.random(count) < 0.1, 0.6, 1.0)
            if cell == stalls_of:
                stalls *= np.where(np.arange(count) % 8 == 3, 0.4, 1.0)
            own = np.exp(scatter * chance.standard_normal(count))
            trials.append(trial(cell, round, (rate_rps * of_turns * stalls * own).tolist()))
    return trials


def ratios(typical: Typical, cell: str, metric: str = THROUGHPUT.name) -> list[float]:
    """A cell's figure over that of the first, round by round."""

    def figure(of: str, round: int) -> float:
        found = typical.figures[Place(metric, of, round, 0)]
        assert found is not None
        return found

    return [figure(cell, number) / figure("a/c64", number) for number in range(ROUNDS)]


@given(
    st.lists(st.floats(-2, 2), min_size=2, max_size=8),
    st.lists(st.floats(-1, 1), min_size=4, max_size=40),
)
def test_what_turns_did_drops_out(cells: list[float], turns: list[float]) -> None:
    """Where every slice is its cell and its turn, the cells' differences come out exactly."""
    table = np.add.outer(np.array(cells), np.array(turns))
    found = fitted(table)
    assert found - found[0] == pytest.approx(np.array(cells) - cells[0], abs=1e-9)


def test_stalls_of_the_machine_drop_out() -> None:
    """The ratio of typical slices is known far better than that of totals."""
    trials = run_of()
    typical = typical_slices(trials)
    assert typical.stalls == {}
    by_place = {(one.cell, one.round): one for one in trials}
    for cell in ("b/c64", "c/c64"):
        true = RATES_RPS[cell] / RATES_RPS["a/c64"]
        found = np.log(np.array(ratios(typical, cell)) / true)
        totals = [
            (by_place[cell, number].throughput_rps or 0)
            / (by_place["a/c64", number].throughput_rps or 1)
            for number in range(ROUNDS)
        ]
        assert abs(found.mean()) < 0.01
        assert found.std() < np.log(totals).std() / 2


def slowed_run(
    seed: int, slowed: float, scatter: Mapping[str, float], slow_turns: float = 0.0
) -> list[Trial]:
    """Rounds on a machine that makes this share of slices slower by up to half, of any cell, and
    slows another share of turns for all cells alike."""
    chance = np.random.default_rng(seed)
    trials = []
    for round in range(ROUNDS):
        turns = np.exp(0.05 * chance.standard_normal(TURNS))
        turns *= np.where(chance.random(TURNS) < slow_turns, 0.7, 1.0)
        for cell, deviation in scatter.items():
            rate_rps = RATES_RPS.get(cell, 10_000.0)
            own = np.exp(deviation * chance.standard_normal(TURNS))
            slow = np.where(chance.random(TURNS) < slowed, chance.uniform(0.5, 1.0, TURNS), 1.0)
            trials.append(trial(cell, round, (rate_rps * turns * own * slow).tolist()))
    return trials


ALIKE = dict.fromkeys((*RATES_RPS, *(f"{letter}/c64" for letter in "defghij")), 0.04)


@pytest.mark.parametrize("metric", [THROUGHPUT, CPU])
def test_slices_that_the_machine_slowed_are_cut_off_first(metric: Metric) -> None:
    """The mean of what is left is steadier than that of the middle half of all."""
    errors: dict[str, list[float]] = {"found": [], "none": []}
    true = {cell: rate / RATES_RPS["a/c64"] for cell, rate in RATES_RPS.items()}
    for seed in range(10):
        trials = slowed_run(seed, 0.25, ALIKE)
        for cut, errors_of_cut in errors.items():
            with pytest.MonkeyPatch.context() as patch:
                if cut == "none":
                    patch.setattr("asgi_bench.analysis.typical.slowed_share", lambda scatter: 0.0)
                found = np.array(ratios(typical_slices(trials), "c/c64", metric.name))
            sign = 1 if metric.more_is_better else -1
            errors_of_cut.extend(np.log(found / true["c/c64"] ** sign).tolist())
    assert np.std(errors["found"]) < 0.9 * np.std(errors["none"])
    assert abs(np.mean(errors["found"])) < 0.01


def test_a_server_that_is_itself_unsteady_gains_nothing() -> None:
    """Its slices scatter to both sides, and those of the machine's slow ones are cut off alike."""
    unsteady = ALIKE | {"c/c64": 0.12}
    for slowed in (0.0, 0.2):
        found = [
            ratio / (RATES_RPS["c/c64"] / RATES_RPS["a/c64"])
            for seed in range(10)
            for ratio in ratios(typical_slices(slowed_run(seed, slowed, unsteady)), "c/c64")
        ]
        assert np.mean(np.log(found)) == pytest.approx(0.0, abs=0.01)


def test_a_slow_phase_of_all_cells_slows_no_slice_by_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is the turns' and drops out: as many slices are cut off as without it."""
    shares: list[float] = []

    def noted(scatter: Floats) -> float:
        shares.append(slowed_share(scatter))
        return shares[-1]

    monkeypatch.setattr("asgi_bench.analysis.typical.slowed_share", noted)
    typical_slices(slowed_run(5, 0.0, ALIKE, slow_turns=0.25))
    assert max(shares) <= 0.06


@given(st.integers(0, 1000), st.floats(0.01, 0.3))
def test_slices_that_scatter_to_both_sides_alike_are_none_too_slow(
    seed: int, scatter: float
) -> None:
    """On a calm machine hardly anything but the outer fifths is cut off."""
    found = slowed_share(scatter * np.random.default_rng(seed).standard_normal(4000))
    assert found <= 0.06


def test_stalls_count_by_whole_slices() -> None:
    """A slice's steady part may hold more or less of a stall than its share."""
    stalling = run_of(stalls_of="b/c64")
    exaggerated = [
        msgspec.structs.replace(
            one,
            slices=tuple(
                msgspec.structs.replace(
                    piece, steady_requests=500, steady_s=0.5 * piece.duration_s * over
                )
                for piece, over in zip(one.slices, _stalls_of_parts(one), strict=True)
            ),
        )
        for one in stalling
    ]
    place = ("b/c64", 0, THROUGHPUT.name)
    found = typical_slices(exaggerated).stalls[place]
    assert found == pytest.approx(typical_slices(stalling).stalls[place], abs=0.01)


def _stalls_of_parts(one: Trial) -> list[float]:
    """Twice as long in the steady part as in the slice, for slices at less than half the speed."""
    lengths_s = [piece.duration_s for piece in one.slices]
    usual_s = float(np.median(lengths_s))
    return [2.0 if length_s > 2 * usual_s else 1.0 for length_s in lengths_s]


def test_what_a_server_stalls_itself_counts() -> None:
    """A cell whose totals fall short of its typical slices, surely and beside its neighbours'."""
    stalling = typical_slices(run_of(stalls_of="b/c64"))
    calm = typical_slices(run_of())
    assert set(stalling.stalls) == {("b/c64", 0, THROUGHPUT.name), ("b/c64", 0, CPU.name)}
    share = np.mean(ratios(stalling, "b/c64")) / np.mean(ratios(calm, "b/c64"))
    # One slice in eight at 0.4 of the speed takes 2.5 times as long: 8 / 9.5 of the throughput.
    assert share == pytest.approx(8 / 9.5, abs=0.03)


def test_cpu_time_has_typical_slices_too() -> None:
    """The cost of a request is compared by what it typically is."""
    typical = typical_slices(run_of())
    found = np.mean(np.log(ratios(typical, "c/c64", CPU.name)))
    assert found == pytest.approx(np.log(RATES_RPS["a/c64"] / RATES_RPS["c/c64"]), abs=0.01)


def test_ratios_to_a_reference_that_comes_by_more_often_are_known_better() -> None:
    """Seen three times a turn its own noise is in them by its root, and they stay unbiased."""
    true = RATES_RPS["c/c64"] / RATES_RPS["a/c64"]
    found = {
        times: [
            ratio / true
            for seed in range(25)
            for ratio in ratios(typical_slices(run_of(seed, times=times, scatter=0.1)), "c/c64")
        ]
        for times in (1, 3)
    }
    assert abs(np.mean(np.log(found[3]))) < 0.005
    # The root of (1 + 1/3) / 2 is 0.82, and of three cells it also steadies the turns.
    assert 0.65 < np.std(np.log(found[3])) / np.std(np.log(found[1])) < 0.9


def test_a_cell_out_of_step_is_left_out() -> None:
    """One that lost slices has none to compare turn by turn; the others keep theirs."""
    trials = run_of()
    short = msgspec.structs.replace(trials[0], slices=trials[0].slices[:-3])
    found = {place.cell for place in typical_slices([short, *trials[1:3]]).figures}
    assert found == {"b/c64", "c/c64"}


def test_each_load_has_turns_of_its_own() -> None:
    """Cells at another load came by more seldom, and are compared among themselves."""
    seldom = [
        msgspec.structs.replace(one, cell=one.cell.replace("64", "256"), slices=one.slices[::4])
        for one in run_of(2)
    ]
    often = run_of(1)
    both = typical_slices([*often, *seldom]).figures
    assert both == {**typical_slices(often).figures, **typical_slices(seldom).figures}
    assert len(both) == len(often) * 2 + len(seldom) * 2


def waited(one: Trial, share: float, places: Sequence[int], slowed: float) -> Trial:
    """The trial with slices in which the load generator waited so long, and came to so much."""
    slices = [
        msgspec.structs.replace(
            piece,
            load_wait_s=share * piece.duration_s if place in places else 0.001 * piece.duration_s,
            steady_s=(piece.steady_s or 0.0) / (slowed if place in places else 1.0),
        )
        for place, piece in enumerate(one.slices)
    ]
    return msgspec.structs.replace(one, slices=tuple(slices))


def with_waits(
    trials: Sequence[Trial], rounds: Sequence[int], places: Sequence[int], share: float = 0.3
) -> list[Trial]:
    """The trials with something else on the generator's CPU: the fast servers lose most by it."""
    slowed = {"a/c64": 0.5, "b/c64": 0.6, "c/c64": 0.95}
    return [
        waited(one, share, places if one.round in rounds else (), slowed[one.cell])
        for one in trials
    ]


def test_slices_without_the_generators_cpu_are_left_out() -> None:
    """They would make slow servers look faster than they are."""
    calm = run_of()
    busy = with_waits(calm, range(ROUNDS), range(0, TURNS, 2))
    typical = typical_slices(busy)
    assert typical.left_out == pytest.approx(0.5)
    assert typical.stalls == {}
    for cell in ("b/c64", "c/c64"):
        true = RATES_RPS[cell] / RATES_RPS["a/c64"]
        assert np.mean(np.log(ratios(typical, cell))) == pytest.approx(np.log(true), abs=0.01)
    unknown = [
        msgspec.structs.replace(
            one,
            slices=tuple(msgspec.structs.replace(piece, load_wait_s=None) for piece in one.slices),
        )
        for one in busy
    ]
    biased = np.mean(np.log(ratios(typical_slices(unknown), "c/c64")))
    assert biased > np.log(RATES_RPS["c/c64"] / RATES_RPS["a/c64"]) + 0.1


def test_a_round_without_the_generators_cpu_has_no_figure() -> None:
    """Two of eight rounds are left out whole; if it is most of them, all count as before."""
    calm = run_of()
    figures = typical_slices(with_waits(calm, (2, 5), range(TURNS))).figures
    assert {place.round for place, figure in figures.items() if figure is None} == {2, 5}
    kept = {place: figure for place, figure in figures.items() if figure is not None}
    undisturbed = typical_slices(calm).figures
    assert kept == {place: undisturbed[place] for place in kept}
    for first in (1, 3):
        mostly = typical_slices(with_waits(calm, range(first, ROUNDS), range(TURNS)))
        assert None not in mostly.figures.values()
        assert mostly.left_out == 0


def shared(one: Trial, chance: np.random.Generator, own_share: float = 0.0) -> Trial:
    """The trial with another program on the server's CPU in half of its slices, which take twice
    as long; its threads also wait for each other for a share of every slice."""
    slices = []
    for piece in one.slices:
        slowed = 2.0 if chance.random() < 0.5 else 1.0
        duration_s = slowed * piece.duration_s
        slices.append(
            msgspec.structs.replace(
                piece,
                duration_s=duration_s,
                steady_s=duration_s,
                server_cpu_s=piece.duration_s,
                load_wait_s=0.0,
                meters={"server_wait_s": duration_s - piece.duration_s + own_share * duration_s},
            )
        )
    return msgspec.structs.replace(one, slices=tuple(slices), server_cpus=(0,))


def test_slices_without_the_servers_cpu_are_left_out() -> None:
    """In half of them a server has half of its speed: no tail that could be cut off."""
    chance = np.random.default_rng(1)
    busy = [shared(one, chance) for one in slowed_run(1, 0.0, ALIKE)]
    typical = typical_slices(busy)
    assert typical.left_out == pytest.approx(0.5, abs=0.05)
    found = np.log(ratios(typical, "c/c64")) - np.log(RATES_RPS["c/c64"] / RATES_RPS["a/c64"])
    assert found.mean() == pytest.approx(0.0, abs=0.01)
    assert found.std() < 0.02


def test_threads_of_a_server_may_wait_for_each_other() -> None:
    """What they wait is not what something else used, if they use all that there is."""
    chance = np.random.default_rng(2)
    busy = [shared(one, chance, own_share=0.6) for one in slowed_run(2, 0.0, ALIKE)]
    alone = [
        msgspec.structs.replace(
            one,
            slices=tuple(
                msgspec.structs.replace(
                    piece, meters={"server_wait_s": chance.random() * piece.duration_s}
                )
                for piece in one.slices
            ),
            server_cpus=(0,),
        )
        for one in slowed_run(2, 0.0, ALIKE)
    ]
    assert typical_slices(alone).left_out == 0
    assert typical_slices(busy).left_out == pytest.approx(0.5, abs=0.05)


def test_a_server_that_stalls_without_a_cpu_is_charged() -> None:
    """Its threads wait for each other as long as they run, and are at a disk in some slices."""
    run = []
    for one in run_of():
        slices = []
        for place, piece in enumerate(one.slices):
            stalls = one.cell == "b/c64" and place % 10 == 4
            duration_s = piece.duration_s * (3.0 if stalls else 1.0)
            slices.append(
                msgspec.structs.replace(
                    piece,
                    duration_s=duration_s,
                    steady_s=duration_s,
                    meters={"server_wait_s": 1.4 * piece.server_cpu_s},
                )
            )
        run.append(msgspec.structs.replace(one, slices=tuple(slices), server_cpus=(0,)))
    found = typical_slices(run)
    assert found.left_out == 0
    assert found.stalls["b/c64", 0, THROUGHPUT.name] < -0.1


@pytest.mark.parametrize("turns", [2, 3])
def test_too_few_turns_for_a_fit_lose_no_figure(turns: int) -> None:
    """Whole trials are compared then, whatever waited in one slice."""
    short = [
        msgspec.structs.replace(one, slices=one.slices[:turns])
        for one in with_waits(run_of(), range(ROUNDS), (0,))
    ]
    assert typical_slices(short) == Typical()


def test_a_cell_that_stalls_less_is_not_credited_for_it() -> None:
    """Its neighbours' stalls are theirs; of two cells one has what the other has not."""
    run = [
        undisturbed if undisturbed.cell == "c/c64" else slowed
        for undisturbed, slowed in zip(
            slowed_run(4, 0.0, ALIKE), slowed_run(4, 0.2, ALIKE), strict=True
        )
    ]
    two = [one for one in run_of(stalls_of="b/c64") if one.cell != "a/c64"]
    assert {cell for cell, *_ in typical_slices(two).stalls} == {"b/c64", "c/c64"}
    assert typical_slices(run).stalls == {}


def test_a_cell_that_keeps_too_few_slices_has_no_figure_beside_others_that_do() -> None:
    """Something else had its CPU in nearly all of its slices of a round."""
    places = range(2, TURNS)
    run = [
        waited(one, 0.3, places if (one.cell, one.round) == ("c/c64", 3) else (), 0.5)
        for one in run_of()
    ]
    missing = {place for place, figure in typical_slices(run).figures.items() if figure is None}
    assert {(place.cell, place.round) for place in missing} == {("c/c64", 3)}


def test_a_slice_without_a_length_is_no_disturbance() -> None:
    """A server that ends before its first answer leaves one; the other rounds stay as they are."""
    run = run_of()
    piece = msgspec.structs.replace(run[0].slices[0], duration_s=0.0, requests=0, load_wait_s=0.1)
    ended = msgspec.structs.replace(run[0], slices=(piece,))
    figures = typical_slices([ended, *run[1:]]).figures
    assert Place(THROUGHPUT.name, "a/c64", 0, 0) not in figures
    assert len(figures) == len(typical_slices(run).figures) - 2


def test_a_generator_that_always_waits_for_itself_is_not_disturbed() -> None:
    """Its processes share a CPU, in all slices of a cell alike."""
    alike = with_waits(run_of(), range(ROUNDS), range(TURNS), share=0.4)
    assert typical_slices(alike).left_out == 0


@settings(max_examples=30)
@given(st.integers(0, 100), st.floats(0.0, 0.2), st.floats(0.01, 0.2))
def test_what_is_left_out_does_not_hang_on_what_the_servers_did(
    seed: int, noise: float, scatter: float
) -> None:
    """The same waits leave the same slices out, however fast the servers were."""
    first, second = (
        with_waits(run_of(one, noise=noise, scatter=scatter), (1, 3), range(7))
        for one in (seed, seed + 1)
    )
    assert typical_slices(first).left_out == typical_slices(second).left_out == 2 / 8 * 7 / TURNS


@pytest.mark.parametrize("kept", [slice(0, 1), slice(0, 0)])
def test_a_single_cell_has_nothing_to_be_compared_with(kept: slice) -> None:
    """Its figure is that of its trials."""
    assert typical_slices(run_of()[:3][kept]).figures == {}


def test_runs_from_before_lead_ins_are_read_as_they_were() -> None:
    """Their slices began cold, and came by unequally often."""
    old = [msgspec.structs.replace(one, lead_in_s=None) for one in run_of()]
    assert typical_slices(old) == Typical()


def test_a_machine_is_as_calm_as_its_slices_say() -> None:
    """The scatter of one server's slices within a round; runs from before tell none."""
    assert slice_scatter(run_of(noise=0.3)) > slice_scatter(run_of(noise=0.05)) > 0  # type: ignore[operator]
    old = [msgspec.structs.replace(one, lead_in_s=None) for one in run_of()]
    assert slice_scatter(old) is None


def test_a_server_that_stalls_is_told() -> None:
    """By how much more than its neighbours; one that stalls less than they is not."""
    (found,) = stall_findings(
        typical_slices(run_of(stalls_of="b/c64")).stalls["b/c64", 0, THROUGHPUT.name]
    )
    assert (found.code, found.level) == ("stalls", "valid")
    assert found.value == pytest.approx(1 - 8 / 9.5, abs=0.04)
    assert stall_findings(0.05) == stall_findings(None) == ()
