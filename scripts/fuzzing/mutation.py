"""Inputs from samples: some bytes changed, cut, doubled, or taken from another sample."""

import random
from collections.abc import Callable, Sequence

# What readers compare with, count by or stumble over.
_TELLING = (
    *(
        b"\0",
        b"\r\n",
        b"\r\n\r\n",
        b"\n",
        b'"',
        b"'",
        b"[",
        b"]",
        b"{",
        b"}",
        b"=",
        b":",
        b",",
        b"/",
    ),
    *(b"../", b"%00", b"\xff\xfe", b"\x1b[2J", b"\xe2\x80\xae", b"\xed\xa0\x80", b"\xef\xbb\xbf"),
    *(b"-1", b"0", b"1e999", b"nan", b"inf", b"null", b"true", b"9" * 20, b"18446744073709551616"),
    *(b"content-length: 5\r\n", b"transfer-encoding: chunked\r\n", b"connection: close\r\n"),
    *(b"[" * 300, b"{" * 300, b"a" * 3000, b"9" * 5000),
)
_MOST_CHANGES = 5
_LONGEST = 20_000


def mutated(chance: random.Random, samples: Sequence[bytes]) -> bytes:
    """Return one sample with one to five changes."""
    data = bytearray(chance.choice(samples))
    for _ in range(chance.randint(1, _MOST_CHANGES)):
        chance.choice(_CHANGES)(chance, data, samples)
    return bytes(data[:_LONGEST])


def _place(chance: random.Random, data: bytearray) -> int:
    return chance.randint(0, len(data))


def _flip(chance: random.Random, data: bytearray, samples: Sequence[bytes]) -> None:
    if data:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _set(chance: random.Random, data: bytearray, samples: Sequence[bytes]) -> None:
    if data:
        data[chance.randrange(len(data))] = chance.choice((0, 1, 9, 10, 13, 32, 127, 128, 255))


def _cut(chance: random.Random, data: bytearray, samples: Sequence[bytes]) -> None:
    at = _place(chance, data)
    del data[at : at + chance.choice((1, 2, 8, 100))]


def _truncate(chance: random.Random, data: bytearray, samples: Sequence[bytes]) -> None:
    del data[_place(chance, data) :]


def _insert(chance: random.Random, data: bytearray, samples: Sequence[bytes]) -> None:
    at = _place(chance, data)
    data[at:at] = chance.choice(_TELLING)


def _noise(chance: random.Random, data: bytearray, samples: Sequence[bytes]) -> None:
    at = _place(chance, data)
    data[at:at] = chance.randbytes(chance.choice((1, 4, 16)))


def _double(chance: random.Random, data: bytearray, samples: Sequence[bytes]) -> None:
    begin, at = _place(chance, data), _place(chance, data)
    data[at:at] = data[begin : begin + chance.choice((1, 10, 200))]


def _splice(chance: random.Random, data: bytearray, samples: Sequence[bytes]) -> None:
    other = chance.choice(samples)
    del data[_place(chance, data) :]
    data += other[chance.randint(0, len(other)) :]


def _number(chance: random.Random, data: bytearray, samples: Sequence[bytes]) -> None:
    """Another number in place of one."""
    places = [at for at, byte in enumerate(data) if 48 <= byte <= 57]
    if places:
        at = chance.choice(places)
        data[at : at + 1] = chance.choice((b"-1", b"0", b"1e999", b"1.5", b"9" * 20, b'"x"'))


_CHANGES: tuple[Callable[[random.Random, bytearray, Sequence[bytes]], None], ...] = (
    *(_flip, _set, _cut, _truncate, _insert, _noise, _double, _splice, _number),
)
