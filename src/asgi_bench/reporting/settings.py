"""What each server was started with, and what it proved to be: the same words in every format."""

import shlex
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from asgi_bench.analysis.settings import SettingReport
from asgi_bench.model import Proof
from asgi_bench.reporting.wording import plain

TITLE = "Commands and versions"


class Start(NamedTuple):
    """How a setting is started with one worker count: argv as a shell takes it, or why not."""

    workers: int
    command: str
    skipped: str


class Setting(NamedTuple):
    """A server and variant: its version, its commands, its variables, what really ran."""

    name: str
    server: str
    version: str
    starts: tuple[Start, ...]
    env: tuple[str, ...]
    proofs: tuple[str, ...]


def settings_of(settings: Sequence[SettingReport]) -> tuple[Setting, ...]:
    """Each server and variant once, in the document's order; in an A/B each side of it."""
    found: dict[str, list[SettingReport]] = {}
    for each in settings:
        found.setdefault(each.setting.rpartition("/")[0], []).append(each)
    return tuple(map(_setting, found.values()))


def setting_lines(setting: Setting) -> Iterator[str]:
    """Each start as a shell takes it, its variables in front: `w1: PYTHONPATH=apps python …`."""
    for start in setting.starts:
        if start.skipped:
            yield f"w{start.workers}: skipped, {start.skipped}"
        if start.command:
            yield f"w{start.workers}: {' '.join((*setting.env, start.command))}"


def _setting(members: Sequence[SettingReport]) -> Setting:
    """One server and variant; what is the same for all worker counts is said once."""
    first = members[0]
    versions = (each.server_version or "version unknown" for each in members)
    env = (f"{name}={shlex.quote(value)}" for each in members for name, value in each.env.items())
    seen = (
        "; ".join(_proven(each.proof, each.workers)) for each in members if each.proof is not None
    )
    variant = first.setting.removeprefix(f"{first.server}/").rpartition("/")[0]
    return Setting(
        name=plain(f"{first.server} {variant}"),
        server=plain(first.server),
        version=", ".join(_once(versions)),
        starts=tuple(
            Start(each.workers, plain(shlex.join(each.command)), plain(each.reason or ""))
            for each in members
        ),
        env=_once(env),
        proofs=_once(seen),
    )


def _once(texts: Iterable[str]) -> tuple[str, ...]:
    """The texts, each once, fit to be shown."""
    return tuple(dict.fromkeys(map(plain, texts)))


def _proven(proof: Proof, workers: int) -> Iterator[str]:
    """What the probe told from inside, and by how many of the workers where not by all."""
    for name, value in (
        ("event loop", proof.loop),
        ("protocol", proof.protocol),
        ("parser", proof.parser),
        ("transport", proof.transport),
        ("HTTP", proof.http_version),
        ("ASGI", proof.asgi_version),
    ):
        if value is not None:
            yield f"{name} {value}"
    if proof.tcp_nodelay is not None:
        yield f"TCP_NODELAY {'on' if proof.tcp_nodelay else 'off'}"
    if 0 < len(proof.worker_pids) < workers:
        yield f"told by {len(proof.worker_pids)} of {workers} workers"
    for fault in (proof.fault, proof.unproven):
        if fault is not None:
            yield fault
