"""A way between two Ethernet devices that delays or loses frames, and keeps a record of its own.

The kernel of a test machine may lack netem, so a process stands between a load host and the bridge:
`python -m tests.network_path NEAR FAR DELAY_S LOSS RECORD` makes two TAP devices, says `ready`, and
passes each one's frames on to the other. Those towards NEAR, the host's own, wait for DELAY_S; a
share LOSS of the frames is lost, either way. By SIGTERM it ends and writes RECORD.
"""

import fcntl
import os
import random
import select
import signal
import struct
import sys
import time
from collections import deque
from pathlib import Path
from types import FrameType
from typing import NamedTuple

import msgspec

# linux/if_tun.h
_TUNSETIFF, _IFF_TAP, _IFF_NO_PI = 0x400454CA, 0x0002, 0x1000
_FRAME_BYTES = 65_536
_IPV4, _TCP = 0x0800, 6
_REQUEST = b"GET "


class Asked(msgspec.Struct, frozen=True):
    """A request of the host: when it came to this way, and when its answer's last frame left it."""

    server_port: int
    asked_s: float
    answered_s: float


class Record(msgspec.Struct, frozen=True):
    """What went this way."""

    requests: tuple[Asked, ...]
    passed: int
    lost: int


class Segment(NamedTuple):
    """What a frame carries over TCP."""

    source_port: int
    target_port: int
    data: bytes


def segment_of(frame: bytes) -> Segment | None:
    """The TCP segment in a frame; None where it has none, or one without data."""
    if len(frame) < 54 or struct.unpack_from("!H", frame, 12)[0] != _IPV4 or frame[23] != _TCP:
        return None
    tcp = 14 + 4 * (frame[14] & 0x0F)
    end = 14 + struct.unpack_from("!H", frame, 16)[0]
    data = frame[tcp + 4 * (frame[tcp + 12] >> 4) : end]
    source_port, target_port = struct.unpack_from("!HH", frame, tcp)
    return Segment(source_port, target_port, data) if data else None


class Requests:
    """Requests over HTTP/1.1, one at a time on each connection, by the frames that carry them."""

    def __init__(self) -> None:
        self.finished: list[Asked] = []
        self._open: dict[tuple[int, int], Asked] = {}

    def from_host(self, frame: bytes, at_s: float) -> None:
        """A frame of the host has come: another request ends the answer before it."""
        segment = segment_of(frame)
        if segment is not None and segment.data.startswith(_REQUEST):
            key = segment.source_port, segment.target_port
            self._finish(key)
            self._open[key] = Asked(segment.target_port, at_s, 0.0)

    def to_host(self, frame: bytes, at_s: float) -> None:
        """A frame has left towards the host."""
        segment = segment_of(frame)
        if segment is None:
            return
        key = segment.target_port, segment.source_port
        asked = self._open.get(key)
        if asked is not None:
            self._open[key] = msgspec.structs.replace(asked, answered_s=at_s)

    def _finish(self, key: tuple[int, int]) -> None:
        known = self._open.pop(key, None)
        if known is not None and known.answered_s:
            self.finished.append(known)

    def finish(self) -> tuple[Asked, ...]:
        """All that were answered, in the order in which they were asked."""
        for key in list(self._open):
            self._finish(key)
        return tuple(sorted(self.finished, key=lambda one: one.asked_s))


class Way:
    """Passes frames on until it is told to end."""

    def __init__(self, near: int, far: int, delay_s: float, loss: float) -> None:
        self._near, self._far = near, far
        self._delay_s, self._loss = delay_s, loss
        self._chance = random.Random(1)
        self._held: deque[tuple[float, bytes]] = deque()
        self._requests = Requests()
        self._passed = self._lost = 0
        self._ends = False

    def end(self, number: int, frame: FrameType | None) -> None:
        """A handler of signals."""
        self._ends = True

    def run(self) -> Record:
        """Pass on, and tell what went by."""
        while not self._ends:
            left_s = 0.5
            if self._held:
                left_s = max(self._held[0][0] + self._delay_s - time.monotonic(), 0.0)
            ready, _, _ = select.select([self._near, self._far], [], [], left_s)
            for device in ready:
                self._take(device)
            self._release()
        return Record(self._requests.finish(), self._passed, self._lost)

    def _take(self, device: int) -> None:
        """Take all frames that are there."""
        while True:
            try:
                frame = os.read(device, _FRAME_BYTES)
            except BlockingIOError:
                return
            if self._chance.random() < self._loss:
                self._lost += 1
            elif device == self._far:
                self._held.append((time.monotonic(), frame))
            else:
                self._requests.from_host(frame, time.monotonic())
                self._put(self._far, frame)

    def _release(self) -> None:
        """Let go of what was held for long enough."""
        while self._held and self._held[0][0] + self._delay_s <= time.monotonic():
            _, frame = self._held.popleft()
            left_s = time.monotonic()
            self._put(self._near, frame)
            self._requests.to_host(frame, left_s)

    def _put(self, device: int, frame: bytes) -> None:
        # A device that is down, or full, loses frames, as any network does.
        try:
            os.write(device, frame)
        except OSError:
            self._lost += 1
        else:
            self._passed += 1


def tap(name: str) -> int:
    """Make a TAP device; it is there as long as its descriptor is open."""
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH", name.encode(), _IFF_TAP | _IFF_NO_PI))
    return device


def main(near: str, far: str, delay_s: float, loss: float, record: Path) -> None:
    """Stand between two devices until SIGTERM."""
    way = Way(tap(near), tap(far), delay_s, loss)
    signal.signal(signal.SIGTERM, way.end)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    record.write_bytes(msgspec.json.encode(way.run()))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4]), Path(sys.argv[5]))
