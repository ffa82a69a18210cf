"""HTTP/1.1 requests as bytes, and a reader of responses that keeps what it saw.

It is made for examining servers: it describes a wrong response by its bytes.
"""

from collections.abc import Sequence

import msgspec

from asgi_bench.conformance.clients.peer import Peer
from asgi_bench.conformance.findings import Unanswered, quoted

Field = tuple[bytes, bytes]


class Answer(msgspec.Struct, frozen=True):
    """A response: its head as it came, and its body by its framing."""

    head: bytes
    status: int
    fields: tuple[Field, ...]
    """Names in lower case, values without spaces around them."""
    body: bytes = b""
    chunks: tuple[bytes, ...] = ()
    """The parts of a chunked body."""
    trailers: tuple[Field, ...] = ()
    """The fields after a chunked body."""
    interim: tuple[int, ...] = ()
    """The statuses that came before: 100, 103."""

    def values(self, name: str) -> list[bytes]:
        """The values of all fields with a name, in their order."""
        wanted = name.lower().encode()
        return [value for found, value in self.fields if found == wanted]

    @property
    def is_chunked(self) -> bool:
        """Whether its body came in chunks."""
        return any(b"chunked" in value.lower() for value in self.values("transfer-encoding"))

    @property
    def closes(self) -> bool:
        """Whether it says that the connection closes after it."""
        return any(b"close" in value.lower() for value in self.values("connection"))

    @property
    def told(self) -> str:
        """The response as evidence."""
        return quoted(self.head + self.body)


def request(
    fields: Sequence[Field],
    *,
    method: str = "GET",
    target: str = "/",
    body: bytes = b"",
    version: str = "1.1",
) -> bytes:
    """A request as bytes, with these fields."""
    line = f"{method} {target} HTTP/{version}\r\n".encode("latin-1")
    return (
        line + b"".join(name + b": " + value + b"\r\n" for name, value in fields) + b"\r\n" + body
    )


def read_answer(peer: Peer, method: str = "GET") -> Answer:
    """Read the final response to a request, and any before it; raises Unanswered."""
    interim: list[int] = []
    while (head := read_head(peer)).status < 200 and head.status != 101:
        interim.append(head.status)
    found = msgspec.structs.replace(head, interim=tuple(interim))
    if method == "HEAD" or head.status in (101, 204, 304):
        return found
    if head.is_chunked:
        return _with_chunks(peer, found)
    lengths = set(head.values("content-length"))
    if len(lengths) > 1 or not all(length.isdigit() for length in lengths):
        raise Unanswered(f"content-length can't be read: {head.told}")
    for length in lengths:
        return msgspec.structs.replace(found, body=peer.take(int(length)))
    return msgspec.structs.replace(found, body=peer.take_all())


def read_head(peer: Peer) -> Answer:
    """Read only a head; raises Unanswered if there is none."""
    head = peer.take_until(b"\r\n\r\n")
    line, *lines = head[:-4].split(b"\r\n")
    version, _, rest = line.partition(b" ")
    status = rest[:3]
    if version not in (b"HTTP/1.1", b"HTTP/1.0") or not status.isdigit():
        raise Unanswered(f"this is no status line: {quoted(line)}")
    return Answer(head, int(status), tuple(_field(each) for each in lines))


def _field(line: bytes) -> Field:
    name, colon, value = line.partition(b":")
    if not colon:
        raise Unanswered(f"this is no header field: {quoted(line)}")
    return name.lower(), value.strip(b" \t")


def _with_chunks(peer: Peer, head: Answer) -> Answer:
    """Read chunks up to the last one, and the fields after it."""
    chunks: list[bytes] = []
    while (size := _size(peer.take_until(b"\r\n"))) > 0:
        chunk = peer.take(size + 2)
        if not chunk.endswith(b"\r\n"):
            raise Unanswered(f"a chunk of {size} bytes doesn't end: {quoted(chunk)}")
        chunks.append(chunk[:-2])
    trailers = []
    while (line := peer.take_until(b"\r\n")) != b"\r\n":
        trailers.append(_field(line[:-2]))
    return msgspec.structs.replace(
        head, body=b"".join(chunks), chunks=tuple(chunks), trailers=tuple(trailers)
    )


def _size(line: bytes) -> int:
    try:
        return int(line.partition(b";")[0].strip(), 16)
    except ValueError:
        raise Unanswered(f"this is no size of a chunk: {quoted(line)}") from None
