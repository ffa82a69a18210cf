"""Named setups of servers: the sides of an A/B, or interpreters."""

import msgspec


class Setup(msgspec.Struct, frozen=True):
    """What servers run in and what they serve, under a name that goes into the keys of cells."""

    name: str = msgspec.field(name="role")
    """The setup's name, `side` of its cells: in an A/B `baseline`, `control` or `candidate`."""
    python: str
    """The interpreter that runs its servers."""
    app: str | None = None
    """The app that its servers serve; null in older runs, which serve the scenario's own."""
    app_dir: str | None = None
    """The folder of the app; null in older runs, which use the scenario's own."""
    server_args: tuple[str, ...] = ()
    """Flags added to those of every server."""
    env: dict[str, str] = {}
    """Variables added to those of every server."""
    description: str = ""
    """The setup as it was given: `uvicorn==0.50.0`, a git ref, a path."""
    commit: str | None = None
    """The commit that a git ref resolved to."""
    packages: dict[str, str] = {}
    """What its interpreter has installed, with versions."""
    python_version: str = ""
    """The version of its interpreter, such as `CPython 3.11.7`."""
    working_dir: str | None = None
    """The folder in which its servers start, if not `app_dir`; otherwise null."""
