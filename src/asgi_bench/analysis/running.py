"""What really ran in a server's processes, as named facts: from its proof."""

from collections.abc import Collection

from asgi_bench.model import Proof

# Parts of a proof that may differ under the same command line, and move speed.
PARTS = ("loop", "protocol", "parser", "transport", "http_version")
# For a variable of which the name alone is recorded.
SET = "set"


def parts_of(proof: Proof) -> dict[str, str]:
    """The classes of loop, protocol, parser and transport; what can't be told is left out."""
    found = {part: getattr(proof, part) for part in PARTS}
    return {part: name for part, name in found.items() if name is not None}


def socket_options_of(proof: Proof) -> dict[str, str]:
    """The options of an accepted socket; of an older proof the one that it has."""
    if not proof.socket_options and proof.tcp_nodelay is not None:
        return {"TCP_NODELAY": str(int(proof.tcp_nodelay))}
    return {name: str(value) for name, value in proof.socket_options.items()}


def variables_of(proof: Proof, known: Collection[str] = ()) -> dict[str, str]:
    """The variables that its processes began with, but for those that are known already."""
    return {name: told(value) for name, value in proof.variables.items() if name not in known}


def told(value: str | None) -> str:
    """A recorded value; where there is none, that the variable is set."""
    return SET if value is None else value
