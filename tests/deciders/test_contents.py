"""What a database is said to be, for each state of a file that operators meet (research: telethon §3.4)."""

from __future__ import annotations

import pytest

from core.session_files.database.contents import judge_pages, judge_tables, login_is_overlaid
from core.session_files.model import Contents, ContentsKind
from tests.deciders.databases import (
    ENTITIES,
    KEY,
    SESSIONS_7,
    SESSIONS_8,
    SESSIONS_9,
    TABLES_8,
    UPDATE_STATE,
    VERSION,
    Row,
    database_of,
    open_pages,
    telethon_session,
)

SECRET = b"secret of this process"


def judge(main: bytes, *, secret: bytes = SECRET) -> Contents:
    return judge_pages(open_pages(main), secret=secret)


def version(number: int) -> str:
    return f"INSERT INTO version VALUES ({number})"


@pytest.mark.parametrize("people", [0, 500], ids=["new", "with entities"])
def test_a_logged_in_session_is_telethon(people: int) -> None:
    """Schema 8, one login, a whole key."""
    contents = judge(telethon_session(people))

    assert (contents.kind, contents.schema_version, contents.reason) == (ContentsKind.TELETHON, 8, "")
    assert (contents.logged_in, contents.login_rows) == (True, 1)


def test_an_older_schema_is_telethon_too() -> None:
    """Version 7 is upgraded by Telethon itself; it is whole as it stands."""
    contents = judge(database_of(VERSION, SESSIONS_7, ENTITIES, UPDATE_STATE, version(7), key=KEY))

    assert (contents.kind, contents.schema_version) == (ContentsKind.TELETHON, 7)


def test_a_migrated_table_is_told_by_its_column() -> None:
    """ALTER TABLE writes the new column into the stored SQL, and old rows stay short."""
    added = "ALTER TABLE sessions ADD COLUMN tmp_auth_key blob"

    contents = judge(database_of(VERSION, SESSIONS_7, ENTITIES, version(8), added, key=KEY))

    assert (contents.kind, contents.logged_in) == (ContentsKind.TELETHON, True)


@pytest.mark.parametrize(
    ("statements", "number"),
    [
        ((VERSION, SESSIONS_8, ENTITIES, version(7)), 7),
        ((VERSION, SESSIONS_7, ENTITIES, version(8)), 8),
    ],
    ids=["column there, version old", "version new, column missing"],
)
def test_columns_of_another_version_are_half_migrated(statements: tuple[str, ...], number: int) -> None:
    """Telethon fails with «duplicate column name» or «too many values», for ever."""
    contents = judge(database_of(*statements, key=KEY))

    assert (contents.kind, contents.schema_version) == (ContentsKind.HALF_MIGRATED, number)
    assert contents.reason == f"schema {number}, but its columns are of another version"


def test_a_newer_schema_is_named() -> None:
    """Version 9 is for a newer Telethon; its login is seen all the same."""
    contents = judge(database_of(VERSION, SESSIONS_9, ENTITIES, version(9), key=KEY))

    assert (contents.kind, contents.schema_version, contents.logged_in) == (ContentsKind.NEWER, 9, True)


@pytest.mark.parametrize(
    ("statements", "reason"),
    [
        (("PRAGMA user_version = 1",), "a database without tables"),
        ((VERSION,), "the version row is missing"),
        (TABLES_8, "the version row is missing"),
        ((VERSION, version(8)), "the table of logins is missing"),
        ((SESSIONS_8, ENTITIES), "the version table is missing"),
        ((ENTITIES,), "the version table is missing"),
    ],
    ids=["no tables", "version only", "no version row", "no sessions", "no version table", "entities only"],
)
def test_an_interrupted_creation_is_half_created(statements: tuple[str, ...], reason: str) -> None:
    """Whatever the first start had not yet written when it was cut short."""
    contents = judge(database_of(*statements))

    assert contents.kind is ContentsKind.HALF_CREATED
    assert contents.reason.startswith(reason)


def test_a_half_created_session_may_hold_a_key() -> None:
    """Without its version row it cannot start, and its login is still there to be rescued."""
    contents = judge(database_of(*TABLES_8, key=KEY))

    assert (contents.kind, contents.schema_version) == (ContentsKind.HALF_CREATED, None)
    assert (contents.logged_in, contents.login_rows) == (True, 1)


def test_a_pyrogram_session_is_named() -> None:
    """Its tables share two names with ours."""
    sessions = """CREATE TABLE sessions (dc_id INTEGER PRIMARY KEY, api_id INTEGER, test_mode INTEGER, auth_key BLOB,
        date INTEGER NOT NULL, user_id INTEGER, is_bot INTEGER)"""
    peers = "CREATE TABLE peers (id INTEGER PRIMARY KEY, access_hash INTEGER, type INTEGER NOT NULL, phone_number TEXT)"
    number = "CREATE TABLE version (number INTEGER PRIMARY KEY)"

    contents = judge(database_of(sessions, peers, number, "INSERT INTO version VALUES (3)"))

    assert (contents.kind, contents.reason) == (
        ContentsKind.PYROGRAM,
        "a session of Pyrogram or one of its forks",
    )


def test_a_database_of_something_else_is_foreign() -> None:
    """A bookmarks file with a session's name; views do not confuse."""
    contents = judge(database_of("CREATE TABLE bookmarks (url text)", "CREATE VIEW sessions AS SELECT 1"))

    assert (contents.kind, contents.reason) == (ContentsKind.FOREIGN, "a database, but not of Telethon")


@pytest.mark.parametrize("key", [b"", KEY[:255], None], ids=["empty key", "short key", "no row"])
def test_without_a_whole_key_nobody_is_logged_in(key: bytes | None) -> None:
    """256 bytes or no login."""
    contents = judge(database_of(*TABLES_8, version(8), key=key))

    assert (contents.kind, contents.logged_in) == (ContentsKind.TELETHON, False)
    assert contents.login_rows == (0 if key is None else 1)


def test_a_key_that_is_no_blob_is_no_key() -> None:
    """256 characters of text are not an authorisation key."""
    text = f"INSERT INTO sessions VALUES (2, '', 443, '{256 * 'k'}', NULL, NULL)"

    contents = judge(database_of(*TABLES_8, version(8), text))

    assert contents.logged_in is False


def test_a_login_table_without_a_key_column_holds_no_key() -> None:
    """Fewer columns than expected are not read past."""
    narrow = "CREATE TABLE sessions (tmp_auth_key integer)"

    contents = judge(database_of(VERSION, narrow, version(8), "INSERT INTO sessions VALUES (1)"))

    assert (contents.logged_in, contents.login_rows) == (False, 1)


def test_several_logins_are_counted() -> None:
    """Two data centres, two rows."""
    second = "INSERT INTO sessions (dc_id, auth_key) VALUES (4, zeroblob(256))"

    contents = judge(database_of(*TABLES_8, version(8), second, key=KEY))

    assert (contents.login_rows, contents.logged_in) == (2, True)


def test_a_damaged_page_is_named() -> None:
    """Zeroes where a table should be: the page's number is in the reason."""
    main = bytearray(telethon_session())
    main[4096:8192] = bytes(4096)

    contents = judge(bytes(main))

    assert (contents.kind, contents.reason) == (
        ContentsKind.DAMAGED,
        "page 2 cannot be read: it is no b-tree page",
    )


def test_damage_in_a_table_that_is_not_read_is_found_too() -> None:
    """An index that cannot be walked makes the session damaged, though no login needs it."""
    schema = {item.name: item.root for item in open_pages(telethon_session()).schema()}
    main = bytearray(telethon_session())
    main[(schema["sqlite_autoindex_sent_files_1"] - 1) * 4096] = 0

    contents = judge(bytes(main))

    assert contents.kind is ContentsKind.DAMAGED


def test_the_mark_of_a_login_is_equal_while_the_login_is() -> None:
    """New entities do not change it; another key or another process's secret does."""
    mark = judge(telethon_session()).login_mark

    assert judge(telethon_session(500)).login_mark == mark
    assert judge(database_of(*TABLES_8, version(8), key=KEY[::-1])).login_mark != mark
    assert judge(telethon_session(), secret=b"another").login_mark != mark
    assert judge(database_of(*TABLES_8, version(8))).login_mark is None


@pytest.mark.parametrize(("table", "overlaid"), [("sessions", True), ("entities", False)])
def test_a_login_that_a_recovery_brings_is_known(table: str, overlaid: bool) -> None:
    """Only then do the last frames of a log decide about it."""
    main = telethon_session()
    (root,) = [item.root for item in open_pages(main).schema() if item.name == table]
    page = main[(root - 1) * 4096 : root * 4096]

    pages = open_pages(main, (len(main) // 4096, {root: page}))

    assert login_is_overlaid(pages) is overlaid


def test_neither_key_nor_mark_is_shown() -> None:
    """What is printed of the contents names no byte of the login."""
    contents = judge(telethon_session())

    assert contents.login_mark is not None
    assert repr(contents.login_mark) not in repr(contents)
    assert repr(KEY)[2:-1] not in repr(contents)


def test_tables_read_by_sqlite_are_judged_the_same() -> None:
    """The judgement takes names, SQL and rows, wherever they come from."""
    tables = {"version": VERSION, "sessions": SESSIONS_8}
    rows: dict[str, list[Row]] = {
        "version": [(8, (None,))],
        "sessions": [(2, (2, "149.154.167.51", 443, KEY, None, None))],
    }

    contents = judge_tables(tables, rows.__getitem__, secret=SECRET)

    assert contents == judge(telethon_session())
