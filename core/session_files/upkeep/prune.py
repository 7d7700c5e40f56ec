"""Shrinking the entity cache of a session: which rows may go, and letting SQLite drop them.

Telethon keeps a row for every user, group and channel it ever saw and never drops one; half a million take 24 MB, and a
lookup by name that misses reads them all on the event loop (research: telethon §3.4). A dropped row costs a question to
Telegram when it is needed again, and a bot may not be able to ask: so some never go.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing

from core.errors import UndoRefused
from core.session_files.mending.act import Acted
from core.session_files.mending.recovery import connect_alone, errors_named, exclusive_transaction
from core.session_files.model import PlanEntry
from core.session_files.upkeep.plan import PruneRule, PruneSurvey
from utils.sqlite_uri import sqlite_uri
from utils.units import size_text

# Row 0 holds the account's own id as its hash, and that row the account itself (Telethon, _save_states_and_entities).
# A channel with a state is looked up when the client catches up; entities bear marked ids (Telethon, get_peer_id).
_NEVER = """
    SELECT 0
    UNION SELECT hash FROM entities WHERE id = 0
    UNION SELECT id FROM update_state
    UNION SELECT -id FROM update_state
    UNION SELECT -1000000000000 - id FROM update_state
"""
_NEWEST = "SELECT id FROM entities ORDER BY date DESC, id LIMIT :keep"
_NAMED = ("username", "phone", "name")


def survey(path: str, rule: PruneRule) -> PruneSurvey:
    """Count what would go, without changing anything; raises SessionFileError."""
    with errors_named(path), closing(sqlite3.connect(sqlite_uri(path, mode="ro"), uri=True, timeout=0.0)) as database:
        return _survey(database, rule)


def glance(path: str, rule: PruneRule) -> PruneSurvey:
    """As `survey`, without counting what goes: only whether something does; raises SessionFileError."""
    with errors_named(path), closing(sqlite3.connect(sqlite_uri(path, mode="ro"), uri=True, timeout=0.0)) as database:
        (rows,) = database.execute("SELECT count(*) FROM entities").fetchone()
        found = (
            _surely_goes(database, rule, rows)
            or database.execute(f"SELECT 1 FROM entities WHERE {_going(rule)} LIMIT 1", rule._asdict()).fetchone()
        )
        return _rest_of_survey(database, rule)._replace(rows=rows, going=None if found else 0)


def prune(path: str, rule: PruneRule) -> PruneSurvey:
    """Drop the rows, add what indexes were asked for, and give the room back; returns what was done.

    Raises SessionFileBusy when somebody came first, SessionFileError.
    """
    with connect_alone(path) as database:
        # VACUUM cuts the file right after it removed its journal: if only the first reached the disk, the journal would
        # be played back into a file whose end is gone.
        database.execute("PRAGMA synchronous = EXTRA")
        with exclusive_transaction(database):
            done = _rest_of_survey(database, rule)
            dropped = database.execute(f"DELETE FROM entities WHERE {_going(rule)}", rule._asdict()).rowcount
            for column in _NAMED if rule.indexes else ():
                database.execute(f"CREATE INDEX IF NOT EXISTS {_index(column)} ON entities ({column})")
        if dropped or done.free_bytes:
            database.execute("VACUUM")
    return done._replace(going=dropped)


def prune_family(entry: PlanEntry, rule: PruneRule) -> Acted:
    """Prune the session of a plan's entry."""
    path = entry.seen.family.target
    before = os.stat(path).st_size
    done = prune(path, rule)
    parts = [f"{done.going:,} entities dropped"] if done.going else []
    parts += ["indexes added"] if done.missing_indexes else []
    return Acted(summary="; ".join([*parts, f"{size_text(before)} → {size_text(os.stat(path).st_size)}"]))


def give_back(path: str, copy: str) -> int:
    """Insert the rows that `copy` has and the session lacks, and return how many; what is newer stays.

    Raises UndoRefused when it is another login by now, SessionFileBusy when somebody has it open, SessionFileError.
    """
    with connect_alone(path) as database:
        database.execute("PRAGMA synchronous = EXTRA")  # FULL could lose this commit after it was noted as undone
        database.execute("ATTACH ? AS copy", (sqlite_uri(copy, mode="ro"),))
        keys = "SELECT dc_id, auth_key FROM {}.sessions ORDER BY 1"
        if database.execute(keys.format("main")).fetchall() != database.execute(keys.format("copy")).fetchall():
            # Access hashes belong to one account.
            raise UndoRefused("another login stands there now", path=path, hint=f"the bytes of before are in {copy}")
        with exclusive_transaction(database):
            for column in _NAMED:
                if not _has_index(database, column, "copy"):
                    database.execute(f"DROP INDEX IF EXISTS main.{_index(column)}")
            return database.execute("INSERT OR IGNORE INTO main.entities SELECT * FROM copy.entities").rowcount


def _survey(database: sqlite3.Connection, rule: PruneRule) -> PruneSurvey:
    (rows,) = database.execute("SELECT count(*) FROM entities").fetchone()
    counted = f"SELECT count(*), count(coalesce(username, phone, name)) FROM entities WHERE {_going(rule)}"
    going, named = database.execute(counted, rule._asdict()).fetchone()
    return _rest_of_survey(database, rule)._replace(rows=rows, going=going, named=named)


def _rest_of_survey(database: sqlite3.Connection, rule: PruneRule) -> PruneSurvey:
    """What can be told without looking at the rows."""
    (free,) = database.execute("PRAGMA freelist_count").fetchone()
    (page_size,) = database.execute("PRAGMA page_size").fetchone()
    missing = sum(not _has_index(database, column, "main") for column in _NAMED) if rule.indexes else 0
    return PruneSurvey(0, 0, 0, free * page_size, missing)


def _surely_goes(database: sqlite3.Connection, rule: PruneRule, rows: int) -> bool:
    """Whether there are more rows than may stay, told without sorting them."""
    (never,) = database.execute(f"SELECT count(*) FROM ({_NEVER})").fetchone()
    return rule.keep is not None and rows > rule.keep + int(never)


def _going(rule: PruneRule) -> str:
    """The condition on a row that the rule lets go."""
    newest = f"SELECT id FROM ({_NEWEST})"
    if rule.older_than is None and rule.keep is None:
        return "FALSE"
    if rule.older_than is None:
        return f"id NOT IN ({_NEVER} UNION {newest})"  # one set to ask, not two: a fifth of the time
    too_many = f" OR id NOT IN ({newest})" if rule.keep is not None else ""
    return f"id NOT IN ({_NEVER}) AND (date < :older_than{too_many})"


def _index(column: str) -> str:
    return f"gavat_entities_{column}"


def _has_index(database: sqlite3.Connection, column: str, schema: str) -> bool:
    query = f"SELECT 1 FROM {schema}.sqlite_schema WHERE type = 'index' AND name = ?"
    return database.execute(query, (_index(column),)).fetchone() is not None
