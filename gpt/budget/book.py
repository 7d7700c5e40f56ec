"""The book: what this host has spent and holds open, in a SQLite file that all its processes share.

sqlite3 in the wallet's one thread, and not aiosqlite: that brings a thread of its own, bound to one event loop, where
a wallet serves several, and a transaction of three statements would cross threads five times.

A reservation is a row that names its process. Who settles it closes the row and adds what was spent, in one
transaction. The row of a process that is gone, or older than 15 minutes, counts as spent at its whole estimate: what
became of its request nobody knows. `others` is what the rest of the fleet had spent when Redis was last asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from gpt.budget.book_file import connect
from gpt.budget.decide import Decision, Standing, Verdict, admit
from gpt.budget.model import ALL, Amount, Caps, Reservation, scope_of
from gpt.budget.open_sums import OpenSums
from utils.clock import since_boot
from utils.processes import Life, ProcessIdentity, life_of

if TYPE_CHECKING:
    import sqlite3

EXPIRES_AFTER = 15 * 60.0
"""Seconds; far above any deadline of a request."""
_DAYS_KEPT = 60
_CLOSED_AT_ONCE = 200

_OWN = "wallet = ? AND day = ?"
_ADD = """
INSERT INTO spent (wallet, day, scope, tokens, money) VALUES (?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET tokens = tokens + excluded.tokens, money = money + excluded.money
"""
_NOTE = """
INSERT INTO spent (wallet, day, scope, others_tokens, others_money) VALUES (?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET others_tokens = max(others_tokens, excluded.others_tokens),
    others_money = max(others_money, excluded.others_money)
"""
_HELD = "SELECT tokens, money, pid = ? AND ticks = ? AND boot = ? FROM reserved WHERE id = ? AND closed = 0"
_PROCESSES = """
SELECT pid, ticks, boot, pid_namespace, min(expires_at) FROM reserved WHERE closed = 0
GROUP BY pid, ticks, boot, pid_namespace
"""
_HELD_BY = """
SELECT id, wallet, day, bot, tokens, money FROM reserved
WHERE closed = 0 AND pid = ? AND ticks = ? AND boot = ? AND pid_namespace = ? AND expires_at < ?
"""
# The days begun last, not the latest ones: a clock that was ahead for a while must not cost today's figures
_FORGET = """
DELETE FROM spent WHERE wallet = ?1 AND day NOT IN
    (SELECT day FROM spent WHERE wallet = ?1 AND scope = ?2 ORDER BY rowid DESC LIMIT ?3)
"""


class Share(NamedTuple):
    """What a scope has spent: by the book of this host, and by all others as last seen."""

    own: Amount
    others: Amount

    @property
    def total(self) -> Amount:
        """By all of them."""
        return self.own.plus(self.others)


class Statement(NamedTuple):
    """What Redis is told with every call: enough to have all back that it may have forgotten."""

    book: str
    day: str
    bot: str
    shares: Mapping[str, Share]
    """Of all bots together, and of the bot."""
    own_open: Mapping[str, int]
    closed: tuple[str, ...]
    """Names of reservations that are over."""
    open: Callable[[], tuple[str, ...]]
    """Looks up the names of those that are not, as `Book.name_of` gives them: there may be thousands."""


class Book:
    """All calls block and come from one thread at a time; they raise sqlite3.Error, OSError, GptSettingsError."""

    def __init__(
        self,
        folder: str | None,
        wallet: str,
        process: ProcessIdentity,
        *,
        is_shared: bool = False,
        boottime: Callable[[], float] = since_boot,
    ) -> None:
        self.folder = folder
        """Where its file lies; None: in memory."""
        self._wallet = wallet
        self._process = process
        self._is_shared = is_shared
        self._boottime = boottime
        self._connection: sqlite3.Connection | None = None
        self._open = OpenSums(wallet, process)
        self.name = ""
        """By which Redis tells this book from others'."""

    def reserve(self, asked: Reservation, caps: Caps) -> Decision:
        """Judge and write in one transaction: the wallet of one host."""
        with self._writing() as db:
            decision = admit(self._standings(db, asked, caps), asked.amount)
            if decision.verdict is Verdict.WAIT and self._reap(db):
                decision = admit(self._standings(db, asked, caps), asked.amount)
            if decision.verdict is Verdict.ADMIT:
                self._insert(db, asked)
        return decision

    def insert(self, asked: Reservation) -> None:
        """Write a reservation that Redis has admitted."""
        with self._writing() as db:
            self._insert(db, asked)

    def settle(self, held: Reservation, spent: Amount) -> None:
        """Close it and count what it took; nothing where it has expired, and so counted already."""
        with self._writing() as db:
            row = db.execute(_HELD, (*self._process[:3], held.id)).fetchone()
            if row is not None:
                tokens, money, is_own = row
                self._close(db, held.id)
                self._open.add(held.day, held.bot, Amount(-tokens, -money), own=-is_own)
                self._add(db, self._wallet, held.day, held.bot, spent)

    def count(self, day: str, spent: Mapping[str, Amount]) -> None:
        """Add what each scope spent without a reservation."""
        with self._writing() as db:
            db.executemany(_ADD, [(self._wallet, day, scope, *amount) for scope, amount in spent.items()])

    def inherit(self, day: str, spent: Mapping[str, Amount]) -> None:
        """What a parent process had spent, where no file says so: its own spending is the parent's to tell Redis."""
        with self._writing() as db:
            query = _NOTE if self._is_shared else _ADD
            db.executemany(query, [(self._wallet, day, scope, *amount) for scope, amount in spent.items()])

    def reap(self) -> bool:
        """Count the reservations of dead processes, and expired ones, as spent; whether there were any."""
        with self._writing() as db:
            return self._reap(db)

    def shares(self, day: str, *bots: str) -> dict[str, Share]:
        """What all bots together have spent on a day, and these bots."""
        db = self._opened()
        return {scope: self._share(db, day, scope) for scope in (ALL, *map(scope_of, bots))}

    def statement(self, day: str, bot: str) -> Statement:
        """What Redis is to know of a bot's day."""
        with self._reading() as db:
            shares = {scope: self._share(db, day, scope) for scope in (ALL, scope_of(bot))}
            own_open = {scope: self._open.of(db, day, scope).own for scope in shares}
            closed = self._names(db, day, closed=True, limit=_CLOSED_AT_ONCE)
            return Statement(self.name, day, bot, shares, own_open, closed, partial(self._open_names, day))

    def name_of(self, held: Reservation) -> str:
        """What a reservation is called in Redis: whose it is, and all that must be taken back with it."""
        return f"{self.name}-{held.id} {held.amount.tokens} {held.amount.money} {held.bot}"

    def acknowledge(self, statement: Statement, others: Mapping[str, Amount]) -> None:
        """Redis knows the statement, and answered what the others have spent."""
        ids = [(name.split(" ", 1)[0].partition("-")[2],) for name in statement.closed]
        news = {scope: amount for scope, amount in others.items() if amount != statement.shares[scope].others}
        if not ids and not news:
            return
        with self._writing() as db:
            db.executemany("DELETE FROM reserved WHERE id = ? AND closed = 1", ids)
            db.executemany(_NOTE, [(self._wallet, statement.day, scope, *amount) for scope, amount in news.items()])

    def note_told(self, day: str, scope: str, what: str, level: float) -> bool:
        """Whether nobody of this host was told of that before; from now on somebody was."""
        with self._writing() as db:
            row = (self._wallet, day, scope, what, level)
            return db.execute("INSERT OR IGNORE INTO told VALUES (?, ?, ?, ?, ?)", row).rowcount == 1

    def close(self) -> None:
        """It is opened anew by the next call; one in memory stays as it is."""
        if self._connection is not None and self.folder is not None:
            connection, self._connection = self._connection, None
            self._open.forget()
            connection.close()

    def _open_names(self, day: str) -> tuple[str, ...]:
        with self._reading() as db:
            return self._names(db, day, closed=False, limit=-1)

    def abandon(self) -> sqlite3.Connection | None:
        """In a forked child: give the parent's connection up, to be kept and never closed here.

        SQLite forbids carrying a connection across a fork (sqlite.org/howtocorrupt.html §2.6).
        """
        connection, self._connection = self._connection, None
        self._open.forget()
        return connection

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = connect(self.folder)
            self.name = self._connection.execute("SELECT name FROM book").fetchone()[0]
            with self._writing() as db:
                self._reap(db)
                db.execute(_FORGET, (self._wallet, ALL, _DAYS_KEPT))
                db.execute("DELETE FROM told WHERE day NOT IN (SELECT day FROM spent)")
                db.execute("DELETE FROM reserved WHERE closed = 1 AND day NOT IN (SELECT day FROM spent)")
        return self._connection

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        yield from self._transaction("BEGIN IMMEDIATE")

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        yield from self._transaction("BEGIN")

    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        db = self._opened()
        db.execute(begin)
        try:
            yield db
            db.execute("COMMIT")
        except BaseException:
            self._open.forget()
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise

    def _standings(self, db: sqlite3.Connection, asked: Reservation, caps: Caps) -> list[Standing]:
        standings = []
        for scope in (ALL, scope_of(asked.bot)):
            held = self._open.of(db, asked.day, scope)
            spent = self._share(db, asked.day, scope).total
            standings.append(Standing(scope, caps.of(scope), spent, held.amount, held.own))
        return standings

    def _share(self, db: sqlite3.Connection, day: str, scope: str) -> Share:
        query = (
            "SELECT tokens, money, others_tokens, others_money FROM spent WHERE wallet = ? AND day = ? AND scope = ?"
        )
        row = db.execute(query, (self._wallet, day, scope)).fetchone() or (0, 0, 0, 0)
        return Share(Amount(*row[:2]), Amount(*row[2:]))

    def _names(self, db: sqlite3.Connection, day: str, *, closed: bool, limit: int) -> tuple[str, ...]:
        query = f"SELECT id, tokens, money, bot FROM reserved WHERE {_OWN} AND closed = ? LIMIT ?"
        rows = db.execute(query, (self._wallet, day, int(closed), limit))
        return tuple(f"{self.name}-{id_} {tokens} {money} {bot}" for id_, tokens, money, bot in rows)

    def _insert(self, db: sqlite3.Connection, asked: Reservation) -> None:
        row = (asked.id, self._wallet, asked.day, asked.bot, *asked.amount, *self._process)
        values = (*row, self._boottime() + EXPIRES_AFTER, 0)
        db.execute(f"INSERT INTO reserved VALUES ({', '.join('?' * len(values))})", values)
        self._open.add(asked.day, asked.bot, asked.amount, own=1)

    def _close(self, db: sqlite3.Connection, id_: str) -> None:
        if self._is_shared:  # kept until Redis knows
            db.execute("UPDATE reserved SET closed = 1 WHERE id = ?", (id_,))
        else:
            db.execute("DELETE FROM reserved WHERE id = ?", (id_,))

    def _add(self, db: sqlite3.Connection, wallet: str, day: str, bot: str, spent: Amount) -> None:
        db.executemany(_ADD, [(wallet, day, scope, *spent) for scope in (ALL, scope_of(bot))])

    def _reap(self, db: sqlite3.Connection) -> bool:
        now, is_any_over = self._boottime(), False
        for *names, expires_at in db.execute(_PROCESSES).fetchall():
            process = ProcessIdentity(*names)
            # One of an earlier boot has ended: no two machines share a book, they have a Redis for that
            is_gone = process != self._process and (
                process.boot != self._process.boot or life_of(process) is Life.ENDED
            )
            if not is_gone and expires_at >= now:
                continue
            is_any_over = True
            self._open.forget()
            rows = db.execute(_HELD_BY, (*process, float("inf") if is_gone else now)).fetchall()
            for id_, wallet, day, bot, tokens, money in rows:
                self._close(db, id_)
                self._add(db, wallet, day, bot, Amount(tokens, money))
        return is_any_over
