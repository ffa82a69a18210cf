"""What can be started on this machine, and the words for what can't."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import msgspec

from asgi_bench.definitions.installed import install_command
from asgi_bench.definitions.servers import Server, Variant, WorkersMode, fill


class Packages(Protocol):
    """What is asked about the machine; `installed.Installation` answers."""

    @property
    def python(self) -> str:
        """The servers' interpreter."""

    def missing(self, requirements: Iterable[str]) -> tuple[str, ...]:
        """The requirement lines that are not met."""

    def version(self, server: Server) -> str | None:
        """The version of a server, or None where it can't be told."""

    def has_program(self, program: str, working_dir: str, env: Mapping[str, str]) -> bool:
        """Whether a program can be started in a folder with an environment."""


class ListedVariant(msgspec.Struct, frozen=True):
    """A variant as `list` shows it; `reason` says why it can't be started here."""

    name: str
    description: str
    args: tuple[str, ...]
    reason: str | None


class ListedServer(msgspec.Struct, frozen=True):
    """A server as `list` shows it; `missing` are requirement lines, `install` what meets them.

    `version` is None where it can't be told.
    """

    name: str
    version: str | None
    homepage: str | None
    workers: WorkersMode
    supports: tuple[str, ...]
    variants: tuple[ListedVariant, ...]
    missing: tuple[str, ...]
    install: str | None


def unavailable(
    server: Server,
    variant: Variant,
    packages: Packages,
    *,
    working_dir: str,
    env: Mapping[str, str],
    app_requires: Sequence[str] = (),
) -> str | None:
    """Return why a variant can't be started in a folder and an environment, or None.

    `app_requires` are the requirement lines of the app that it is to serve.
    """
    missing = missing_of(server, variant, packages, app_requires)
    if missing:
        return f"not installed: {install_command(missing)}"
    values = {"python": packages.python, "here": server.here}
    program = fill(server.command[:1], values)[0]
    if not packages.has_program(program, working_dir, env):
        return f"not installed: no program {program!r} on the PATH"
    return None


def missing_of(
    server: Server, variant: Variant, packages: Packages, app_requires: Sequence[str] = ()
) -> tuple[str, ...]:
    """Return the requirement lines of a variant and an app that are not met."""
    return packages.missing((*server.requires, *variant.requires, *app_requires))


def list_server(
    server: Server, packages: Packages, *, working_dir: str, env: Mapping[str, str]
) -> ListedServer:
    """Return what there is to say about a server on this machine."""
    variants = server.variants.values()
    wanted = (*server.requires, *(line for variant in variants for line in variant.requires))
    missing = packages.missing(wanted)
    return ListedServer(
        name=server.name,
        version=packages.version(server),
        homepage=server.homepage,
        workers=server.workers,
        supports=server.features,
        variants=tuple(
            ListedVariant(
                name=variant.name,
                description=variant.description,
                args=variant.args,
                reason=unavailable(
                    server,
                    variant,
                    packages,
                    working_dir=working_dir,
                    env={**env, **server.env, **variant.env},
                ),
            )
            for variant in variants
        ),
        missing=missing,
        install=install_command(missing) if missing else None,
    )
