"""`asgi-bench history`: the runs of a folder over time."""

from pathlib import Path
from typing import Annotated

import msgspec

from asgi_bench.analysis.history.change_points import find_changes, search_rules
from asgi_bench.analysis.history.counted import Counted, counted_entry
from asgi_bench.analysis.history.environment import surroundings
from asgi_bench.analysis.history.series import (
    MIN_CHANGE,
    build_history,
    count_history,
    run_entry,
)
from asgi_bench.analysis.validity.trial import RULES_VERSION
from asgi_bench.cli.flags import MinChange
from asgi_bench.cli.report import print_document
from asgi_bench.errors import UsageError
from asgi_bench.flags import OUTPUT, Flag, Kind, text
from asgi_bench.model import Run
from asgi_bench.model.metrics import LEAST_INSTRUCTIONS_CHANGE
from asgi_bench.reporting.history import TERMINAL, Histories, history_document
from asgi_bench.store.changes import remembered
from asgi_bench.store.counts import has_counts, read_lives
from asgi_bench.store.index import Listing, Summary, environment_key, list_history


class HistoryFlags(msgspec.Struct, frozen=True, kw_only=True):
    """The flags of `history`."""

    folder: Annotated[
        Path,
        Flag("DIR", OUTPUT, Kind("DIR", lambda text, _: Path(text)), "Folder that holds the runs."),
    ]
    machine: Annotated[
        str | None,
        Flag(
            "--machine",
            OUTPUT,
            text("FINGERPRINT"),
            "Show the runs of this machine. Default: the machine of the newest run.",
        ),
    ] = None
    min_change: MinChange = None


def history(asked: HistoryFlags) -> None:
    """Show where the ratios of a folder's runs changed permanently, and write DIR/history.html."""
    # matplotlib takes most of a second to import, which no other verb should pay for.
    from asgi_bench.reporting.pages import write_history_page

    folder, machine = asked.folder, asked.machine
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder; name the folder that holds the runs")
    listing = list_history(folder, _summary, RULES_VERSION)
    _check(folder, listing, machine)
    entries, environments = listing.entries, listing.environments
    least, least_counted = (
        one if asked.min_change is None else asked.min_change
        for one in (MIN_CHANGE, LEAST_INSTRUCTIONS_CHANGE)
    )
    with remembered(folder, find_changes, search_rules()) as search:
        found = Histories(
            build_history(
                entries, environments, fingerprint=machine, min_change=least, search=search
            ),
            count_history(entries, environments, min_change=least_counted, search=search),
        )
    print_document(history_document(found, listing, TERMINAL))
    print(write_history_page(found, listing, folder))


def _summary(run: Run) -> Summary:
    folder = Path(run.folder)
    if has_counts(folder):
        counted = Counted(run.header, read_lives(folder))
        return Summary(counted_entry(counted, environment_key(counted.facts)), counted.facts)
    facts = surroundings(run.header, run.proofs)
    return Summary(run_entry(run, environment_key(facts)), facts)


def _check(folder: Path, listing: Listing, machine: str | None) -> None:
    """Raise UsageError where there is nothing to show."""
    machines = sorted({entry.fingerprint for entry in listing.entries})
    if not machines and not listing.unreadable:
        raise UsageError(f"{folder}: no runs here; measure one with `asgi-bench run`")
    if machine is not None and machine not in machines:
        known = ", ".join(machines) or "none"
        raise UsageError(f"--machine: {folder} has no run of {machine!r}; it has runs of {known}")
