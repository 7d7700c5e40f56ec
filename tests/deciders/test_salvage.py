"""What comes back of sessions whose pages are whole, whose tables are old, or of which one part is lost."""

from __future__ import annotations

import mmap
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from core.session_files.database.finds import Source
from core.session_files.database.salvage import Rescued, salvage
from core.session_files.database.telethon_rows import Entity, Login, Table
from tests.deciders.databases import (
    ENTITIES,
    SENT_FILES,
    SESSIONS_7,
    TABLES_8,
    UPDATE_STATE,
    VERSION,
    database_of,
    open_pages,
    open_writer,
    write_people,
)
from tests.deciders.sessions_to_damage import (
    PAGE_SIZES,
    all_rows,
    key_of_session,
    overwritten,
    placed_rows,
    telethon_file,
    write_session,
)

KEY = key_of_session()


def sources(rescued: Rescued, table: Table) -> dict[Source, int]:
    """Where the rows of a table came from, without the sources that gave none."""
    return {source: count for source, count in rescued.account[table].rows.items() if count}


def root_of(main: bytes, table: Table) -> int:
    return next(item.root for item in open_pages(main).schema() if item.name == table.value)


@pytest.mark.parametrize("tmp_key", [False, True])
@pytest.mark.parametrize("page_size", PAGE_SIZES)
def test_a_whole_session_comes_back_whole(page_size: int, tmp_key: bool) -> None:
    """Every row of every table, from the trees alone; rows that continue on overflow pages too."""
    main = telethon_file(300, page_size=page_size, tmp_key=tmp_key)

    rescued = salvage(main)

    assert all_rows(rescued) == {placed.row for placed in placed_rows(main)}
    assert (rescued.page_size, rescued.pages, rescued.damaged_pages) == (page_size, len(main) // page_size, ())
    assert all(account.whole for account in rescued.account.values())
    assert set(sources(rescued, Table.ENTITIES)) == {Source.TREE}
    assert rescued.not_found == ()


def test_a_memory_map_is_read_and_can_be_closed(tmp_path: Path) -> None:
    """Nothing of it is held afterwards."""
    path = tmp_path / "a.session"
    write_session(path, 50)

    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        rescued = salvage(mapped)

    assert rescued.logins[0].auth_key == KEY


def test_secrets_are_not_shown() -> None:
    """Neither the key nor the contacts, of a login or of all that was rescued."""
    rescued = salvage(telethon_file(30, tmp_key=True))

    assert repr(rescued) == (
        "Rescued(version=8, logins=1, entities=30, sent_files=3, update_state=3, pages=7, damaged=0)"
    )
    assert repr(rescued.logins[0]) == (
        "Login(dc_id=4, server_address='149.154.167.91', port=443, auth_key=256 bytes, tmp_auth_key=256 bytes)"
    )


def test_a_session_that_never_logged_in_has_its_row() -> None:
    """Telethon writes a login without key, address or port; it says that there is nothing to rescue."""
    main = database_of(*TABLES_8, "INSERT INTO sessions VALUES (0, NULL, NULL, x'', NULL, x'')")

    assert salvage(main).logins == (Login(0, None, None, b"", None, b""),)


@pytest.mark.parametrize(
    ("columns", "takeout"),
    [("dc_id integer primary key, server_address text, port integer, auth_key blob", None), (SESSIONS_7, 7)],
    ids=["four columns", "five columns"],
)
def test_logins_of_older_schemas_come_back(columns: str, takeout: int | None) -> None:
    """Versions 1 to 4 have no takeout, versions before 8 no temporary key; entities before 7 no date."""
    sessions = columns if columns.startswith("CREATE") else f"CREATE TABLE sessions ({columns})"
    extra = ", 7" if takeout else ""
    main = database_of(
        *(VERSION, sessions, ENTITIES.replace(", date integer", ""), SENT_FILES, UPDATE_STATE),
        "INSERT INTO version VALUES (5)",
        f"INSERT INTO sessions VALUES (2, '149.154.167.51', 443, x'{KEY.hex()}'{extra})",
        "INSERT INTO entities VALUES (5, -7, 'ana', 905551112233, 'Ana'), (-6, 0, NULL, 'none', NULL)",
    ).replace(b"date integer", b"date integer")

    for damaged in (main, overwritten(main, 1, 4096, seed=1)):
        rescued = salvage(damaged)

        assert rescued.version == 5
        assert rescued.logins == (Login(2, "149.154.167.51", 443, KEY, takeout),)
        assert set(rescued.entities) == {
            Entity(5, -7, "ana", 905551112233, "Ana"),
            Entity(-6, 0, None, "none", None),
        }


def test_columns_added_later_are_missing_in_older_rows() -> None:
    """ALTER TABLE leaves the records as they are: one table, rows of two lengths."""
    main = database_of(
        SESSIONS_7,
        f"INSERT INTO sessions VALUES (2, '149.154.167.51', 443, x'{KEY.hex()}', NULL)",
        "ALTER TABLE sessions ADD COLUMN tmp_auth_key blob",
        f"INSERT INTO sessions VALUES (3, '149.154.175.100', 443, x'{KEY[::-1].hex()}', NULL, x'')",
    )

    logins = salvage(main).logins

    assert [login.tmp_auth_key for login in logins] == [None, b""]


@pytest.mark.parametrize("page_size", PAGE_SIZES)
def test_without_the_first_page_every_row_comes_back(page_size: int) -> None:
    """No header, so no page size; no schema, so no trees."""
    main = telethon_file(300, page_size=page_size)
    rows = {placed.row for placed in placed_rows(main)}

    rescued = salvage(overwritten(main, 1, page_size, seed=page_size))

    assert all_rows(rescued) == rows
    assert (rescued.page_size, rescued.damaged_pages) == (page_size, (1,))
    assert set(sources(rescued, Table.ENTITIES)) == {Source.ORPHAN}


def test_without_an_interior_page_its_leaves_come_back() -> None:
    """The root of the entities names no leaf any more; they are found by what they hold."""
    main = telethon_file(300, page_size=1024)
    root = root_of(main, Table.ENTITIES)

    rescued = salvage(overwritten(main, root, 1024, seed=2))

    assert all_rows(rescued) == {placed.row for placed in placed_rows(main)}
    assert not rescued.account[Table.ENTITIES].whole
    assert rescued.damaged_pages == (root,)


def test_a_root_replaced_by_one_of_its_leaves_hides_nothing() -> None:
    """A lost write: the tree looks whole, but leaves remain that are neither free nor in any tree."""
    main = telethon_file(300, page_size=1024)
    root = root_of(main, Table.ENTITIES)
    leaf = next(iter(placed.pages for placed in placed_rows(main) if isinstance(placed.row, Entity)))
    (number,) = leaf
    image = main[(number - 1) * 1024 : number * 1024]
    damaged = main[: (root - 1) * 1024] + image + main[root * 1024 :]

    rescued = salvage(damaged)

    assert all_rows(rescued) == {placed.row for placed in placed_rows(main)}
    assert not rescued.account[Table.ENTITIES].whole


def with_deleted_people(*, page_size: int = 1024) -> bytes:
    """A session whose odd entities were deleted, their bytes left where they were, and their pages freed."""
    return database_of(
        f"PRAGMA page_size = {page_size}",
        "PRAGMA secure_delete = OFF",
        *TABLES_8,
        f"INSERT INTO sessions VALUES (2, '149.154.167.51', 443, x'{KEY.hex()}', NULL, x'')",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400) "
        "INSERT INTO entities SELECT i, 7 * i, 'user' || i, NULL, 'Person number ' || i, 1760000000 + i FROM n",
        "DELETE FROM entities WHERE id > 200 OR id % 2",
    )


def test_what_was_deleted_stays_deleted() -> None:
    """A whole table takes nothing from free pages; nor does a damaged one outside its damage."""
    main = with_deleted_people()
    live = set(range(2, 201, 2))
    rows = [placed for placed in placed_rows(main) if isinstance(placed.row, Entity)]
    lost_page = next(iter(rows[20].pages))
    lost = {placed.row.id for placed in rows if lost_page in placed.pages and isinstance(placed.row, Entity)}

    whole = salvage(overwritten(main, root_of(main, Table.VERSION), 1024, seed=3))
    damaged = salvage(overwritten(main, lost_page, 1024, seed=4))

    assert {one.id for one in whole.entities} == live
    assert live - lost <= {one.id for one in damaged.entities}
    assert {one.id for one in damaged.entities} <= live | set(range(min(lost) - 1, max(lost) + 2))


def test_free_pages_are_asked_last() -> None:
    """Where all of a table is lost, what a free page holds is better than nothing, and worse than anything else."""
    main = with_deleted_people()
    header_lost = bytes(100) + main[100:]

    rescued = salvage(overwritten(main, root_of(main, Table.ENTITIES), 1024, seed=5))

    assert set(range(2, 201, 2)) < {one.id for one in rescued.entities} <= set(range(1, 401))
    assert salvage(header_lost).page_size == 1024


def test_one_login_is_never_joined_by_an_old_one(tmp_path: Path) -> None:
    """The bytes of the login before it are still in the file; the table is whole, so they do not count."""
    path = tmp_path / "a.session"
    with closing(open_writer(path)) as database:
        database.execute("PRAGMA secure_delete = OFF")
        for statement in TABLES_8:
            database.execute(statement)
        for data_centre, key in ((1, KEY[::-1]), (2, KEY)):
            database.execute("INSERT INTO sessions VALUES (?, '149.154.167.51', 443, ?, NULL, x'')", (data_centre, key))
        database.execute("DELETE FROM sessions WHERE dc_id = 1")
        write_people(database, range(300), "x" * 60)
    main = path.read_bytes()
    entities = root_of(main, Table.ENTITIES)

    rescued = salvage(overwritten(main, entities, 4096, seed=6))

    assert KEY[::-1] in main
    assert [login.auth_key for login in rescued.logins] == [KEY]


def test_tables_of_others_are_left_alone() -> None:
    """A subclass of Telethon's session may keep more; rows of the same form are not mixed up."""
    main = database_of(
        *TABLES_8,
        "CREATE TABLE more_people (id integer primary key, hash integer, username text, phone integer, name text)",
        "CREATE INDEX by_name ON more_people (name)",
        f"CREATE TABLE of_many_columns ({', '.join(f'column_number_{n} integer' for n in range(300))})",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400) "
        "INSERT INTO more_people SELECT i, 7 * i, 'user' || i, NULL, 'Person number ' || i FROM n",
    )

    rescued = salvage(overwritten(main, root_of(main, Table.ENTITIES), 4096, seed=7))

    assert not rescued.entities
    assert rescued.not_found == (Table.ENTITIES,)


@pytest.mark.parametrize("main", [b"", b"\0", bytes(100), bytes(70_000), b"SQLite format 3\0" + bytes(4080)])
def test_nothing_comes_of_nothing(main: bytes) -> None:
    """Neither rows nor errors."""
    rescued = salvage(main, b"", b"")

    assert all_rows(rescued) == set()
    assert rescued.not_found == tuple(Table)


def test_a_session_of_pyrogram_gives_no_login() -> None:
    """Its table of the same name has other columns."""
    main = database_of(
        "CREATE TABLE sessions (dc_id integer primary key, api_id integer, test_mode integer, auth_key blob, "
        "date integer not null, user_id integer, is_bot integer)",
        f"INSERT INTO sessions VALUES (2, NULL, 0, x'{KEY.hex()}', 0, 5, 1)",
    )

    assert salvage(main).logins == ()


def test_a_file_read_by_sqlite_says_the_same(tmp_path: Path) -> None:
    """The rows are those of SQLite's own reading."""
    path = tmp_path / "a.session"
    write_session(path, 200)

    rescued = salvage(path.read_bytes())

    with closing(sqlite3.connect(path)) as database:
        assert sorted(rescued.entities) == sorted(database.execute("SELECT * FROM entities"))
        assert sorted(rescued.update_state) == sorted(database.execute("SELECT * FROM update_state"))
        assert sorted(rescued.sent_files) == sorted(database.execute("SELECT * FROM sent_files"))
        assert list(rescued.logins) == database.execute("SELECT * FROM sessions").fetchall()


@pytest.mark.parametrize("page_size", [512, 4096])
@pytest.mark.parametrize(("at", "value"), [(103, b"\xff\xff"), (108, b"\xff\xff"), (108, b"\x01\xff\x01\xff")])
def test_a_schema_that_is_damaged_in_part_loses_nothing(page_size: int, at: int, value: bytes) -> None:
    """Tables that it still names are read by their trees, the others by what their pages hold."""
    main = telethon_file(300, page_size=page_size)
    damaged = main[:at] + value + main[at + len(value) :]

    rescued = salvage(damaged)

    assert all_rows(rescued) == {placed.row for placed in placed_rows(main)}
    assert rescued.damaged_pages == (1,)


def test_a_leaf_in_the_place_of_another_hides_nothing_else() -> None:
    """Its rows are not those that its place may hold, so neither it nor the page above it is believed."""
    main = telethon_file(300, page_size=1024)
    placed = [one for one in placed_rows(main) if isinstance(one.row, Entity)]
    (first,), (last,) = placed[0].pages, placed[-1].pages
    image = main[(last - 1) * 1024 : last * 1024]
    damaged = main[: (first - 1) * 1024] + image + main[first * 1024 :]

    rescued = salvage(damaged)

    assert set(rescued.entities) == {one.row for one in placed if first not in one.pages}
    assert rescued.damaged_pages == (first,)


def test_pages_that_were_cut_off_are_named() -> None:
    """As far as the trees name them: all but those of the index."""
    main = telethon_file(300)
    pages = len(main) // 4096

    rescued = salvage(main[: 6 * 4096 + 1000])

    assert (rescued.pages, rescued.damaged_pages[-1] <= pages) == (7, True)
    assert set(range(9, pages + 1)) < set(rescued.damaged_pages) <= set(range(7, pages + 1))


def test_work_grows_with_the_file_and_not_faster() -> None:
    """Thousands of pages, the first lost and no key anywhere: every place is asked. Quadratic, it would not end."""
    main = database_of(
        "PRAGMA page_size = 512",
        "VACUUM",
        *TABLES_8,
        "INSERT INTO sessions VALUES (0, NULL, NULL, x'', NULL, x'')",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) "
        "INSERT INTO entities SELECT i * 50021, i << 40, 'user' || i, NULL, 'Person number ' || i, 1760000000 FROM n",
    )

    rescued = salvage(overwritten(main, 1, 512, seed=1), None, None)

    assert (len(main) > 5_000_000, len(rescued.entities), len(rescued.logins)) == (True, 100_000, 1)
