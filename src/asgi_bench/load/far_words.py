"""What a load process and a master on another host say to each other before admission."""

import os
import sys

import msgspec

from asgi_bench.model.endpoint import TOKEN_VARIABLE

# The names of the messages on Locust's own connection.
HELLO = "asgi-bench-hello"
WELCOME = "asgi-bench-welcome"
REFUSED = "asgi-bench-refused"


class Hello(msgspec.Struct, frozen=True):
    """A load process requests admission, and proves that it knows the token."""

    nonce: bytes
    proof: bytes
    version: str
    host: str


class Welcome(msgspec.Struct, frozen=True):
    """The master admits it, and proves that it knows the token too."""

    nonce: bytes
    proof: bytes


def token_of_environment() -> str:
    """Return the run's token, and take it out of the environment: nothing inherits it."""
    token = os.environ.pop(TOKEN_VARIABLE, "")
    if not token:
        sys.exit(f"{TOKEN_VARIABLE} is not set")
    return token
