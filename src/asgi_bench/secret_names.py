"""Names of what holds a secret: variables that servers don't inherit, values that no file keeps."""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from asgi_bench.errors import UsageError

# By name, for a value tells nothing. Case doesn't matter.
VARIABLES = (
    *("*TOKEN*", "*SECRET*", "*PASSWORD*", "*PASSWD*", "*PASSPHRASE*", "*CREDENTIAL*"),
    *("*API_KEY*", "*APIKEY*", "*ACCESS_KEY*", "*PRIVATE_KEY*", "*ENCRYPTION_KEY*", "*_PWD"),
    # Clouds. Their other variables (a region, a profile's name) tell nothing by themselves.
    *("AWS_ACCESS_*", "AWS_SESSION_*", "AWS_SECURITY_*", "AZURE_CLIENT_*", "GCP_*KEY*"),
    *("GOOGLE_*KEY*", "*_SA_KEY", "*_SERVICE_ACCOUNT_KEY*", "KUBECONFIG*"),
    # CI and what fetches and publishes in it; some have their token within an address.
    *("ACTIONS_RUNTIME_*", "ACTIONS_ID_TOKEN_*", "CI_JOB_JWT*", "CI_REPOSITORY_URL"),
    *("DOCKER_AUTH*", "*NETRC*", "NPM_CONFIG_*AUTH*", "PIP_*INDEX_URL", "UV_*INDEX*"),
    *("SSH_AUTH_SOCK", "SSH_PRIVATE*", "DEPLOY_KEY*", "GPG_*KEY*", "SENTRY_AUTH*"),
)
# What only looks like it: whether a library of tokenisers forks, say.
NO_SECRETS = ("TOKENIZERS_PARALLELISM",)
HEADERS = (
    *("*authorization*", "cookie", "*token*", "*secret*", "*password*", "*api-key*", "*apikey*"),
    *("*auth-key*", "*access-key*", "*signature*"),
)
# Stands in files where the value was.
NOT_STORED = "(not stored)"
_MOST_NAMED = 6


def is_secret(variable: str) -> bool:
    """Whether a variable of this name may hold a secret."""
    name = variable.upper()
    return name not in NO_SECRETS and any(fnmatchcase(name, pattern) for pattern in VARIABLES)


def is_secret_header(name: str) -> bool:
    """Whether a header of this name may hold a secret."""
    return any(fnmatchcase(name.lower(), pattern) for pattern in HEADERS)


def held_back(environ: Iterable[str], passed: Iterable[str]) -> tuple[str, ...]:
    """Return the names, sorted, of what servers don't inherit; `passed` are let in."""
    return tuple(sorted(name for name in set(environ) - set(passed) if is_secret(name)))


def without_secrets(environ: Mapping[str, str], passed: Iterable[str]) -> dict[str, str]:
    """Return an environment without what is held back."""
    hidden = frozenset(held_back(environ, passed))
    return {name: value for name, value in environ.items() if name not in hidden}


def held_back_words(environ: Iterable[str], log: str = "", passed: Iterable[str] = ()) -> str:
    """Say what is held back, and how to let it in; empty where nothing is.

    Where the log of what failed has some of the names, it is about these.
    """
    names = held_back(environ, passed)
    text = log.lower()
    names = tuple(name for name in names if name.lower() in text) or names
    if not names:
        return ""
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return (
        f"servers don't inherit {', '.join(names[:_MOST_NAMED])}{more}, because variables with "
        f"such names may hold a secret: --pass-env {names[0]} lets it in"
    )


def check_passed(passed: Iterable[str], environ: Mapping[str, str]) -> None:
    """Raise UsageError for a name of `--pass-env` that changes nothing."""
    for name in passed:
        if name not in environ:
            raise UsageError(f"--pass-env: {name} is not set in the environment")
        if not is_secret(name):
            raise UsageError(
                f"--pass-env: {name} is not held back: servers inherit it already, or --env sets it"
            )
