"""Login codes that were sent, each under a hash."""

import os
from dataclasses import dataclass
from enum import Enum, auto


class CodeState(Enum):
    """What a code that somebody typed is worth."""

    RIGHT = auto()
    WRONG = auto()
    EXPIRED = auto()


@dataclass(slots=True, kw_only=True)
class SentCode:
    """One code."""

    phone: str
    code: str
    expired: bool = False


class Codes:
    """The codes of all logins under way."""

    def __init__(self) -> None:
        self._by_hash: dict[str, SentCode] = {}

    def send(self, phone: str, code: str) -> str:
        """Send a code, and give its hash."""
        code_hash = os.urandom(9).hex()
        self._by_hash[code_hash] = SentCode(phone=phone, code=code)
        return code_hash

    def check(self, code_hash: str, code: str) -> CodeState:
        """What this code is worth; one that nobody sent is as good as expired."""
        sent = self._by_hash.get(code_hash)
        if sent is None or sent.expired:
            return CodeState.EXPIRED
        return CodeState.RIGHT if sent.code == code else CodeState.WRONG

    def use(self, code_hash: str) -> None:
        """A code logs in once."""
        self._by_hash[code_hash].expired = True

    def expire(self) -> None:
        """All that were sent so far have waited too long."""
        for sent in self._by_hash.values():
            sent.expired = True
