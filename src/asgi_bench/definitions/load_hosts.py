"""Where load hosts connect, and the token by which a run and its load hosts authenticate."""

import ipaddress
import os
import secrets
from pathlib import Path
from typing import NamedTuple

from asgi_bench.errors import UsageError
from asgi_bench.machine.addresses import is_own
from asgi_bench.model.endpoint import MASTER_PORT, TOKEN_VARIABLE
from asgi_bench.quantities import parse_whole
from asgi_bench.regular_files import read_regular

# A token that was typed may be guessed; shorter than this it surely is.
SHORTEST_TOKEN = 12
DRAWN_BYTES = 18
_HIGHEST_PORT = 65_535


class Token(NamedTuple):
    """The token by which a run and its load hosts authenticate; `is_drawn` if nobody gave it."""

    text: str
    is_drawn: bool = False


def parse_listen(text: str, where: str) -> str:
    """Return an address of a private network, with its port; raises UsageError."""
    address, colon, port = text.partition(":")
    number = parse_whole(port, where, least=1, most=_HIGHEST_PORT) if colon else MASTER_PORT
    return f"{parse_address(address, where)}:{number}"


def parse_address(text: str, where: str) -> str:
    """Return an IPv4 address that is loopback or private; raises UsageError."""
    try:
        address = str(ipaddress.IPv4Address(text))
    except ValueError:
        raise UsageError(f"{where}: {text!r} must be an IPv4 address, such as 10.0.0.1") from None
    if not is_own(address):
        raise UsageError(
            f"{where}: {address} is no loopback or private address: take one of 127.0.0.0/8, "
            f"10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16"
        )
    return address


def read_token(text: str, where: str) -> str:
    """Return a token, or the content of the file named after an @; raises UsageError."""
    return read_token_file(text, where) if text.startswith("@") else _checked(text, where)


def read_token_file(text: str, where: str) -> str:
    """Return the token in a file; raises UsageError for a token itself, which `ps` would show."""
    if not text.startswith("@"):
        raise UsageError(
            f"{where}: a run keeps its command line: write the token into a file and say @FILE, "
            f"or set {TOKEN_VARIABLE}"
        )
    try:
        return _checked(read_regular(Path(text[1:])).decode().strip(), where)
    except (OSError, UnicodeDecodeError) as fault:
        raise UsageError(f"{where}: {text[1:]} can't be read: {fault}") from None


def given_token(told: str | None) -> str | None:
    """Return the given token, or that of the environment, which loses it.

    Servers inherit the environment, and a run keeps their variables.
    """
    of_environment = os.environ.pop(TOKEN_VARIABLE, None)
    if told is not None:
        return told
    return _checked(of_environment, TOKEN_VARIABLE) if of_environment else None


def run_token(told: str | None) -> Token:
    """Return the token of a run, drawn at random if none was given."""
    token = given_token(told)
    return Token(secrets.token_urlsafe(DRAWN_BYTES), True) if token is None else Token(token)


def _checked(token: str, where: str) -> str:
    if len(token) < SHORTEST_TOKEN or not token.isprintable() or not token.isascii():
        raise UsageError(
            f"{where}: a token has {SHORTEST_TOKEN} letters and digits at least, on one line"
        )
    return token
