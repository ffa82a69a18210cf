"""`asgi-bench history`: the runs of a folder over time."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from asgi_bench.analysis.change_points import find_changes, search_rules
from asgi_bench.analysis.history import MIN_CHANGE, build_history
from asgi_bench.analysis.run_entries import run_entry
from asgi_bench.analysis.surroundings import surroundings
from asgi_bench.analysis.validity.trial import RULES_VERSION
from asgi_bench.cli.ab_options import MinChange
from asgi_bench.cli.report import takes_color, terminal_width
from asgi_bench.errors import UsageError
from asgi_bench.model import Run
from asgi_bench.quantities import parse_share
from asgi_bench.reporting.history.text import render_history_text
from asgi_bench.store.changes import remembered
from asgi_bench.store.index import Listing, Summary, environment_key, list_history


def history(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder that runs lie in.")],
    machine: Annotated[
        str | None,
        typer.Option(
            "--machine", metavar="FINGERPRINT", help="Whose runs. Else those of the newest run's."
        ),
    ] = None,
    min_change: MinChange = f"{MIN_CHANGE:.0%}",
) -> None:
    """Show where the ratios of a folder's runs changed for good, and write DIR/history.html."""
    # matplotlib takes most of a second to import, which no other verb should pay for.
    from asgi_bench.reporting.history.page import write_history_page

    if not folder.is_dir():
        raise UsageError(f"{folder}: no folder; name the one that run folders lie in")
    least = parse_share(min_change, "--min-change")
    listing = list_history(folder, _summary, RULES_VERSION)
    _check(folder, listing, machine)
    with remembered(folder, find_changes, search_rules()) as search:
        found = build_history(
            listing.entries,
            listing.environments,
            fingerprint=machine,
            min_change=least,
            search=search,
        )
    text = render_history_text(found, listing, width=terminal_width(), color=takes_color())
    sys.stdout.write(text)
    print(write_history_page(found, listing, folder))


def _summary(run: Run) -> Summary:
    facts = surroundings(run.header, run.proofs)
    return Summary(run_entry(run, environment_key(facts)), facts)


def _check(folder: Path, listing: Listing, machine: str | None) -> None:
    """Raise UsageError where there is nothing to show."""
    machines = sorted({entry.fingerprint for entry in listing.entries})
    if not machines and not listing.unreadable:
        raise UsageError(f"{folder}: no run is stored here; measure one with `asgi-bench run`")
    if machine is not None and machine not in machines:
        known = ", ".join(machines) or "none"
        raise UsageError(
            f"--machine: no run of {machine!r} is stored in {folder}; there are {known}"
        )
