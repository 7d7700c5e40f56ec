"""What is reserved, as sums that go along with the book: judging a request must not add up thousands of open ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gpt.budget.model import ALL, Amount, scope_of

if TYPE_CHECKING:
    import sqlite3

    from utils.processes import ProcessIdentity

_SUMS = """
SELECT bot, sum(tokens), sum(money), sum(pid = ? AND ticks = ? AND boot = ?)
FROM reserved WHERE wallet = ? AND day = ? AND closed = 0 GROUP BY bot
"""


class Held(NamedTuple):
    """What one scope holds open."""

    amount: Amount = Amount()
    own: int = 0
    """Reservations of the asking process itself."""


class OpenSums:
    """The sums of one day, by scope; read from the book again when anybody else has written there.

    SQLite tells that by a number (`PRAGMA data_version`), which must be asked inside of the transaction.
    """

    def __init__(self, wallet: str, process: ProcessIdentity) -> None:
        self._wallet = wallet
        self._process = process
        self._day = ""
        self._version = -1
        self._held: dict[str, Held] = {}

    def of(self, db: sqlite3.Connection, day: str, scope: str) -> Held:
        """What a scope holds open now."""
        version: int = db.execute("PRAGMA data_version").fetchone()[0]
        if (day, version) != (self._day, self._version):
            self._read(db, day)
            self._day, self._version = day, version
        return self._held.get(scope, Held())

    def add(self, day: str, bot: str, amount: Amount, *, own: int) -> None:
        """The process wrote a reservation, or, with numbers below zero, closed one."""
        if day == self._day:
            for scope in (ALL, scope_of(bot)):
                self._sum(scope, amount, own)

    def forget(self) -> None:
        """What was written is in doubt."""
        self._version = -1

    def _read(self, db: sqlite3.Connection, day: str) -> None:
        self._held = {}
        for bot, tokens, money, own in db.execute(_SUMS, (*self._process[:3], self._wallet, day)):
            for scope in (ALL, scope_of(bot)):
                self._sum(scope, Amount(tokens, money), own)

    def _sum(self, scope: str, amount: Amount, own: int) -> None:
        held = self._held.get(scope, Held())
        self._held[scope] = Held(held.amount.plus(amount), held.own + own)
