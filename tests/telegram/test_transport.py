"""Framing, without a socket."""

import os

import pytest
from telethon.network.connection.tcpabridged import AbridgedPacketCodec
from telethon.network.connection.tcpfull import FullPacketCodec

from tests.telegram.transport import AbridgedFraming, Framing, FramingError, FullFraming, choose_framing

PAYLOADS = [os.urandom(size) for size in (8, 4 * 126, 4 * 127, 4 * 70_000)]


def clients_bytes(framing: Framing) -> bytes:
    """The payloads as a Telethon client sends them."""
    if isinstance(framing, FullFraming):
        full = FullPacketCodec(None)
        return b"".join(full.encode_packet(payload) for payload in PAYLOADS)
    abridged = AbridgedPacketCodec(None)
    return b"\xef" + b"".join(abridged.encode_packet(payload) for payload in PAYLOADS)


@pytest.mark.parametrize("framing", [FullFraming(), AbridgedFraming()], ids=["full", "abridged"])
@pytest.mark.parametrize("step", [7, 100_000, 1_000_000])
def test_payloads_come_out_however_the_bytes_are_cut(framing: Framing, step: int) -> None:
    sent = clients_bytes(framing)
    chosen = choose_framing(sent[0])

    received = [payload for at in range(0, len(sent), step) for payload in chosen.feed(sent[at : at + step])]

    assert type(chosen) is type(framing)
    assert received == PAYLOADS


def test_what_is_framed_is_what_telethon_reads() -> None:
    ours, theirs = FullFraming(), FullPacketCodec(None)
    assert [ours.frame(payload) for payload in PAYLOADS] == [theirs.encode_packet(payload) for payload in PAYLOADS]


@pytest.mark.parametrize("place", [4, 8, -1], ids=["counter", "payload", "checksum"])
def test_a_damaged_packet_is_refused(place: int) -> None:
    packet = bytearray(FullFraming().frame(b"payload."))
    packet[place] ^= 1

    with pytest.raises(FramingError):
        FullFraming().feed(bytes(packet))
