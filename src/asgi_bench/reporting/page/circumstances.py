"""Where and how a run was measured: machine, CPUs, packages, calibration, time spent."""

import shlex
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from asgi_bench.model import Run
from asgi_bench.reporting import numbers
from asgi_bench.reporting.calibrations import calibration_text
from asgi_bench.reporting.phases import phases_words
from asgi_bench.reporting.wording import plain


class Fact(NamedTuple):
    """A name and what it is."""

    name: str
    value: str


class Circumstances(NamedTuple):
    """The environment: machine, how the run went, packages by name, the calibration as text."""

    machine: tuple[Fact, ...]
    run: tuple[Fact, ...]
    packages: tuple[Fact, ...]
    server_packages: tuple[Fact, ...]
    calibration: str


def circumstances_of(run: Run, phases_s: Mapping[str, float]) -> Circumstances:
    """All that a reader needs to measure the same again."""
    header = run.header
    calibration = header.calibration
    return Circumstances(
        machine=tuple(_machine_facts(run)),
        run=tuple(_run_facts(run, phases_s)),
        packages=_sorted(header.packages),
        server_packages=_sorted(header.server_packages),
        calibration="" if calibration is None else calibration_text(calibration),
    )


def _machine_facts(run: Run) -> Iterator[Fact]:
    """The machine, its stored details last."""
    machine = run.header.machine
    yield Fact("CPU", f"{plain(machine.cpu_model)}, {machine.cpu_count} CPUs")
    yield Fact("memory", numbers.gibibytes(machine.memory_bytes))
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
            yield Fact(plain(name).replace("_", " "), plain(value))


def _run_facts(run: Run, phases_s: Mapping[str, float]) -> Iterator[Fact]:
    """How it was measured, and where the time went."""
    header, plan = run.header, run.header.plan
    yield Fact("command", plain(shlex.join(header.command_line)) or numbers.MISSING)
    yield Fact("started", plain(numbers.moment(header.started_at)))
    yield Fact("asgi-bench", plain(header.tool_version))
    yield Fact("rounds", f"at most {plan.rounds}, each with fresh processes")
    yield Fact("load of a cell in a round", f"{plan.duration_s:g} s")
    yield Fact("CPUs of the servers", ", ".join(map(str, plan.server_cpus)) or "any")
    yield Fact("CPUs of the generator", ", ".join(map(str, plan.load_cpus)) or "any")
    yield Fact("load processes", str(plan.load_processes))
    yield Fact("seed", str(plan.seed))
    if plan.python is not None:
        yield Fact("Python of the servers", plain(plan.python))
    if phases_s:
        yield Fact("time spent", plain(phases_words(phases_s)))


def _sorted(packages: Mapping[str, str]) -> tuple[Fact, ...]:
    """Packages by name."""
    return tuple(Fact(plain(name), plain(version)) for name, version in sorted(packages.items()))
