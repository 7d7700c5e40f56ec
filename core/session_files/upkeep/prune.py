"""Shrinking the entity cache of a session: which rows may go, and letting SQLite drop them.

Telethon keeps a row for every user, group and channel it ever saw and never drops one; half a million take 24 MB, and a
lookup by name that misses reads them all on the event loop (research: telethon §3.4). A dropped row costs a question to
Telegram when it is needed again, and a bot may not be able to ask: so some never go.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing

from core.session_files.mending.apply import Acted
from core.session_files.mending.recovery import connect_alone, errors_named, exclusive_transaction
from core.session_files.model import PlanEntry
from core.session_files.upkeep.plan import PruneRule, PruneSurvey
from utils.sqlite_uri import sqlite_uri
from utils.units import size_text

# Row 0 holds the account's own id as its hash, and that row the account itself (Telethon, _save_states_and_entities).
# A channel with a state is looked up when the client catches up; entities bear marked ids (Telethon, get_peer_id).
_GOING = """
WITH kept(id) AS (
    SELECT 0
    UNION SELECT hash FROM entities WHERE id = 0
    UNION SELECT id FROM update_state
    UNION SELECT -id FROM update_state
    UNION SELECT -1000000000000 - id FROM update_state
), loose AS (
    SELECT id, date FROM entities WHERE id NOT IN (SELECT id FROM kept)
), going(id) AS (
    SELECT id FROM loose WHERE date < :older_than
    UNION SELECT id FROM (SELECT id FROM loose ORDER BY date DESC, id LIMIT -1 OFFSET :keep)
)
"""
_NAMED = ("username", "phone", "name")
_ALL = 1 << 62


def survey(path: str, rule: PruneRule) -> PruneSurvey:
    """Count what would go, without changing anything; raises SessionFileError."""
    with errors_named(path), closing(sqlite3.connect(sqlite_uri(path, mode="ro"), uri=True, timeout=0.0)) as database:
        return _survey(database, rule)


def prune(path: str, rule: PruneRule) -> PruneSurvey:
    """Drop the rows, add what indexes were asked for, and give the room back; returns what was done.

    Raises SessionFileBusy when somebody came first, SessionFileError.
    """
    with connect_alone(path) as database:
        with exclusive_transaction(database):
            done = _survey(database, rule)
            database.execute(f"DELETE FROM entities WHERE id IN ({_GOING} SELECT id FROM going)", _parameters(rule))
            for column in _NAMED if rule.indexes else ():
                database.execute(f"CREATE INDEX IF NOT EXISTS {_index(column)} ON entities ({column})")
        if done.going or done.free_bytes:
            database.execute("VACUUM")
    return done


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

    Raises SessionFileBusy when somebody has it open, SessionFileError.
    """
    with connect_alone(path) as database:
        database.execute("ATTACH ? AS copy", (sqlite_uri(copy, mode="ro"),))
        with exclusive_transaction(database):
            for column in _NAMED:
                if not _has_index(database, column, "copy"):
                    database.execute(f"DROP INDEX IF EXISTS main.{_index(column)}")
            return database.execute("INSERT OR IGNORE INTO main.entities SELECT * FROM copy.entities").rowcount


def _survey(database: sqlite3.Connection, rule: PruneRule) -> PruneSurvey:
    (rows,) = database.execute("SELECT count(*) FROM entities").fetchone()
    going, named = database.execute(
        f"{_GOING} SELECT count(*), count(coalesce(username, phone, name)) FROM entities WHERE id IN going",
        _parameters(rule),
    ).fetchone()
    (free,) = database.execute("PRAGMA freelist_count").fetchone()
    (page_size,) = database.execute("PRAGMA page_size").fetchone()
    missing = sum(not _has_index(database, column, "main") for column in _NAMED) if rule.indexes else 0
    return PruneSurvey(rows, going, named, free * page_size, missing)


def _parameters(rule: PruneRule) -> dict[str, int]:
    older_than = rule.older_than if rule.older_than is not None else -_ALL
    return {"older_than": older_than, "keep": rule.keep if rule.keep is not None else _ALL}


def _index(column: str) -> str:
    return f"gavat_entities_{column}"


def _has_index(database: sqlite3.Connection, column: str, schema: str) -> bool:
    query = f"SELECT 1 FROM {schema}.sqlite_schema WHERE type = 'index' AND name = ?"
    return database.execute(query, (_index(column),)).fetchone() is not None
