"""Secrets in the environment and in flags: neither servers nor files get them by accident."""

import json
from pathlib import Path

import pytest

from tests.command_line import TINY, in_process, told

HUSH = "hush-9f2c"
RUN = (*TINY, "-c", "2", "--rounds", "1", "--duration", "50ms")
FLAGS = ("--env", f"TINY_SECRET={HUSH}", "--pass-env", "TINY_PASSWORD")


def test_a_secret_reaches_a_server_only_where_it_is_let_in_and_never_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is set and what is passed on comes through, the rest doesn't; no file has a value.

    The server of these tests writes its variables into its log: that is its own doing.
    """
    for name in ("TINY_TOKEN", "TINY_PASSWORD", "TINY_PLAIN"):
        monkeypatch.setenv(name, HUSH)
    finished = in_process("run", *RUN, *FLAGS, folder=tmp_path)
    assert finished.code == 0, finished.stderr
    (trial,) = finished.run.trials
    (started,) = [line for line in told(finished.run_folder, trial) if "started" in line]
    assert started["env"].keys() == {"TINY_SECRET", "TINY_PASSWORD", "TINY_PLAIN"}
    kept = [path for path in finished.run_folder.rglob("*") if path.is_file()]
    assert {path.name for path in kept if HUSH.encode() in path.read_bytes()} == {
        path.name for path in finished.run_folder.glob("logs/tiny/**/*.log")
    }
    header = json.loads((finished.run_folder / "run.json").read_text())
    assert header["variables"]["TINY_PASSWORD"] is None
    assert "TINY_TOKEN" not in header["variables"]
    assert "TINY_SECRET=(not stored)" in header["command_line"]


def test_a_start_that_fails_names_what_was_held_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The import of an app that needs a secret says which, and the flag that lets it in."""
    (tmp_path / "shop.py").write_text("import os\nos.environ['SHOP_TOKEN']\n")
    monkeypatch.setenv("SHOP_TOKEN", HUSH)
    finished = in_process("check", "shop:app", *TINY, folder=tmp_path)
    assert finished.code == 2
    line = finished.stderr.splitlines()[-1]
    assert "KeyError: 'SHOP_TOKEN'; servers don't inherit SHOP_TOKEN" in line
    assert line.endswith("--pass-env SHOP_TOKEN lets it in")
    assert HUSH not in finished.stderr


@pytest.mark.slow
def test_a_run_with_secrets_goes_on_where_they_are_told_anew(tmp_path: Path) -> None:
    """Without its flags `--resume` names what is missing; with them servers have them again."""
    secrets = ("--env", f"TINY_SECRET={HUSH}")
    rounds = (*TINY, "-c", "2", "--rounds", "2", "--duration", "50ms")
    finished = in_process("run", *rounds, *secrets, "--budget", "100ms", folder=tmp_path)
    assert finished.code == 0, finished.stderr
    assert len(finished.run.trials) == 1
    folder = finished.run_folder
    refused = in_process("run", "--resume", folder.name, folder=tmp_path)
    assert refused.code == 2
    line = refused.stderr.splitlines()[-1]
    assert "doesn't store the value of TINY_SECRET, which may be secret: give each --env" in line
    resumed = in_process(
        "run", "--resume", folder.name, *secrets, "--budget", "1m", folder=tmp_path
    )
    assert resumed.code == 0, resumed.stderr
    first, second = resumed.run.trials
    assert (first.outcome, second.outcome) == ("ok", "ok")
    assert first.round != second.round
    (started,) = [one for one in told(folder, second) if "started" in one]
    assert started["env"]["TINY_SECRET"] == HUSH
    stored = [folder / name for name in ("run.json", "trials.jsonl", "proofs.json", "report.html")]
    assert all(HUSH.encode() not in path.read_bytes() for path in stored if path.exists())
