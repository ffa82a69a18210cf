"""`run --target`: load on a server that somebody else has started."""

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from asgi_bench.machine.ports import free_endpoint
from asgi_bench.machine.sockets import listening_inodes
from asgi_bench.serving import null_server
from tests.command_line import command, in_process
from tests.situation import Said, situation

TINY_RUN = ("--rounds", "1", "--duration", "200ms", "-c", "4", "--startup-timeout", "20s")
DEADLINE_S = 30.0


@pytest.fixture
def url() -> Iterator[str]:
    """The URL of a server that is up and not ours to stop."""
    endpoint = free_endpoint(random.Random())
    argv = [sys.executable, "-I", "-S", null_server.__file__, "127.0.0.1", str(endpoint.port)]
    with subprocess.Popen(argv) as server:
        try:
            deadline_s = time.monotonic() + DEADLINE_S
            while not listening_inodes(endpoint):
                assert time.monotonic() < deadline_s, "the server did not come up"
                time.sleep(0.01)
            yield endpoint.url
            assert server.poll() is None, "the run has stopped what it did not start"
        finally:
            server.terminate()


@pytest.mark.slow
@situation(
    "reasons",
    "You load a server that is already running",
    says="http://127.0.0.1:… was already running: its CPU time, memory, workers and log are not "
    "known, nor whether it or the network was the limit",
)
def test_a_server_elsewhere_is_loaded_and_left_alone(url: str, tmp_path: Path, said: Said) -> None:
    """It has throughput and response times, what isn't known is null, and the report says so."""
    done = in_process("run", "--target", url, *TINY_RUN, folder=tmp_path)
    assert done.code == 0, done.stderr
    said(done.stdout)
    (trial,) = done.run.trials
    assert trial.target == url
    assert trial.requests > 0
    assert not trial.errors.total
    assert trial.strangers == 0
    assert "elsewhere" in {reason.code for reason in trial.validity_reasons}
    assert not {"idle-server", "stranger", "untold-cpu"} & {
        reason.code for reason in trial.validity_reasons
    }
    text = command("report", str(done.run_folder), "--format", "json", folder=tmp_path).stdout
    (cell,) = json.loads(text)["cells"]
    assert cell["server"] == url.removeprefix("http://")
    assert cell["throughput_rps"]["value"] > 0
    assert cell["response_time_s"]["p50"] > 0
    assert cell["server_cpu_s_per_request"]["value"] is None
    assert cell["server_pss_bytes"] is None
    assert not cell["costs"]["startup_s"]["value"]
    recommended = command("recommend", str(done.run_folder), folder=tmp_path)
    assert recommended.code == 1
    assert "no command line to recommend" in recommended.stderr


@situation(
    "answers",
    "Nothing answers at the URL of --target",
    says="--target: http://127.0.0.1:…: no correct response within 1 s: …",
)
def test_a_target_that_does_not_answer_is_one_clear_line(tmp_path: Path, said: Said) -> None:
    """It ends before anything is measured, and leaves no run behind."""
    url = free_endpoint(random.Random()).url
    flags = ("--rounds", "1", "--duration", "200ms", "--startup-timeout", "1s")
    done = in_process("run", "--target", url, *flags, folder=tmp_path)
    assert done.code == 1
    said(done.stderr)
    assert not list((tmp_path / "results").glob("*/run.json"))


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (("app:app",), "leave out APP"),
        (("-s", "uvicorn"), "leave out the flags that choose and start servers"),
        (("-w", "2"), "leave out the flags that choose and start servers"),
        (("--transport", "tls"), "leave out --transport"),
        (("--behaviour",), "leave it out with --target"),
        (("--client", "http"), "needs the client `fast`"),
        (("--server-cpus", "0"), "leave out --server-cpus"),
    ],
)
def test_what_a_target_leaves_no_room_for_is_refused(
    flags: tuple[str, ...], why: str, tmp_path: Path
) -> None:
    """Nothing that would change nothing is taken in silence."""
    done = in_process("run", "--target", "http://127.0.0.1:9", *flags, folder=tmp_path)
    assert done.code == 2
    assert why in " ".join(done.stderr.split())


def test_a_public_address_is_refused_before_a_byte_is_sent(tmp_path: Path) -> None:
    """The line says how to allow it; what is allowed is in the plan."""
    flags = ("run", "--target", "http://203.0.113.7", "--dry-run")
    done = in_process(*flags, folder=tmp_path)
    assert done.code == 2
    assert "add --allow-target 203.0.113.7" in " ".join(done.stderr.split())
    done = in_process(*flags, "--allow-target", "203.0.113.7", folder=tmp_path)
    assert done.code == 0
    assert "203.0.113.7/default/w1/target/c64: http://203.0.113.7/" in done.stdout


def test_flags_about_a_request_still_need_something_to_ask(tmp_path: Path) -> None:
    """Without APP and --target there is nothing that --path would be of."""
    done = in_process("run", "--path", "/items", "--dry-run", folder=tmp_path)
    assert done.code == 2
    assert "--path describes your own app" in done.stderr
    assert not list(tmp_path.glob("results/*/run.json"))
