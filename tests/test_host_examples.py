"""The examples of docs/hosts.md: what they start is what the command line takes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from asgi_bench.cli.command import VerbCommand
from asgi_bench.cli.main import command

FOLDER = Path(__file__).resolve().parents[1] / "examples" / "hosts"


def _jobs() -> list[dict[str, Any]]:
    """The Kubernetes Jobs."""
    return list(yaml.safe_load_all((FOLDER / "kubernetes.yaml").read_text()))


def _commands() -> Iterator[list[str]]:
    """The command lines that containers of our image get."""
    services = yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"]
    yield from (one["command"] for one in services.values() if "entrypoint" not in one)
    for job in _jobs():
        yield from (one["args"] for one in job["spec"]["template"]["spec"]["containers"])


@pytest.mark.parametrize("words", list(_commands()), ids=" ".join)
def test_the_command_line_takes_what_an_example_gives(words: list[str]) -> None:
    """Every flag is there, and its value can be read."""
    name, *arguments = words
    verb = command(name)
    assert isinstance(verb, VerbCommand)
    with verb.make_context(name, arguments) as context:
        assert verb.asked(context)


def test_jobs_try_once_and_keep_the_token_secret() -> None:
    """A second try would load twice; a token in a manifest would be read by many."""
    for job in _jobs():
        assert (job["apiVersion"], job["kind"]) == ("batch/v1", "Job")
        assert job["spec"]["backoffLimit"] == 0
        pod = job["spec"]["template"]["spec"]
        assert pod["restartPolicy"] == "Never"
        for container in pod["containers"]:
            assert container["resources"]["requests"] == container["resources"]["limits"]
            assert all("valueFrom" in one for one in container.get("env", ()))
