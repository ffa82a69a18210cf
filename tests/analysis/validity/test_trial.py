import msgspec
import pytest

from asgi_bench.analysis.utilization import load_cpu_share, server_busy_share
from asgi_bench.analysis.validity.trial import MOOT, RULES_VERSION, judge_trial, worst_level
from asgi_bench.model import (
    Cell,
    ErrorCounts,
    Load,
    OpenLoop,
    Plan,
    PlannedCell,
    RateSweep,
    Throttling,
    Trial,
)
from tests.synthetic_run import CLOSED_64, make_trial, plan_of

replace = msgspec.structs.replace


def plan_and_trial(workers: int = 1, cpus: tuple[int, ...] = (0,)) -> tuple[Plan, Trial]:
    """A plan of one cell and a sound trial of it, 2 s under load."""
    cell = Cell("uvicorn", "default", workers, "hello", CLOSED_64)
    plan = replace(plan_of((PlannedCell(cell),)), server_cpus=cpus)
    return plan, replace(make_trial(cell, 0, 0), server_cpus=cpus)


def codes(trial: Trial) -> list[str]:
    """The codes of a trial's findings."""
    return [reason.code for reason in trial.validity_reasons]


def test_sound_trial_is_valid() -> None:
    """A busy server and right answers: no findings, and the rules' version is noted."""
    plan, trial = plan_and_trial()
    judged = judge_trial(trial, plan)
    assert (judged.validity, judged.validity_reasons) == ("valid", ())
    assert judged.rules_version == RULES_VERSION


def test_judging_changes_nothing_but_the_verdict() -> None:
    """The figures of a trial stand whatever the verdict."""
    plan, trial = plan_and_trial()
    judged = judge_trial(replace(trial, workers_lost=1), plan)
    restored = replace(judged, validity="valid", validity_reasons=(), rules_version=0)
    assert restored == replace(trial, workers_lost=1)


def test_verdict_does_not_pile_up() -> None:
    """Judging a judged trial again gives the same."""
    plan, trial = plan_and_trial()
    once = judge_trial(replace(trial, strangers=2), plan)
    assert judge_trial(once, plan) == once


@pytest.mark.parametrize(
    ("wrong", "level"), [(0, "valid"), (1, "suspect"), (10, "suspect"), (11, "invalid")]
)
def test_errors_of_ten_thousand(wrong: int, level: str) -> None:
    """No error is valid, up to 0.1 % suspect, above it invalid."""
    plan, trial = plan_and_trial()
    piece = replace(trial.slices[0], requests=10_000 - wrong, sent=10_000, errors=wrong)
    trial = replace(trial, slices=(piece,), requests=10_000 - wrong, server_cpu_s=0.5)
    judged = judge_trial(replace(trial, errors=ErrorCounts(reset=wrong)), plan)
    assert judged.validity == level
    if wrong:
        (reason,) = judged.validity_reasons
        assert (reason.code, reason.value, reason.limit) == ("errors", wrong / 10_000, 0.001)
        assert f"{wrong} of 10000 requests" in reason.text
        assert f"{wrong} reset" in reason.text


@pytest.mark.parametrize(
    ("field", "code"), [("workers_lost", "worker-died"), ("strangers", "stranger")]
)
def test_one_is_too_many(field: str, code: str) -> None:
    """A dead worker, or a connection that a stranger's process held, invalidates the trial."""
    plan, trial = plan_and_trial()
    judged = judge_trial(replace(trial, **{field: 1}), plan)
    assert (judged.validity, codes(judged)) == ("invalid", [code])


def test_what_ran_otherwise_than_asked_is_invalid() -> None:
    """The sentence of the proof is the reason's."""
    plan, trial = plan_and_trial()
    judged = judge_trial(replace(trial, differs=("the app changes its loop",)), plan)
    assert (judged.validity, codes(judged)) == ("invalid", ["not-as-asked"])
    assert judged.validity_reasons[0].text.endswith("requested: the app changes its loop")


def test_no_right_answer_is_invalid() -> None:
    """A trial without one right answer has no throughput to speak of."""
    plan, trial = plan_and_trial()
    judged = judge_trial(replace(trial, requests=0, errors=ErrorCounts(timeout=64)), plan)
    assert judged.validity == "invalid"
    assert "no-answers" in codes(judged)


@pytest.mark.parametrize(
    ("server_share", "load_share", "level", "expected"),
    [
        (0.95, 0.50, "valid", []),
        (0.95, 0.99, "valid", []),
        (0.90, 0.95, "valid", []),
        (0.89, 0.90, "invalid", ["generator-bound"]),
        (0.40, 1.00, "invalid", ["generator-bound"]),
        (0.89, 0.89, "valid", ["concurrency-bound"]),
        (0.10, 0.05, "valid", ["concurrency-bound"]),
    ],
)
def test_which_side_was_the_limit(
    server_share: float, load_share: float, level: str, expected: list[str]
) -> None:
    """A busy server is sound, a busy generator beside an idle server isn't, neither is a note."""
    plan, trial = plan_and_trial()
    wall_s = trial.duration_s
    spent = replace(trial, server_cpu_s=server_share * wall_s, load_cpu_s=load_share * wall_s)
    judged = judge_trial(spent, plan)
    assert (judged.validity, codes(judged)) == (level, expected)


@pytest.mark.parametrize(("wait_share", "code"), [(0.29, "concurrency"), (0.31, "generator")])
def test_a_generator_that_waits_for_its_cpu_is_at_its_limit(wait_share: float, code: str) -> None:
    """On a machine busy elsewhere it uses less than a CPU: what it waited for one counts too."""
    plan, trial = plan_and_trial()
    wall_s = trial.duration_s
    slices = tuple(
        replace(piece, load_wait_s=wait_share * piece.duration_s) for piece in trial.slices
    )
    # A wait that the rule on contention finds as well.
    spent = replace(trial, slices=slices, server_cpu_s=0.1 * wall_s, load_cpu_s=0.6 * wall_s)
    assert codes(judge_trial(spent, plan))[0] == f"{code}-bound"


def overloaded(load: Load, server_share: float, load_share: float, spin_share: float) -> Trial:
    """A judged trial of a load with overload, in which both sides were so busy."""
    cell = Cell("uvicorn", "default", 1, "hello", load)
    plan = plan_of((PlannedCell(cell),))
    trial = make_trial(cell, 0, 0)
    slices = tuple(
        replace(
            piece,
            server_cpu_s=server_share * piece.duration_s,
            load_cpu_s=(load_share + spin_share) * piece.duration_s,
            load_wait_s=0.0,
            open_loop=replace(piece.open_loop, spin_s=spin_share * piece.duration_s),
        )
        for piece in trial.slices
        if piece.open_loop is not None
    )
    return judge_trial(replace(trial, slices=slices), plan)


OVERLOAD = OpenLoop(rate_rps=50_000)
SWEEP = RateSweep((0.25, 0.5, 1.1))


@pytest.mark.parametrize(
    ("server_share", "load_share", "spin_share", "is_found"),
    [
        (0.89, 0.90, 0.0, True),
        (0.90, 0.95, 0.0, False),
        (0.50, 0.89, 0.0, False),
        (0.50, 0.50, 0.5, False),
    ],
)
def test_requests_that_pile_up_at_the_generator(
    server_share: float, load_share: float, spin_share: float, is_found: bool
) -> None:
    """A queue that grows is the server's only if it was busy, or the generator was not."""
    trial = overloaded(OVERLOAD, server_share, load_share, spin_share)
    assert codes(trial) == ["generator-bound" if is_found else "overloaded"]
    assert trial.validity == ("invalid" if is_found else "valid")
    swept = overloaded(SWEEP, server_share, load_share, spin_share)
    assert codes(swept) == (["generator-bound"] if is_found else [])
    assert swept.validity == ("suspect" if is_found else "valid")


@pytest.mark.parametrize(
    ("busy_share", "spin_share", "level"),
    [(0.79, 0.0, None), (0.81, 0.0, "suspect"), (0.5, 0.45, None)],
)
def test_a_rate_that_was_taken_by_a_generator_near_its_limit(
    busy_share: float, spin_share: float, level: str | None
) -> None:
    """All answered, yet requests queued at a busy generator too; its spinning is no work."""
    cell = Cell("uvicorn", "default", 1, "hello", OpenLoop(rate_rps=500))
    trial = make_trial(cell, 0, 0)
    slices = tuple(
        replace(piece, open_loop=replace(piece.open_loop, spin_s=spin_share * piece.duration_s))
        for piece in trial.slices
        if piece.open_loop is not None
    )
    spent_s = (busy_share + spin_share) * trial.duration_s
    judged = judge_trial(
        replace(trial, slices=slices, load_cpu_s=spent_s), plan_of((PlannedCell(cell),))
    )
    found = {reason.code: reason.level for reason in judged.validity_reasons}
    assert found.get("generator-bound") == level


def test_what_was_never_sent_is_overload_and_no_error() -> None:
    """A queue that outlives the time-out is judged as one that doesn't; other errors count."""
    cell = Cell("uvicorn", "default", 1, "hello", OVERLOAD)
    plan = plan_of((PlannedCell(cell),))
    trial = make_trial(cell, 0, 0)
    (piece,) = trial.slices
    assert piece.open_loop is not None
    slices = (replace(piece, open_loop=replace(piece.open_loop, unsent=5000)),)
    for timeouts, expected in ((5000, []), (5000 + trial.requests, ["errors"])):
        errors = replace(trial.errors, timeout=timeouts)
        judged = judge_trial(replace(trial, slices=slices, errors=errors), plan)
        assert [code for code in codes(judged) if code == "errors"] == expected
        assert "overloaded" in codes(judged)


@pytest.mark.parametrize(
    ("workers", "cpus", "capacity"), [(1, (0, 1), 1), (2, (0,), 1), (2, (0, 1), 2), (4, (), 4)]
)
def test_busy_means_what_the_server_may_use(
    workers: int, cpus: tuple[int, ...], capacity: int
) -> None:
    """A server may use as many CPUs as it has workers, and no more than it was given."""
    _, trial = plan_and_trial(workers, cpus)
    spent = replace(trial, server_cpu_s=trial.duration_s)
    assert server_busy_share(spent, workers, len(cpus)) == pytest.approx(1 / capacity)


def test_shares_need_a_wall_time() -> None:
    """Without slices there is no share of anything."""
    plan, trial = plan_and_trial()
    assert server_busy_share(replace(trial, slices=()), 1, 1) is None
    assert load_cpu_share(replace(trial, slices=()), plan) is None


@pytest.mark.parametrize(
    ("processes", "cpus", "capacity"), [(1, (1, 2), 1), (2, (1,), 1), (2, (1, 2), 2), (2, (), 2)]
)
def test_generator_may_use_a_cpu_for_each_process(
    processes: int, cpus: tuple[int, ...], capacity: int
) -> None:
    """A load process sends from one thread: more CPUs than processes are of no use to it."""
    plan, trial = plan_and_trial()
    plan = replace(plan, load_processes=processes)
    spent = replace(trial, load_cpus=cpus, load_cpu_s=trial.duration_s)
    without = replace(plan, load_cpus=())
    assert load_cpu_share(spent, without) == pytest.approx(1 / capacity)


def test_open_loop_has_no_limit_to_find() -> None:
    """Under a given rate an idle server is no finding."""
    cell = Cell("uvicorn", "default", 1, "hello", OpenLoop(rate_rps=500))
    plan = plan_of((PlannedCell(cell),))
    trial = replace(make_trial(cell, 0, 0), server_cpu_s=0.1, load_cpu_s=0.1)
    assert codes(judge_trial(trial, plan)) == []


def test_failed_trial_is_not_judged() -> None:
    """What failed before the load has no figures to find fault with."""
    plan, trial = plan_and_trial()
    failed = Trial(trial.cell, 0, 0, trial.started_at, "failed", reason="no answer")
    assert judge_trial(failed, plan).validity_reasons == ()


def test_every_finding_tells_what_to_do() -> None:
    """The text of each finding is for a user: it says what was seen and what may help."""
    plan, trial = plan_and_trial()
    spoilt = (
        replace(trial, errors=ErrorCounts(reset=50), workers_lost=1, strangers=1, requests=0),
        replace(trial, server_cpu_s=0.1, load_cpu_s=2.0),
        replace(trial, server_cpu_s=0.1, load_cpu_s=0.1),
    )
    reasons = [reason for one in spoilt for reason in judge_trial(one, plan).validity_reasons]
    assert len({reason.code for reason in reasons}) == 6
    for reason in reasons:
        assert any(
            word in reason.text for word in ("see ", "measure", "stop", "try", "use ", "check ")
        )


def test_unknown_cell_is_a_bug() -> None:
    """A trial of a cell that the plan doesn't hold can't be judged."""
    plan, trial = plan_and_trial()
    with pytest.raises(KeyError):
        judge_trial(replace(trial, cell="other/default/w1/hello/c64"), plan)


def test_worst_level() -> None:
    """Invalid outweighs suspect, and suspect valid."""
    assert worst_level([]) == "valid"
    assert worst_level(["valid", "suspect"]) == "suspect"
    assert worst_level(["suspect", "invalid", "valid"]) == "invalid"


@pytest.mark.parametrize(
    ("fault", "code"), [(None, "no-answers"), ("load host far is gone", "load-lost")]
)
def test_of_lost_load_no_answer_is_expected(fault: str | None, code: str) -> None:
    """That nothing was answered says nothing where the load itself was lost."""
    plan, trial = plan_and_trial()
    silent = replace(trial, requests=0, slices=(), load_fault=fault)
    assert [
        one for one in codes(judge_trial(silent, plan)) if one in MOOT or one == "load-lost"
    ] == [code]


def test_a_quota_that_stops_both_is_the_only_limit() -> None:
    """Where a quota stopped everything, neither a busy generator nor an idle server is to blame."""
    plan, trial = plan_and_trial()
    wall_s = trial.duration_s
    busy = replace(trial, server_cpu_s=0.2 * wall_s, load_cpu_s=0.95 * wall_s)
    stopped = replace(busy, throttling=Throttling(1.5, 100, 50, 0.5 * wall_s))
    assert "generator-bound" in codes(judge_trial(busy, plan))
    found = codes(judge_trial(stopped, plan))
    assert not {"generator-bound", "concurrency-bound"} & set(found)


def test_an_overload_of_unknown_cpu_time_blames_nobody() -> None:
    """Where the server's CPU time isn't known the generator can't be called the limit."""
    cell = Cell("uvicorn", "default", 1, "hello", OVERLOAD)
    trial = make_trial(cell, 0, 0)
    unknown = replace(trial, has_untold_cpu=True, load_cpu_s=trial.duration_s)
    assert codes(judge_trial(unknown, plan_of((PlannedCell(cell),)))) == [
        "untold-cpu",
        "overloaded",
    ]
