"""Which schema a database is of by its columns, and the statements that make a half one whole."""

from __future__ import annotations

import sqlite3
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from telethon.crypto import AuthKey
from telethon.sessions import SQLiteSession

from core.session_files.database.schema import (
    NEWEST_SCHEMA,
    TABLES,
    NotTelethons,
    column_names,
    definition,
    downgrades,
    schema_of,
    schema_repairs,
)

VERSIONS = [4, 5, 6, 7, 8]


def _columns(version: int, tables: tuple[str, ...] = TABLES) -> dict[str, tuple[str, ...]]:
    return {table: column_names(table, version) for table in tables}


def test_the_tables_are_those_that_telethon_makes(tmp_path: Path) -> None:
    """Names, types and keys of the newest schema, column by column."""
    SQLiteSession(str(tmp_path / "real")).close()
    real, ours = sqlite3.connect(tmp_path / "real.session"), sqlite3.connect(":memory:")
    for table in TABLES:
        ours.execute(definition(table))

        query = f"PRAGMA table_info({table})"
        assert [row[:6] for row in ours.execute(query)] == [row[:6] for row in real.execute(query)]
    real.close()
    ours.close()


@pytest.mark.parametrize("version", VERSIONS)
def test_whole_tables_are_of_their_own_version(version: int) -> None:
    columns = _columns(version)

    # 5 and 6 have the same columns: 6 only dropped the entities
    assert schema_of(columns) == {5: 6}.get(version, version)
    assert schema_repairs(columns, [schema_of(columns)]) == ()


@pytest.mark.parametrize("made", range(len(TABLES) + 1))
def test_a_first_start_cut_after_any_table_is_completed(made: int, tmp_path: Path) -> None:
    """Telethon makes its tables one by one and writes the version last; afterwards it opens the file."""
    path = tmp_path / "half.session"
    with sqlite3.connect(path) as database:
        for table in TABLES[:made]:
            database.execute(definition(table))
        for statement in schema_repairs(_columns(NEWEST_SCHEMA, TABLES[:made]), []):
            database.execute(statement)
    database.close()

    session = SQLiteSession(str(path))
    session.set_dc(2, "149.154.167.51", 443)
    session.auth_key = AuthKey(b"k" * 256)
    session.close()

    again = SQLiteSession(str(path))
    assert again.auth_key.key == b"k" * 256
    again.close()


@pytest.mark.parametrize("version", [4, 6, 7])
def test_an_upgrade_cut_anywhere_is_completed_and_telethon_goes_on_from_there(version: int, tmp_path: Path) -> None:
    """The columns are of the next version, the row of the one before."""
    path = tmp_path / "half.session"
    columns = _columns(version + 1)
    with sqlite3.connect(path) as database:
        for table in TABLES:
            database.execute(definition(table, version + 1))
        database.execute("INSERT INTO version VALUES (?)", (version,))
        for statement in schema_repairs(columns, [version]):
            database.execute(statement)
    database.close()

    SQLiteSession(str(path)).close()

    with sqlite3.connect(path) as database:
        assert database.execute("SELECT version FROM version").fetchall() == [(NEWEST_SCHEMA,)]
    database.close()


def test_a_version_that_is_ahead_of_its_columns_is_taken_back() -> None:
    """Telethon then makes the upgrade itself."""
    assert schema_repairs(_columns(7), [8]) == ("DELETE FROM version", "INSERT INTO version VALUES (7)")


def test_a_missing_column_is_added() -> None:
    """Telethon inserts by position: six values into five columns fail."""
    columns = {**_columns(8), "entities": column_names("entities", 6)}

    assert schema_repairs(columns, [8]) == ("ALTER TABLE entities ADD COLUMN date integer",)


def test_a_table_of_another_kind_is_not_repaired() -> None:
    with pytest.raises(NotTelethons, match="the table entities has columns that are not Telethon's"):
        schema_repairs({**_columns(8), "entities": ("id", "access_hash")}, [8])


@given(st.sets(st.sampled_from(TABLES)), st.sampled_from(VERSIONS), st.lists(st.integers(0, 9), max_size=2))
def test_after_a_repair_nothing_is_left_to_repair(tables: set[str], version: int, versions: list[int]) -> None:
    database = sqlite3.connect(":memory:")
    for table in tables:
        database.execute(definition(table, version))
    versions = list(dict.fromkeys(versions)) if "version" in tables else []
    for one in versions:
        database.execute("INSERT INTO version VALUES (?)", (one,))

    for statement in schema_repairs(_read(database), versions):
        database.execute(statement)

    found = [row[0] for row in database.execute("SELECT version FROM version")]
    assert schema_repairs(_read(database), found) == ()
    assert len(found) == 1
    database.close()


def _read(database: sqlite3.Connection) -> dict[str, list[str]]:
    found = {table: [row[1] for row in database.execute(f"PRAGMA table_info({table})")] for table in TABLES}
    return {table: names for table, names in found.items() if names}


@pytest.mark.parametrize(("newer", "older"), [pair for pair in combinations([8, 7, 6, 5, 4], 2) if pair != (6, 5)])
def test_a_downgraded_database_has_the_tables_of_that_version(newer: int, older: int) -> None:
    database = sqlite3.connect(":memory:")
    for table in TABLES:
        database.execute(definition(table, newer))

    for statement in downgrades(_read(database), older):
        database.execute(statement)

    assert _read(database) == {table: list(names) for table, names in _columns(older).items()}
    assert database.execute("SELECT version FROM version").fetchall() == [(older,)]
    database.close()


@pytest.mark.parametrize("version", [3, 8, 9])
def test_a_downgrade_goes_down(version: int) -> None:
    with pytest.raises(ValueError, match="it is of schema 8; a downgrade goes to one from 4 to 7"):
        downgrades(_columns(8), version)
