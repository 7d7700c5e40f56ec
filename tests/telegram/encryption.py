"""MTProto 2.0 encryption from the server's side, with Telethon's own AES-IGE."""

import os
import struct
from dataclasses import dataclass
from hashlib import sha1, sha256

from telethon.crypto import AES

KEY_BYTES = 256
FROM_CLIENT, FROM_SERVER = 0, 8  # "x" of the protocol's description


class BadMessage(Exception):
    """The payload was not made with this key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """One decrypted message, or the head of one to encrypt."""

    salt: int
    session_id: int
    msg_id: int
    seq_no: int
    body: bytes


def key_id(key: bytes) -> bytes:
    """The eight bytes that name a key on the wire."""
    return sha1(key).digest()[-8:]


def encrypt(key: bytes, envelope: Envelope) -> bytes:
    """The payload that carries the envelope to a client."""
    head = struct.pack(
        "<qqqii", envelope.salt, envelope.session_id, envelope.msg_id, envelope.seq_no, len(envelope.body)
    )
    plain = head + envelope.body
    plain += os.urandom(-(len(plain) + 12) % 16 + 12)
    msg_key = _msg_key(key, plain, FROM_SERVER)
    return key_id(key) + msg_key + bytes(AES.encrypt_ige(plain, *_aes(key, msg_key, FROM_SERVER)))


def decrypt(key: bytes, payload: bytes) -> Envelope:
    """The envelope in a client's payload; raises BadMessage when the key does not fit."""
    msg_key = payload[8:24]
    plain = bytes(AES.decrypt_ige(payload[24:], *_aes(key, msg_key, FROM_CLIENT)))
    if _msg_key(key, plain, FROM_CLIENT) != msg_key:
        raise BadMessage("the message key does not fit")
    salt, session_id, msg_id, seq_no, length = struct.unpack_from("<qqqii", plain)
    return Envelope(salt=salt, session_id=session_id, msg_id=msg_id, seq_no=seq_no, body=plain[32 : 32 + length])


def _msg_key(key: bytes, plain: bytes, x: int) -> bytes:
    return sha256(key[88 + x : 120 + x] + plain).digest()[8:24]


def _aes(key: bytes, msg_key: bytes, x: int) -> tuple[bytes, bytes]:
    a = sha256(msg_key + key[x : x + 36]).digest()
    b = sha256(key[40 + x : 76 + x] + msg_key).digest()
    return a[:8] + b[8:24] + a[24:], b[:8] + a[8:24] + b[24:]
