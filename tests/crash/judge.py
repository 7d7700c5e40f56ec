"""What a session file should hold, replayed in plain dicts, and what it holds.

`integrity_check` alone proves nothing: a third of the damage done to spilled transactions passes it. So the judge
compares every row with the acknowledged transactions: all of them must be there, and of the one in flight all or none.
"""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from telethon.sessions import SQLiteSession

from tests.crash.victims import BOT, KEY, Victim, transactions

SIDECARS = ("-journal", "-wal", "-shm")


@dataclass(frozen=True, slots=True)
class Contents:
    """The facts of a session file that a bot would miss."""

    key: bytes
    people: tuple[tuple[Any, ...], ...]
    pts: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """One file after a remedy."""

    integrity_fails: bool = False
    torn: bool = False
    key_unreadable: bool = False
    commits_lost: int = 0
    sidecars: tuple[str, ...] = ()
    telethon_opens: bool = True
    half_created: bool = False
    committed: int = 0
    why: str = ""

    @property
    def damaged(self) -> bool:
        """Whether something that was safe is not there, or something is there that never was."""
        return self.integrity_fails or self.torn or self.key_unreadable or bool(self.commits_lost)


@cache
def contents_after(victim: Victim, commits: int) -> Contents:
    """What the file holds after its first so many commits."""
    people: dict[int, tuple[Any, ...]] = {}
    for transaction in transactions(victim)[:commits]:
        people.update((row[0], row) for row in transaction.rows)
    done = transactions(victim)[:commits]
    rows = tuple(people[number] for number in sorted(people))
    return Contents(KEY if done else b"", rows, done[-1].pts if done else None)


def judge(path: Path, victim: Victim, acknowledged: int) -> Judgement:
    """Judge a file that nobody holds, of which so many commits were acknowledged."""
    sidecars = tuple(suffix for suffix in SIDECARS if path.with_name(path.name + suffix).exists())
    if not path.exists():
        lost = acknowledged
        return Judgement(key_unreadable=lost > 0, commits_lost=lost, sidecars=sidecars, why="no file")
    try:
        with closing(sqlite3.connect(path)) as database:
            checked = database.execute("pragma integrity_check").fetchone()[0]
            version, contents = _read(database)
    except sqlite3.DatabaseError as error:
        return _unreadable(victim, acknowledged, sidecars, str(error))
    if checked != "ok":
        return _unreadable(victim, acknowledged, sidecars, checked, contents.key)
    verdict = _compare(contents, victim, acknowledged)
    return Judgement(
        torn=verdict is None,
        key_unreadable=acknowledged > 0 and contents.key != KEY,
        commits_lost=max(0, acknowledged - verdict) if verdict is not None else 0,
        sidecars=sidecars,
        telethon_opens=_telethon_opens(path, contents.key),
        half_created=version is None,
        committed=verdict or 0,
        why="" if verdict is not None else "rows of no committed state",
    )


def _unreadable(victim: Victim, acknowledged: int, sidecars: tuple[str, ...], why: str, key: bytes = b"") -> Judgement:
    return Judgement(
        integrity_fails=True,
        key_unreadable=acknowledged > 0 and key != KEY,
        commits_lost=max(0, acknowledged - victim.settled),
        sidecars=sidecars,
        telethon_opens=False,
        why=why,
    )


def _compare(contents: Contents, victim: Victim, acknowledged: int) -> int | None:
    """How many commits the contents are the result of; None when of no number of them."""
    newest = min(acknowledged + 1, len(transactions(victim)))
    return next((n for n in range(newest, -1, -1) if contents == contents_after(victim, n)), None)


def _read(database: sqlite3.Connection) -> tuple[int | None, Contents]:
    tables = {name for (name,) in database.execute("select name from sqlite_master where type = 'table'")}
    version = database.execute("select version from version").fetchone() if "version" in tables else None
    keys = database.execute("select auth_key from sessions").fetchall() if "sessions" in tables else []
    people: list[tuple[Any, ...]] = []
    if "entities" in tables:
        people = database.execute("select id, hash, username, phone, name from entities order by id").fetchall()
    pts: list[tuple[int]] = []
    if "update_state" in tables:
        pts = database.execute("select pts from update_state where id = ?", (BOT,)).fetchall()
    key = b"".join(key for (key,) in keys if isinstance(key, bytes))
    return version and version[0], Contents(key, tuple(people), pts[0][0] if pts else None)


def _telethon_opens(path: Path, key: bytes) -> bool:
    session = SQLiteSession.__new__(SQLiteSession)
    try:
        session.__init__(str(path))
    except (sqlite3.Error, TypeError):
        session._conn.close()
        return False
    found = session.auth_key.key if session.auth_key else None
    session.close()
    return (found or b"") == key
