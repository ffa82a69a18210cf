import json
import shutil
from pathlib import Path

import pytest

from tests.command_line import FAULTY_SERVERS, SERVERS, Finished, command, in_process
from tests.packaged_runner import with_packaged_runner


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A check of servers that are well, that fail, and that can't be started."""
    names = [f for n in ("tiny", "exits", "status", "absent", "dies") for f in ("-s", n)]
    return in_process(
        *("check", "--runners", str(SERVERS), "--runners", str(FAULTY_SERVERS), *names),
        *("--variant", "default", "-w", "1,2", "-c", "2,3"),
        folder=tmp_path_factory.mktemp("check"),
    )


def test_each_server_has_one_line_with_what_became_of_it(mixed: Finished) -> None:
    """ok, failed or skipped, each process once however many cells it would serve."""
    *lines, _ = mixed.stdout.splitlines()
    words = {line.split()[1].rstrip(":"): line.split()[0] for line in lines}
    assert len(lines) == len(words) == 10
    assert words == {
        "tiny/default/w1/hello": "ok",
        "tiny/default/w2/hello": "ok",
        # Two requests are all that it is asked for here.
        "dies/default/w1/hello": "ok",
        "exits/default/w1/hello": "failed",
        "status/default/w1/hello": "failed",
        "absent/default/w1/hello": "skipped",
        "absent/default/w2/hello": "skipped",
        "dies/default/w2/hello": "skipped",
        "exits/default/w2/hello": "skipped",
        "status/default/w2/hello": "skipped",
    }


def test_failed_and_skipped_lines_say_why(mixed: Finished) -> None:
    """The reason with the last line of the log, the command that installs what is missing."""
    exits = "failed   exits/default/w1/hello: exited with code 2 before it was ready: server.py: "
    assert f"{exits}error: argument --workers: invalid int value: 'many'\n" in mixed.stdout
    assert "failed   status/default/w1/hello: answered status 500, expected 200\n" in mixed.stdout
    absent = "skipped  absent/default/w1/hello: not installed: pip install 'no-such-package>=1'\n"
    assert absent in mixed.stdout
    assert "skipped  dies/default/w2/hello: takes no worker count\n" in mixed.stdout


def test_a_failed_server_fails_the_check(mixed: Finished) -> None:
    """The last line counts, and the exit code is 1; nothing is stored but the servers' logs."""
    assert mixed.stdout.splitlines()[-1] == "3 ok, 2 failed, 5 skipped"
    assert mixed.code == 1
    *_, logs = mixed.stderr.split()
    assert mixed.stderr == f"asgi-bench: the servers' logs are in {logs}\n"
    written = Path(logs, "exits-default-w1-hello-c2.log").read_text()
    assert "invalid int value: 'many'" in written
    shutil.rmtree(logs)
    assert list(mixed.folder.iterdir()) == []


def test_a_package_brings_its_server_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an installed package ships by an entry point is checked like a shipped server."""
    text = (SERVERS / "tiny.toml").read_text().replace("{here}", str(SERVERS))
    monkeypatch.syspath_prepend(with_packaged_runner(tmp_path, "fastest", text))
    finished = in_process(
        *("check", "-s", "fastest", "--variant", "default", "-w", "1"), folder=tmp_path
    )
    assert finished.stdout.splitlines()[-1] == "1 ok, 0 failed, 0 skipped"
    listed = in_process("list", "--json", folder=tmp_path)
    assert "fastest" in [server["name"] for server in json.loads(listed.stdout)["servers"]]


def test_servers_that_are_well_pass(tmp_path: Path) -> None:
    """Exit code 0, also where one is skipped."""
    finished = in_process(
        *("check", "--runners", str(SERVERS), "-s", "single", "-w", "1,2"), folder=tmp_path
    )
    assert finished.stdout.splitlines() == [
        "skipped  single/default/w2/hello: takes no worker count",
        "ok       single/default/w1/hello",
        "1 ok, 0 failed, 1 skipped",
    ]
    assert finished.code == 0


def test_nothing_to_start_is_one_line(tmp_path: Path) -> None:
    """Where every server is skipped nothing was checked: that's no success."""
    finished = in_process(
        "check", "--runners", str(FAULTY_SERVERS), "-s", "absent", "-w", "1", folder=tmp_path
    )
    assert (
        "nothing can be measured: none of the chosen servers has everything it needs"
    ) in finished.stderr
    assert finished.code == 1


@pytest.mark.slow
def test_every_shipped_server_passes_with_one_and_with_two_workers(tmp_path: Path) -> None:
    """All variants of all six servers: started, verified with every worker, stopped."""
    finished = command("check", "-w", "1,2", folder=tmp_path)
    assert finished.code == 0, finished.stdout
    *lines, last = finished.stdout.splitlines()
    assert all(line.startswith("ok ") for line in lines)
    servers = {line.split()[1].split("/")[0] for line in lines}
    assert servers == {
        "daphne",
        "granian",
        "gunicorn-asgi",
        "gunicorn-uvicorn",
        "hypercorn",
        "uvicorn",
    }
    assert len(lines) == 22
    assert last == "22 ok, 0 failed, 0 skipped"


@pytest.mark.slow
def test_every_shipped_server_passes_over_tls_and_a_unix_socket(tmp_path: Path) -> None:
    """Each is switched on as its runner file tells; what it tells not is skipped, with why."""
    finished = command(
        *("check", "--transport", "tls,unix", "-w", "2", "--variant", "default"), folder=tmp_path
    )
    assert finished.code == 0, finished.stdout
    *lines, last = finished.stdout.splitlines()
    assert last == "10 ok, 0 failed, 2 skipped"
    assert "skipped  daphne/default/w2/hello+tls: takes no worker count over TLS" in lines
