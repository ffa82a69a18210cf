"""A conversation over WebSocket as a list of tables: what is sent, and what must arrive then."""

from typing import Any, TypeVar

import msgspec

from asgi_bench.definitions.strict import check_keys, checked_pattern, convert
from asgi_bench.errors import UsageError
from asgi_bench.model import SWITCHED, WEBSOCKET_METHOD, Message, Request

RequestT = TypeVar("RequestT", bound=Request)
# The feature that servers must support.
WEBSOCKET = "websocket"
# In base64 they are for what a run stores.
_KEYS = ("send", "expect", "expect_pattern", "times")
# All that is sent at once has to fit what a server reads before it answers.
MOST_TIMES = 1000


def parse_messages(tables: Any, where: str) -> tuple[Message, ...]:
    """Return the messages of a conversation, none for None; raises UsageError if invalid."""
    if tables is None:
        return ()
    if not isinstance(tables, list) or not all(isinstance(one, dict) for one in tables):
        example = '[{ send = "ping" }, { expect = "pong" }]'
        raise UsageError(f"{where}: expected a list of tables, such as {example}")
    messages = tuple(_message(table, f"{where}[{n}]") for n, table in enumerate(tables))
    if not messages or not messages[0].is_sent:
        raise UsageError(f"{where}: must begin with a message to send")
    if messages[-1].is_sent:
        raise UsageError(f"{where}: must end with a message to expect")
    return messages


def checked_conversations(count: int | None, where: str) -> int | None:
    """Return how many conversations a connection lives for; raises UsageError for less than one."""
    if count is not None and count < 1:
        raise UsageError(f"{where}: conversations: {count} must be 1 or more")
    return count


def holding(request: RequestT, messages: tuple[Message, ...]) -> RequestT:
    """Return a request that is the conversation of some messages; unchanged without them."""
    if not messages:
        return request
    return msgspec.structs.replace(
        request, messages=messages, method=WEBSOCKET_METHOD, expect_status=SWITCHED
    )


def _message(table: dict[str, Any], where: str) -> Message:
    check_keys(table, _KEYS, where)
    message = convert(table, Message, where)
    told = [key for key in _KEYS[:3] if key in table]
    if len(told) != 1:
        raise UsageError(f"{where}: needs exactly one of {', '.join(_KEYS[:3])}")
    if not 1 <= message.times <= MOST_TIMES:
        raise UsageError(f"{where}: times: {message.times} must be 1 to {MOST_TIMES}")
    if message.expect_pattern is not None:
        checked_pattern(message.expect_pattern, f"{where}: expect_pattern")
    return message
