"""What can be started on this machine, and the words for what can't."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol

import msgspec

from asgi_bench.definitions.installed import install_command
from asgi_bench.definitions.servers import EnvironmentKind, Server, Variant, WorkersMode, fill
from asgi_bench.model import ServerEnvironment


class Packages(Protocol):
    """What a plan needs to know about the machine; `installed.Installation` implements it."""

    @property
    def python(self) -> str:
        """The servers' interpreter."""

    def missing(self, requirements: Iterable[str]) -> tuple[str, ...]:
        """The requirement lines that are not met."""

    def version(self, server: Server) -> str | None:
        """The version of a server, or None if it isn't known."""

    def has_program(self, program: str, working_dir: str, env: Mapping[str, str]) -> bool:
        """Whether a program can be started in a folder with an environment."""


class Home(NamedTuple):
    """What a server runs in. `packages` is None if it has an environment that can't be used."""

    packages: Packages | None
    environment: ServerEnvironment | None = None
    fault: str | None = None


class ListedVariant(msgspec.Struct, frozen=True):
    """A variant as `list` shows it; `reason` says why it can't be started here."""

    name: str
    description: str
    args: tuple[str, ...]
    reason: str | None


class ListedServer(msgspec.Struct, frozen=True):
    """A server as `list` shows it; `missing` are requirement lines, `install` what meets them.

    `version` is None if it isn't known. `installed` says where its plain variant runs: `here`, in
    the servers' interpreter, or in its `own` environment, whose interpreter is `python`. `fault` is
    why that can't be used.
    """

    name: str
    version: str | None
    environment: EnvironmentKind
    installed: Literal["here", "own"] | None
    python: str | None
    fault: str | None
    homepage: str | None
    workers: WorkersMode
    supports: tuple[str, ...]
    variants: tuple[ListedVariant, ...]
    missing: tuple[str, ...]
    install: str | None


def home_of(server: Server, variant: Variant, packages: Packages, apart: Home | None) -> Home:
    """Return what a variant runs in: the shared interpreter, or the server's own (`apart`).

    It shares the interpreter if that has everything it requires.
    """
    if apart is None or not packages.missing((*server.requires, *variant.requires)):
        return Home(packages)
    return apart


def unavailable(
    server: Server,
    variant: Variant,
    home: Home,
    *,
    working_dir: str,
    env: Mapping[str, str],
    app_requires: Sequence[str] = (),
) -> str | None:
    """Return why a variant can't be started in a folder and an environment, or None.

    `app_requires` are the requirement lines of the app that it is to serve.
    """
    packages = home.packages
    if packages is None or home.fault is not None:
        return home.fault
    if server.environment == "own" and missing_of(server, variant, packages):
        return f"not installed: {own_install_command(server)}"
    missing = missing_of(server, variant, packages, app_requires)
    if missing:
        return f"not installed: {install_command(missing)}"
    values = {"python": packages.python, "here": server.here}
    program = fill(server.command[:1], values)[0]
    if not packages.has_program(program, working_dir, env):
        return f"not installed: no program {program!r} on the PATH"
    return None


def own_install_command(server: Server) -> str:
    """The command line that builds a server's own environment, quoted for a shell."""
    return f"asgi-bench install {shlex.quote(server.name)}"


def missing_of(
    server: Server, variant: Variant, packages: Packages, app_requires: Sequence[str] = ()
) -> tuple[str, ...]:
    """Return the requirement lines of a variant and an app that are not met."""
    return packages.missing((*server.requires, *variant.requires, *app_requires))


def list_server(
    server: Server,
    packages: Packages,
    apart: Home | None,
    *,
    working_dir: str,
    env: Mapping[str, str],
) -> ListedServer:
    """Return what is known about a server on this machine."""
    homes = [home_of(server, one, packages, apart) for one in server.variants.values()]
    variants = tuple(
        ListedVariant(
            name=variant.name,
            description=variant.description,
            args=variant.args,
            reason=unavailable(
                server,
                variant,
                home,
                working_dir=working_dir,
                env={**env, **server.env, **variant.env},
            ),
        )
        for variant, home in zip(server.variants.values(), homes, strict=True)
    )
    # The first variant is the plain one.
    plain = homes[0]
    seen = plain.packages or packages
    missing = seen.missing(server.all_requirements)
    return ListedServer(
        name=server.name,
        version=seen.version(server),
        environment=server.environment,
        installed=_installed(plain) if variants[0].reason is None else None,
        python=None if plain.environment is None else plain.environment.python,
        fault=plain.fault,
        homepage=server.homepage,
        workers=server.workers,
        supports=server.features,
        variants=variants,
        missing=missing,
        install=_install_command(server, missing) if missing else None,
    )


def _installed(home: Home) -> Literal["here", "own"]:
    return "here" if home.environment is None else "own"


def _install_command(server: Server, missing: Sequence[str]) -> str:
    """What installs a server where it belongs."""
    if server.environment == "own":
        return own_install_command(server)
    return install_command(missing)
