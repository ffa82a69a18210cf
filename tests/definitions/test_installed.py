import json
import stat
import sys
import venv
from pathlib import Path

import pytest

from asgi_bench.definitions.installed import Installation, install_command
from asgi_bench.definitions.servers import Server
from asgi_bench.errors import UsageError


def _server(
    version_command: tuple[str, ...] | None = None, distribution: str | None = None
) -> Server:
    return Server(
        name="mine",
        here="/here",
        command=("serve",),
        workers="single",
        distribution=distribution,
        version_command=version_command,
    )


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in front of the module search path."""
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def _install(site: Path, name: str, version: str, *lines: str) -> None:
    folder = site / f"{name}-{version}.dist-info"
    folder.mkdir()
    header = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    (folder / "METADATA").write_text(header + "".join(f"{line}\n" for line in lines))


def test_what_was_installed_from_a_folder_is_known(site: Path, tmp_path: Path) -> None:
    """By pip's own note, editable or not; what came from elsewhere or is noted badly isn't."""
    root = tmp_path / "my repository"
    notes: dict[str, object] = {
        "kept": {"url": (root / "packages" / "kept").as_uri(), "dir_info": {}},
        "edited": {"url": root.as_uri(), "dir_info": {"editable": True}},
        "other": {"url": (tmp_path / "my repository 2").as_uri(), "dir_info": {}},
        "wheel": {"url": (root / "wheel.whl").as_uri(), "archive_info": {}},
        "remote": {"url": "https://example.org/my", "dir_info": {}},
    }
    for name, note in notes.items():
        _install(site, name, "1.0")
        (site / f"{name}-1.0.dist-info" / "direct_url.json").write_text(json.dumps(note))
    _install(site, "broken", "1.0")
    (site / "broken-1.0.dist-info" / "direct_url.json").write_text("{")
    found = Installation().sources_in(root)
    assert found == {"kept": root / "packages" / "kept", "edited": root}


def test_versions_and_names_are_compared_as_pip_does(site: Path) -> None:
    """Names match whatever their dashes and case; a specifier must hold, pre-releases count."""
    _install(site, "Fast_Server", "2.0rc1")
    packages = Installation()
    lines = ("fast-server", "FAST.SERVER>=1", "fast-server>=2", "fast-server<1.9", "absent-one")
    assert packages.missing((*lines, "absent-one")) == (
        "fast-server>=2",
        "fast-server<1.9",
        "absent-one",
    )


def test_an_extra_is_met_only_if_what_it_brings_is_there(site: Path) -> None:
    """`server[loop]` is missing as long as the loop is, also through an extra of an extra."""
    _install(
        site,
        "server",
        "1.0",
        "Provides-Extra: loop",
        "Provides-Extra: all",
        "Provides-Extra: elsewhere",
        'Requires-Dist: the-loop>=3; extra == "loop"',
        'Requires-Dist: server[loop]; extra == "all"',
        'Requires-Dist: winloop; sys_platform == "win32" and extra == "elsewhere"',
        "Requires-Dist: never-asked-for",
    )
    lines = ("server", "server[loop]", "server[all]", "server[elsewhere]", "server[typo]")
    assert Installation().missing(lines) == ("server[loop]", "server[all]", "server[typo]")
    _install(site, "the_loop", "3.1")
    assert Installation().missing(lines) == ("server[typo]",)


def test_a_marker_that_does_not_hold_asks_for_nothing(site: Path) -> None:
    """A requirement for another platform is met here."""
    assert Installation().missing(['absent-one; sys_platform == "win32"']) == ()


def test_another_interpreter_is_asked_for_its_own_packages(tmp_path: Path) -> None:
    """What counts is what the servers' interpreter sees, not what we see."""
    venv.create(tmp_path / "bare", with_pip=False, symlinks=True)
    python = str(tmp_path / "bare" / "bin" / "python")
    assert Installation(sys.executable).missing(["msgspec"]) == ()
    assert Installation(python).missing(["msgspec"]) == ("msgspec",)


def test_a_build_without_a_lock_is_told_by_its_version(tmp_path: Path) -> None:
    """Free-threaded is how an interpreter was built; its version alone doesn't say so."""
    told = {
        "path": [],
        "is_free_threaded": True,
        "markers": {
            "platform_python_implementation": "CPython",
            "python_full_version": "3.14.0",
        },
    }
    python = tmp_path / "python3.14t"
    python.write_text(f"#!/bin/sh\necho '{json.dumps(told)}'\n")
    python.chmod(0o755)
    assert Installation(str(python)).python_version == "CPython 3.14.0 free-threaded"


def test_an_interpreter_that_does_not_run_is_an_error(tmp_path: Path) -> None:
    """A wrong path is said in one line with the path."""
    with pytest.raises(UsageError, match=r"nopython: not a Python interpreter"):
        Installation(str(tmp_path / "nopython")).missing(["msgspec"])


def test_the_version_is_that_of_the_distribution(site: Path) -> None:
    """An installed distribution tells its version; one that isn't installed has none."""
    _install(site, "fast-server", "2.1")
    assert Installation().version(_server(distribution="Fast_Server")) == "2.1"
    assert Installation().version(_server(distribution="absent-one")) is None
    assert Installation().version(_server()) is None


@pytest.mark.parametrize(
    ("code", "version"),
    [
        ("print('nginx version: nginx/1.22.1 (Debian)')", "1.22.1"),
        ("import sys; print('v2.0b3+local', file=sys.stderr)", "2.0b3+local"),
        ("import sys; print('9.9', file=sys.stderr); print('1.2')", "1.2"),
        ("print('build v7 of 2.1')", "2.1"),
        ("print('build v7, python3')", "7"),
        ("print('2026')", "2026"),
        ("print('no number')", None),
        ("import sys; print('1.2'); sys.exit(1)", None),
    ],
)
def test_a_command_tells_the_version_on_either_output(code: str, version: str | None) -> None:
    """The first version number printed counts, stdout before stderr; a failure tells none."""
    assert Installation().version(_server(("{python}", "-c", code))) == version


def test_a_version_command_runs_once(tmp_path: Path) -> None:
    """Many cells of one server cost one start of the command."""
    ledger = tmp_path / "ledger"
    code = f"open({str(ledger)!r}, 'a').write('x'); print('1.0')"
    packages = Installation()
    for _ in range(3):
        assert packages.version(_server(("{python}", "-c", code))) == "1.0"
    assert ledger.read_text() == "x"


def test_a_version_command_that_can_not_run_tells_none() -> None:
    """A missing program is an unknown version, no fault."""
    assert Installation().version(_server(("no-such-program-here",))) is None


def test_programs_are_looked_up_as_the_server_is_started(tmp_path: Path) -> None:
    """On the server's own PATH, or relative to its working folder, and executable."""
    program = tmp_path / "serve"
    program.write_text("#!/bin/sh\n")
    packages = Installation()
    env = {"PATH": str(tmp_path)}
    assert not packages.has_program("serve", "/", env)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    assert packages.has_program("serve", "/", env)
    assert not packages.has_program("serve", str(tmp_path), {"PATH": "/nowhere"})
    assert packages.has_program("./serve", str(tmp_path), {"PATH": "/nowhere"})
    assert not packages.has_program("./serve", "/", env)
    assert packages.has_program(str(program), "/", {"PATH": "/nowhere"})


def test_the_install_command_is_safe_to_paste() -> None:
    """What a shell would take apart is quoted, and a bare name gives way to its extras."""
    assert install_command(["hypercorn", "hypercorn[trio]", "a>=2", "b"]) == (
        "pip install 'hypercorn[trio]' 'a>=2' b"
    )
