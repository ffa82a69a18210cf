"""Where and how a run was measured: machine, packages, calibration, raw files."""

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

from asgi_bench.model import Plan, Resumption, Run
from asgi_bench.model.calibration import Calibration
from asgi_bench.quantities import duration_text
from asgi_bench.reporting import numbers
from asgi_bench.reporting.calibrations import calibration_document
from asgi_bench.reporting.document import (
    Entry,
    Facts,
    Fold,
    Link,
    Links,
    Notes,
    Section,
    Span,
    Text,
)
from asgi_bench.reporting.run.phases import phases_words
from asgi_bench.reporting.run.source import Source
from asgi_bench.reporting.wording import plain
from asgi_bench.store.folders import (
    BEHAVIOUR_FILE,
    CHARTS_FOLDER,
    HEADER_FILE,
    LOGS_FOLDER,
    PHASES_FILE,
    PROOFS_FILE,
    STATS_FILES,
    TRIALS_FILE,
    UNFINISHED_FILE,
    VERDICT_FILE,
)

# Files in the run's folder, of which one may be a pattern, and what each holds.
KNOWN = (
    (HEADER_FILE, "what was planned, on which machine, with which packages"),
    (TRIALS_FILE, "every measurement, one line per trial"),
    (UNFINISHED_FILE, "trials of rounds that were interrupted and measured again"),
    (PROOFS_FILE, "what really ran under each server setting"),
    (
        BEHAVIOUR_FILE,
        "how each server setting behaved when stopped, overloaded, left idle, and after a crash",
    ),
    (VERDICT_FILE, "the A/B verdict, and its evidence"),
    (STATS_FILES, "Locust's own table, one line per cell and round"),
    (PHASES_FILE, "seconds spent in each phase of the run"),
    (LOGS_FOLDER, "the servers' output"),
    (CHARTS_FOLDER, "the charts as SVG and PNG"),
)


def environment_section(source: Source) -> Section:
    """Everything that a reader needs to repeat the measurement."""
    run = source.run
    if run is None:
        return Section("environment", "Environment", ())
    header = run.header
    return Section(
        "environment",
        "Environment",
        (
            Entry("Machine", (Facts(tuple(_machine_facts(run))),)),
            Entry("Run", (Facts(tuple(_run_facts(run, source.phases_s))),)),
            *_packages("Installed packages", header.packages),
            *_packages("Packages of the servers' Python", header.server_packages),
            *_calibration(header.preparation.calibration),
        ),
        least="page",
    )


def files_section(source: Source) -> Section:
    """Links from the page to those of the run's own files that exist."""
    run = source.run
    if run is None:
        return Section("files", "Raw data", ())
    left_out = "; ".join(source.charts.left_out)
    notes = list(source.charts.undrawn)
    if left_out:
        notes.append(
            f"{len(source.charts.left_out)} more charts are left out to keep this page small; "
            f"asgi-bench plot draws them all: {left_out}."
        )
    links = tuple(_links(Path(run.folder))) if run.folder else ()
    words = (
        "This page is made only from these files in the run's folder: ",
        Span(source.report.run.id, "code"),
        ".",
    )
    return Section(
        "files",
        "Raw data",
        (*((Text(words),) if links else ()), Links(links), Notes(tuple(notes))),
        least="page",
    )


def _links(folder: Path) -> Iterator[Link]:
    """The files that a reader may want, relative to the run folder."""
    for name, holds in KNOWN:
        for path in sorted(folder.glob(name)):
            yield Link(address(path, folder), path.name, _size(path), holds)


def address(path: Path, folder: Path) -> str:
    """A relative address: each part quoted, and never with a scheme."""
    parts = path.relative_to(folder).parts
    return "./" + "/".join(quote(part, safe="") for part in parts) + ("/" if path.is_dir() else "")


def _size(path: Path) -> str:
    """A file's size; a folder has none."""
    return "" if path.is_dir() else f"{numbers.significant(path.stat().st_size / 1e3, 2)} kB"


def _machine_facts(run: Run) -> Iterator[tuple[str, str]]:
    """The machine, its stored details last."""
    machine = run.header.machine
    yield ("CPU", f"{plain(machine.cpu_model)}, {machine.cpu_count} CPUs")
    yield ("memory", numbers.gibibytes(machine.memory_bytes))
    for name, value in (
        ("virtualization", machine.virtualization),
        ("clock governor", machine.governor),
        ("operating system", machine.os),
        ("kernel", machine.kernel),
        ("Python", machine.python),
        ("fingerprint", machine.fingerprint),
        *machine.details.items(),
    ):
        if value:
            yield (plain(name).replace("_", " "), plain(value))


def _server_cpus(plan: Plan) -> str:
    if any(planned.target is not None for planned in plan.cells):
        return "not known: the servers were already running"
    return ", ".join(map(str, plan.server_cpus)) or "any"


def _run_facts(run: Run, phases_s: Mapping[str, float]) -> Iterator[tuple[str, str]]:
    """How it was measured, and where the time went."""
    header, plan = run.header, run.header.plan
    yield ("command", plain(shlex.join(header.command_line)) or numbers.MISSING)
    yield ("started", plain(numbers.moment(header.started_at)))
    for part in header.resumed:
        yield ("resumed", _part_words(part))
    yield ("asgi-bench", plain(header.tool_version))
    rounds = "as many as fit" if plan.most_rounds is None else f"at most {plan.rounds}"
    yield ("rounds", f"{rounds}, each with fresh processes")
    yield ("load per cell and round", f"{plan.duration_s:g} s")
    yield ("CPUs of the servers", _server_cpus(plan))
    yield ("CPUs of the generator", ", ".join(map(str, plan.load_cpus)) or "any")
    yield ("load processes", str(plan.load_processes))
    if plan.listen is not None:
        yield ("load hosts come to", plan.listen)
    yield ("seed", str(plan.seed))
    if plan.python is not None:
        yield ("Python of the servers", plain(plan.python))
    if phases_s:
        yield ("time spent", plain(phases_words(phases_s)))


def _part_words(part: Resumption) -> str:
    """When a run went on, from which round on, and for how long at most."""
    words = f"{plain(numbers.moment(part.started_at))}, from round {part.first_round + 1} on"
    if part.budget_s is not None:
        words += f", for at most {duration_text(part.budget_s)}"
    if part.set_aside:
        words += f"; {part.set_aside} trials of an interrupted round are in {UNFINISHED_FILE}"
    return "; ".join((words, *map(plain, part.damage)))


def _calibration(calibration: Calibration | None) -> Iterator[Fold]:
    """What was found on the machine beforehand."""
    if calibration is not None:
        found = calibration_document(calibration)
        heading = (Text(found.title), *map(Text, found.facts))
        yield Fold("Calibration", (*heading, *found.sections[0].blocks))


def _packages(title: str, packages: Mapping[str, str]) -> Iterator[Fold]:
    """Packages by name."""
    if packages:
        facts = Facts(tuple(sorted(packages.items())), is_dense=True)
        yield Fold(f"{title} ({len(packages)})", (facts,))
