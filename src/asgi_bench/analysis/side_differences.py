"""What is not the same on both sides of an A/B, whatever was meant to differ."""

import shlex
from collections.abc import Iterator, Mapping
from typing import Literal, TypeAlias

from asgi_bench.model import Difference, Side

Kind: TypeAlias = Literal["package", "python", "app", "args", "env", "commit", "server"]


def side_differences(baseline: Side, candidate: Side) -> tuple[Difference, ...]:
    """Return the differences: of the code first, then flags and variables, then packages.

    A requirement that brought another package along shows here. Where environments lie is none
    of it, as long as they hold the same.
    """
    return (
        *_differing("commit", {"commit": baseline.commit}, {"commit": candidate.commit}),
        *_differing("app", _app(baseline), _app(candidate)),
        *_differing("args", _flags(baseline), _flags(candidate)),
        *_differing("env", baseline.env, candidate.env),
        *_differing("python", _python(baseline), _python(candidate)),
        *_differing("package", baseline.packages, candidate.packages),
    )


def _differing(
    kind: Kind, baseline: Mapping[str, str | None], candidate: Mapping[str, str | None]
) -> Iterator[Difference]:
    for name in sorted(baseline.keys() | candidate.keys()):
        old, new = baseline.get(name), candidate.get(name)
        if old != new:
            yield Difference(kind, name, old, new)


def _app(side: Side) -> dict[str, str | None]:
    """The app; its folder alone tells nothing where it is that of a commit."""
    folder = side.app_dir if side.commit is None else None
    return {"app": side.app, "app_dir": folder}


def _flags(side: Side) -> dict[str, str | None]:
    return {"server flags": shlex.join(side.server_args) or None}


def _python(side: Side) -> dict[str, str | None]:
    return {"python": side.python_version or None}
