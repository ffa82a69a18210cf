"""The machine's description, the packages, and whether it is busy."""

import os
import platform
import subprocess
import sys
from importlib import metadata

import msgspec
import pytest

from asgi_bench.machine import facts, fingerprint
from asgi_bench.model import Machine


def test_description_is_whole_and_stable() -> None:
    """Twice the same fingerprint, and what a reader needs is there and can be stored."""
    first, second = fingerprint.describe_machine(), fingerprint.describe_machine()
    assert first.fingerprint == second.fingerprint
    assert first.cpu_count == os.cpu_count()
    assert first.memory_bytes > 100e6
    assert first.python == f"{platform.python_implementation()} {platform.python_version()}"
    assert {"CPUs allowed", "threads per core", "open files", "somaxconn"} <= set(first.details)
    assert msgspec.json.decode(msgspec.json.encode(first), type=Machine) == first


@pytest.mark.parametrize(
    ("name", "value", "is_same"),
    [
        ("release", "{kernel}-77-patched", True),
        ("release", "2.4.18", False),
        ("node", "another-host", True),
        ("machine", "riscv64", False),
        ("python_version_tuple", ("3", "99", "0"), False),
    ],
)
def test_fingerprint_follows_the_coarse_facts_alone(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str | tuple[str, ...], is_same: bool
) -> None:
    """A kernel patch or a new host name is the same machine; another kernel or Python is not."""
    before = fingerprint.describe_machine().fingerprint
    if isinstance(value, str):
        value = value.format(kernel=".".join(platform.release().split(".")[:2]) + ".999")
    monkeypatch.setattr(platform, name, lambda: value)
    assert (fingerprint.describe_machine().fingerprint == before) is is_same


@pytest.mark.parametrize("fact", ["processor", "caches"])
def test_a_processor_of_the_same_name_is_told_by_its_numbers(
    monkeypatch: pytest.MonkeyPatch, fact: str
) -> None:
    """Two generations that a hypervisor calls alike are two machines."""
    before = fingerprint.describe_machine()
    others = {**before.details, fact: "another"}
    monkeypatch.setattr(facts, "details", lambda: others)
    after = fingerprint.describe_machine()
    assert after.cpu_model == before.cpu_model
    assert after.fingerprint != before.fingerprint


def test_installed_packages_have_normalised_names() -> None:
    """Names are lower case with hyphens, versions are those an import would find."""
    packages = fingerprint.installed_packages()
    assert packages["msgspec"] == metadata.version("msgspec")
    assert list(packages) == sorted(packages)
    assert all(name == name.lower() and "_" not in name for name in packages)


def test_a_busy_process_is_named() -> None:
    """A process that burns a CPU must be warned of, by name and pid."""
    with subprocess.Popen([sys.executable, "-I", "-S", "-c", "while True: pass"]) as child:
        try:
            warning = fingerprint.busy_warning(sample_s=0.5)
        finally:
            child.kill()
    assert warning is not None
    assert "busy" in warning
    assert "(pid " in warning


def test_a_quiet_machine_gives_no_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    """A little CPU use by many is not busy, whatever the load average of the last minute says."""
    readings = iter([{1: 5.0, 2: 7.0}, {1: 5.002, 2: 7.003, 3: 9.0}])
    monkeypatch.setattr(fingerprint, "_cpu_s_by_process", lambda: next(readings))
    monkeypatch.setattr(os, "getloadavg", lambda: (8.0, 8.0, 8.0))
    assert fingerprint.busy_warning(sample_s=0.1) is None


def test_the_busiest_is_named_among_several(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process with the most CPU time over the sample, not over its life."""
    readings = iter([{1: 500.0, 2: 7.0}, {1: 500.001, 2: 7.09}])
    monkeypatch.setattr(fingerprint, "_cpu_s_by_process", lambda: next(readings))
    warning = fingerprint.busy_warning(sample_s=0.1)
    assert warning is not None and "(pid 2) with 0." in warning
