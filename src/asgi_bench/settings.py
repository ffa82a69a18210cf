"""How a server is started, by name: server, variant and workers, as in `uvicorn/default/w1`."""

from collections.abc import Iterable

from asgi_bench.errors import UsageError


def setting_named(name: str, settings: Iterable[str], flag: str = "--reference") -> str:
    """Return the setting of that name; without workers (`uvicorn/default`) the first of them.

    Raises:
        UsageError: none of them has it; the text lists them all.
    """
    known = list(dict.fromkeys(settings))
    for setting in known:
        if name in (setting, setting.rpartition("/w")[0]):
            return setting
    raise UsageError(f"{flag} {name!r} is not measured; there are: {', '.join(known)}")
