"""The second step of a login: proving a password without sending it (SRP, as `account.getPassword` describes it)."""

import os
from functools import cache
from hashlib import sha256
from typing import Any

from telethon.password import compute_hash
from telethon.tl import types

from tests.telegram.primes import GENERATOR, SAFE_PRIME, to_bytes

ALGORITHM = types.PasswordKdfAlgoSHA256SHA256PBKDF2HMACSHA512iter100000SHA256ModPow(
    salt1=b"first salt", salt2=b"second salt", g=GENERATOR, p=to_bytes(SAFE_PRIME)
)


class Challenge:
    """One offer to check a password: `B` goes to the client, which comes back with `A` and a proof."""

    def __init__(self, password: str) -> None:
        self._verifier = _verifier(password)
        self._secret = int.from_bytes(os.urandom(256), "big")
        multiplier = _number(to_bytes(SAFE_PRIME), to_bytes(GENERATOR))
        self._public = (multiplier * self._verifier + pow(GENERATOR, self._secret, SAFE_PRIME)) % SAFE_PRIME

    @property
    def public(self) -> bytes:
        """B."""
        return to_bytes(self._public)

    def is_met(self, answer: Any) -> bool:
        """Whether an InputCheckPasswordSRP proves the password."""
        scrambler = _number(answer.A, self.public)
        shared = pow(_int(answer.A) * pow(self._verifier, scrambler, SAFE_PRIME), self._secret, SAFE_PRIME)
        groups = (_digest(to_bytes(SAFE_PRIME)), _digest(to_bytes(GENERATOR)))
        proof = _digest(
            bytes(p ^ g for p, g in zip(*groups, strict=True)),
            _digest(ALGORITHM.salt1),
            _digest(ALGORITHM.salt2),
            answer.A,
            self.public,
            _digest(to_bytes(shared)),
        )
        return proof == bytes(answer.M1)


@cache
def _verifier(password: str) -> int:
    # A hundred thousand rounds, so once per password.
    return pow(GENERATOR, _int(compute_hash(ALGORITHM, password)), SAFE_PRIME)


def _digest(*parts: bytes) -> bytes:
    return sha256(b"".join(parts)).digest()


def _int(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _number(*parts: bytes) -> int:
    return _int(_digest(*parts))
