"""Writers to be killed: the real Telethon SQLiteSession doing seeded transactions and acknowledging each commit."""

import signal
import sqlite3
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from hashlib import shake_256
from pathlib import Path
from random import Random
from typing import Any

from telethon.crypto import AuthKey
from telethon.sessions import SQLiteSession
from telethon.tl import types

from tests.killing import acknowledge

KEY = shake_256(b"gavatcore crash laboratory").digest(256)
SERVER = (2, "149.154.167.51", 443)
BOT = 777000777
STANDING = "standing still"


class Mode(StrEnum):
    """SQLite's journal modes, as a writer may have them."""

    DELETE = "delete"
    WAL = "wal"
    PERSIST = "persist"
    TRUNCATE = "truncate"


class Profile(StrEnum):
    """How the writer uses its file."""

    DEFAULT = "default"
    SPILL = "spill"
    FRESH = "fresh"


@dataclass(frozen=True, slots=True)
class Shape:
    """How many transactions, on how many rows each, with which page cache."""

    settled: int
    busy: int
    rows: tuple[int, int]
    cache_pages: int | None = None


# A spilled transaction is what a transaction above SQLite's 2 MB cache does: it writes to the file before its commit.
SHAPES = {
    Profile.DEFAULT: Shape(settled=3, busy=20, rows=(20, 150)),
    Profile.SPILL: Shape(settled=3, busy=3, rows=(150, 500), cache_pages=8),
    Profile.FRESH: Shape(settled=0, busy=10, rows=(20, 60)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Victim:
    """One deterministic writer."""

    mode: Mode
    profile: Profile
    seed: int = 0

    @property
    def settled(self) -> int:
        """How many of its transactions are in the file before it starts."""
        return SHAPES[self.profile].settled


Row = tuple[int, int, str | None, int | None, str]


@dataclass(frozen=True, slots=True)
class Transaction:
    """What one commit writes: the login, rows of people, and how far updates were read."""

    login: bool
    rows: tuple[Row, ...]
    pts: int


@cache
def transactions(victim: Victim) -> tuple[Transaction, ...]:
    """All its transactions, the first being the login; the same for every process."""
    shape, random = SHAPES[victim.profile], Random(f"{victim.profile}/{victim.seed}")
    count = shape.settled + shape.busy
    return tuple(
        Transaction(number == 0, () if number == 0 else _rows(random, shape), 1000 + number) for number in range(count)
    )


def _rows(random: Random, shape: Shape) -> tuple[Row, ...]:
    people = random.sample(range(1_000_000, 1_000_000 + 2 * shape.rows[1]), random.randint(*shape.rows))
    return tuple(
        (person, random.getrandbits(60), f"user{random.getrandbits(32)}", None, _name(random)) for person in people
    )


def _name(random: Random) -> str:
    return "".join(random.choices("abcdefghij klmnop", k=random.randint(8, 40))).strip() or "x"


def _patiently(cursor: sqlite3.Cursor, pragma: str) -> None:
    """Telethon's five seconds of patience, for the one statement that SQLite refuses at once: a change to WAL mode."""
    give_up = time.monotonic() + 5.0
    while True:
        try:
            cursor.execute(pragma).fetchall()
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                raise
            time.sleep(0.01)


class TunedSession(SQLiteSession):  # type: ignore[misc]  # Telethon is untyped
    """Telethon's session, with the journal mode and page cache set before it writes anything."""

    def __init__(self, path: Path, *, mode: Mode, cache_pages: int | None) -> None:
        self._tuning = [f"pragma journal_mode={mode}"]
        if cache_pages is not None:
            self._tuning.append(f"pragma cache_size={cache_pages}")
        super().__init__(str(path))

    def _cursor(self) -> sqlite3.Cursor:
        is_new = self._conn is None
        cursor: sqlite3.Cursor = super()._cursor()
        if is_new:
            for pragma in self._tuning:
                _patiently(cursor, pragma)
        return cursor


@cache
def _people(rows: tuple[Row, ...]) -> list[Any]:
    return [types.User(id=row[0], access_hash=row[1], username=row[2], first_name=row[4]) for row in rows]


def apply(session: Any, transaction: Transaction) -> None:
    """Write it through Telethon's own methods, without the commit."""
    if transaction.login:
        session.set_dc(*SERVER)
        session.auth_key = AuthKey(data=KEY)
    session.process_entities(_people(transaction.rows))
    at = datetime(2025, 1, 1, tzinfo=UTC)
    session.set_update_state(BOT, types.updates.State(transaction.pts, 0, at, 1, unread_count=0))


def open_session(path: Path, victim: Victim) -> Any:
    """The victim's session on this file."""
    return TunedSession(path, mode=victim.mode, cache_pages=SHAPES[victim.profile].cache_pages)


def write(path: Path, victim: Victim, first: int, last: int) -> None:
    """Commit its transactions first … last - 1, acknowledging how many are now in the file, and close."""
    session = open_session(path, victim)
    for number in range(first, last):
        apply(session, transactions(victim)[number])
        session.save()
        acknowledge(number + 1)
    session.close()


def _prepare(_path: Path, victim: Victim, first: int, last: int) -> None:
    for transaction in transactions(victim)[first:last]:
        _people(transaction.rows)


def live(path: Path, victim: Victim, first: int, last: int, pause_seconds: float) -> None:
    """A bot's life, begun after a pause and with one in the middle, so that it meets the tool anywhere."""
    time.sleep(pause_seconds)
    session = open_session(path, victim)
    for number in range(first, last):
        apply(session, transactions(victim)[number])
        time.sleep(pause_seconds / 4)
        session.save()
        acknowledge(number + 1)
    session.close()


class Stage(StrEnum):
    """Where a healthy writer stands still."""

    IDLE = "idle"
    COMMITTED = "committed"
    IN_TRANSACTION = "in a transaction"


def hold(path: Path, victim: Victim, first: int, stage: Stage) -> None:
    """Stand still with the file open until SIGUSR1; then commit what is left, and close."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    session = open_session(path, victim)
    for number in range(first, len(transactions(victim))):
        if (stage, number) in {(Stage.IDLE, first), (Stage.COMMITTED, first + 1)}:
            _stand_still()
        apply(session, transactions(victim)[number])
        if (stage, number) == (Stage.IN_TRANSACTION, first + 1):
            _stand_still()
        session.save()
        acknowledge(number + 1)
    session.close()


def _stand_still() -> None:
    acknowledge(STANDING)
    signal.sigwait({signal.SIGUSR1})


write.prepare = _prepare  # type: ignore[attr-defined]  # tests/killing.py looks for it
