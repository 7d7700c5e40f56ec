"""How packets are framed on TCP: "full" (length, counter, payload, CRC-32) and "abridged" (length in words).

Bytes in, bytes out: nothing here touches a socket. The first byte that a client sends tells which one it speaks.
"""

import struct
from typing import Protocol
from zlib import crc32

ABRIDGED_TAG = 0xEF  # a full packet starts with its length, which is a multiple of four and so never this
LONG_WORDS = 0x7F


class Framing(Protocol):
    """One connection's framing in both directions."""

    def feed(self, data: bytes) -> list[bytes]:
        """The payloads that are complete now; raises FramingError when the bytes make no sense."""

    def frame(self, payload: bytes) -> bytes:
        """The payload as it goes over the wire."""


class FramingError(Exception):
    """The client sent bytes that are no packet."""


class FullFraming:
    """`int32 length of all, int32 counter, payload, int32 CRC-32 of all before`, one counter per direction."""

    def __init__(self) -> None:
        self._unread = b""
        self._received = 0
        self._sent = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The payloads that are complete now; the counter and the checksum have to be right."""
        self._unread += data
        payloads = []
        while len(self._unread) >= 4 and len(self._unread) >= (size := struct.unpack_from("<i", self._unread)[0]):
            if size < 12:
                raise FramingError(f"a packet of {size} bytes")
            packet, self._unread = self._unread[:size], self._unread[size:]
            payloads.append(self._payload(packet))
        return payloads

    def frame(self, payload: bytes) -> bytes:
        """The payload as it goes over the wire."""
        packet = struct.pack("<ii", len(payload) + 12, self._sent) + payload
        self._sent += 1
        return packet + struct.pack("<I", crc32(packet))

    def _payload(self, packet: bytes) -> bytes:
        (counter,) = struct.unpack_from("<i", packet, 4)
        (checksum,) = struct.unpack_from("<I", packet, len(packet) - 4)
        if counter != self._received or checksum != crc32(packet[:-4]):
            raise FramingError(f"packet {counter} where {self._received} was due, or a wrong checksum")
        self._received += 1
        return packet[8:-4]


class AbridgedFraming:
    """One byte 0xef first; then each payload behind its length in words, in one byte or in 0x7f and three."""

    def __init__(self) -> None:
        self._unread = b""
        self._tagged = False

    def feed(self, data: bytes) -> list[bytes]:
        """The payloads that are complete now."""
        self._unread += data
        if not self._tagged and self._unread:
            self._unread = self._unread[1:]
            self._tagged = True
        payloads = []
        while (place := self._next()) is not None:
            start, end = place
            payloads.append(self._unread[start:end])
            self._unread = self._unread[end:]
        return payloads

    def frame(self, payload: bytes) -> bytes:
        """The payload as it goes over the wire."""
        words = len(payload) // 4
        head = bytes([words]) if words < LONG_WORDS else bytes([LONG_WORDS]) + words.to_bytes(3, "little")
        return head + payload

    def _next(self) -> tuple[int, int] | None:
        if not self._unread:
            return None
        start, words = 1, self._unread[0]
        if words >= LONG_WORDS:
            start, words = 4, int.from_bytes(self._unread[1:4], "little")
        end = start + 4 * words
        return (start, end) if len(self._unread) >= end else None


def choose_framing(first: int) -> Framing:
    """The framing that a client speaks whose first byte is this."""
    return AbridgedFraming() if first == ABRIDGED_TAG else FullFraming()
