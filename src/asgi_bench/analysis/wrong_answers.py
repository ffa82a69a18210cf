"""What wrong answers looked like, in words: the first of each kind, and whose they were."""

from asgi_bench.model import Cell, Trial, WrongAnswer

# So many are told in a sentence; the rest stands in the files.
TOLD = 3
# Wrong answers that only some workers gave are a matter of those workers, up to so few others.
STRAY_SHARE = 0.01


def wrong_words(trial: Trial, cell: Cell) -> tuple[str, ...]:
    """Say what came instead of right answers, in parts of a sentence; none where none is known.

    All that is quoted comes from outside.
    """
    seen = [wrong for wrong in trial.wrong_answers if wrong.count] or list(trial.wrong_answers)
    told = sorted(seen, key=lambda wrong: -wrong.count)[:TOLD]
    parts = [answer_words(wrong, with_count=len(seen) > 1) for wrong in told]
    if len(seen) > len(told):
        parts.append(f"{len(seen) - len(told)} more kinds are in trials.jsonl")
    parts += [_unanswered(trial, cell), _of_some_workers(trial, cell)]
    return tuple(part for part in parts if part)


def answer_words(wrong: WrongAnswer, *, with_count: bool = False) -> str:
    """One wrong answer: what is wrong with it, and what it says itself."""
    said = [f"{name}: {value}" for name, value in wrong.headers.items()]
    if wrong.body is not None:
        said.append(f"body: {wrong.body}" if wrong.body_bytes else "no body")
    parts = [
        f"{wrong.count} times " if with_count else "",
        wrong.text,
        f" to {wrong.request}" if wrong.request else "",
        f" from process {wrong.pid}" if wrong.pid is not None else "",
        f" ({', '.join(said)})" if said else "",
    ]
    return "".join(parts)


def _unanswered(trial: Trial, cell: Cell) -> str:
    """Connections that got nothing at all."""
    if not trial.unanswered_connections:
        return ""
    return (
        f"{trial.unanswered_connections} of {cell.load.connections} connections never got an answer"
    )


def _of_some_workers(trial: Trial, cell: Cell) -> str:
    """Whether only some of several workers answer wrongly, which one worker alone would not."""
    counts = trial.wrong_by_process
    holding = len(trial.connections_by_process)
    total = sum(counts.values())
    if cell.workers < 2 or holding < 2 or not total:
        return ""
    guilty = [pid for pid, count in counts.items() if count > STRAY_SHARE * total]
    if len(guilty) >= holding:
        return ""
    return (
        f"only {len(guilty)} of {holding} workers answered wrongly (process {', '.join(guilty)}): "
        "an app that keeps state within one worker does so; measure with -w 1, or keep the state "
        "where all workers find it"
    )
