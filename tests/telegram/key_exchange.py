"""The Diffie-Hellman key exchange, by which a client without a key comes to one.

A test lets its clients trust the server with `telethon.crypto.rsa.add_key(telegram.public_key, old=False)`.
"""

import os
from dataclasses import dataclass
from functools import cache
from hashlib import sha1
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from telethon import helpers
from telethon.crypto import AES, AuthKey, rsa
from telethon.extensions import BinaryReader
from telethon.tl import functions, types

from tests.telegram.primes import GENERATOR, SAFE_PRIME, to_bytes
from tests.telegram.refusals import Refusal

if TYPE_CHECKING:
    from tests.telegram.world import World

RSA_BITS = 2048
RSA_DATA_BYTES = 255
# Quick to find, which is not the point here; Telethon reads their product as signed, so its first bit has to be 0.
SMALL_PRIMES = (65_537, 65_539)
STEPS = (functions.ReqPqMultiRequest, functions.ReqDHParamsRequest, functions.SetClientDHParamsRequest)


@dataclass(slots=True, kw_only=True)
class Exchange:
    """One exchange under way: `secret` is our exponent, `new_nonce` the client's second number."""

    nonce: int
    new_nonce: int = 0
    secret: int = 0


class KeyExchange:
    """Answers the three steps, for any number of clients at once; what does not fit raises Refusal."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._under_way: dict[int, Exchange] = {}  # by the server's nonce

    @property
    def public_key(self) -> str:
        """The server's RSA key in PEM."""
        public = _private_key().public_key()
        return public.public_bytes(Encoding.PEM, PublicFormat.PKCS1).decode()

    def answer(self, query: Any) -> Any:
        """The answer to a step."""
        if isinstance(query, functions.ReqPqMultiRequest):
            return self._begin(query)
        if isinstance(query, functions.ReqDHParamsRequest):
            return self._offer(query)
        return self._conclude(query)

    def _begin(self, query: Any) -> Any:
        server_nonce = int.from_bytes(os.urandom(16), signed=True)
        self._under_way[server_nonce] = Exchange(nonce=query.nonce)
        p, q = SMALL_PRIMES
        return types.ResPQ(query.nonce, server_nonce, rsa.get_byte_array(p * q), [_fingerprint()])

    def _offer(self, query: Any) -> Any:
        exchange = self._exchange(query)
        inner = _checked(_rsa_decrypted(query.encrypted_data), types.PQInnerData)
        if (inner.nonce, inner.server_nonce) != (query.nonce, query.server_nonce):
            raise Refusal("NONCE_INVALID", 400)
        exchange.new_nonce = inner.new_nonce
        exchange.secret = int.from_bytes(os.urandom(256), "big")
        offer = types.ServerDHInnerData(
            query.nonce,
            query.server_nonce,
            GENERATOR,
            to_bytes(SAFE_PRIME),
            to_bytes(pow(GENERATOR, exchange.secret, SAFE_PRIME)),
            int(self._world.now().timestamp()),
        )
        plain = sha1(bytes(offer)).digest() + bytes(offer)
        # Telethon's encrypt_ige fills up to whole blocks.
        encrypted = AES.encrypt_ige(plain, *_temporary_key(query, exchange))
        return types.ServerDHParamsOk(query.nonce, query.server_nonce, bytes(encrypted))

    def _conclude(self, query: Any) -> Any:
        exchange = self._exchange(query)
        plain = bytes(AES.decrypt_ige(query.encrypted_data, *_temporary_key(query, exchange)))
        inner = _checked(plain, types.ClientDHInnerData)
        del self._under_way[query.server_nonce]
        shared = pow(int.from_bytes(inner.g_b, "big"), exchange.secret, SAFE_PRIME)
        # Telethon leaves out leading zeros, which one key in 256 has.
        secret = rsa.get_byte_array(shared)
        self._world.keys.make(secret=secret)
        proof = AuthKey(secret).calc_new_nonce_hash(exchange.new_nonce, 1)
        return types.DhGenOk(query.nonce, query.server_nonce, proof)

    def _exchange(self, query: Any) -> Exchange:
        exchange = self._under_way.get(query.server_nonce)
        if exchange is None or exchange.nonce != query.nonce:
            raise Refusal("NONCE_INVALID", 400)
        return exchange


@cache
def _private_key() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=RSA_BITS)


def _fingerprint() -> int:
    public = _private_key().public_key().public_numbers()
    fingerprint: int = rsa._compute_fingerprint(public)
    return fingerprint


def _rsa_decrypted(encrypted: bytes) -> bytes:
    numbers = _private_key().private_numbers()
    return pow(int.from_bytes(encrypted, "big"), numbers.d, numbers.public_numbers.n).to_bytes(RSA_DATA_BYTES, "big")


def _temporary_key(query: Any, exchange: Exchange) -> tuple[bytes, bytes]:
    key, iv = helpers.generate_key_data_from_nonce(query.server_nonce, exchange.new_nonce)
    return key, iv


def _checked(plain: bytes, kind: type[Any]) -> Any:
    """The object behind its SHA-1 and before its padding; raises Refusal when the sum is wrong."""
    with BinaryReader(plain[20:]) as reader:
        inner = reader.tgread_object()
        size = reader.tell_position()
    if not isinstance(inner, kind) or sha1(plain[20 : 20 + size]).digest() != plain[:20]:
        raise Refusal("HASH_INVALID", 400)
    return inner
