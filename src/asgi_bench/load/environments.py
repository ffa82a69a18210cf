"""The environment variables that our own load processes start with."""

import site
from collections.abc import Mapping
from pathlib import Path

# Settings of Locust, gevent and coverage; each would change the load, or end it, without a trace.
_PREFIXES = ("LOCUST_", "GEVENT", "COVERAGE_", "PYTHON")
# Where Python finds itself and what is installed.
_KEPT = frozenset(
    (
        "PYTHONDONTWRITEBYTECODE",
        "PYTHONHOME",
        "PYTHONNOUSERSITE",
        "PYTHONPATH",
        "PYTHONPLATLIBDIR",
        "PYTHONPYCACHEPREFIX",
        "PYTHONSAFEPATH",
        "PYTHONUSERBASE",
    )
)
# What `requests`, and so Locust's HttpUser, obeys: load goes straight to the server.
_OF_REQUESTS = ("CURL_CA_BUNDLE", "NETRC", "REQUESTS_CA_BUNDLE")


def load_environment(inherited: Mapping[str, str], *, home: Path) -> dict[str, str]:
    """Return inherited variables without what is a setting of anything that sends load.

    With another `home` than the user's, no `~/.locust.conf` and no `~/.netrc` is found.
    """
    kept = {name: value for name, value in inherited.items() if not _is_setting(name)}
    # Packages that were installed for the user alone lie in the true home.
    return {"PYTHONUSERBASE": site.getuserbase(), **kept, "HOME": str(home)}


def _is_setting(name: str) -> bool:
    if name in _KEPT:
        return False
    is_proxy = name.lower().endswith("_proxy")
    return is_proxy or name in _OF_REQUESTS or name.startswith(_PREFIXES)
