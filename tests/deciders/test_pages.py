"""Our reader gives the rows that SQLite gives, on databases that SQLite made."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.session_files.database.contents import judge_pages
from core.session_files.database.pages import DatabasePages, PageUnreadable, SchemaTable, Value, decode_record, signed
from core.session_files.model import ContentsKind
from tests.deciders.databases import (
    TABLES_8,
    database_of,
    open_pages,
    open_writer,
    read_by_sqlite,
    read_by_us,
    telethon_session,
    transaction,
    write_people,
)

PAGE_SIZES = [512, 1024, 2048, 4096, 8192, 16384, 32768, 65536]
INTEGERS = [0, 1, -1, 127, 128, -129, 32768, 1 << 23, -(1 << 31), 1 << 31, 1 << 47, -(1 << 63), (1 << 63) - 1]
values = st.one_of(
    st.none(),
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.floats(allow_nan=False),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40),
    st.binary(max_size=40),
    st.integers(0, 9000).map(bytes),
)


def both(path: Path) -> tuple[object, object]:
    """What we read and what SQLite reads."""
    return read_by_us(open_pages(path.read_bytes())), read_by_sqlite(path)


@pytest.mark.parametrize("page_size", PAGE_SIZES)
def test_rows_are_those_of_sqlite_at_every_page_size(page_size: int, tmp_path: Path) -> None:
    """Leaves, interior pages, indexes and overflow chains, from 512 bytes a page to 65,536."""
    path = tmp_path / "a.session"
    with closing(open_writer(path, page_size=page_size)) as database, transaction(database):
        for statement in TABLES_8:
            database.execute(statement)
        write_people(database, range(1, 800), "x" * 60)
        database.execute("INSERT INTO sent_files SELECT randomblob(16), id, 0, id, hash FROM entities")
        for size in (page_size - 40, page_size - 34, page_size, 3 * page_size, 150_000):
            database.execute("INSERT INTO update_state (pts) VALUES (zeroblob(?))", (size,))

    ours, theirs = both(path)

    assert path.read_bytes()[16:18] == (page_size % 65535).to_bytes(2, "big")
    assert ours == theirs


def test_every_kind_of_value_is_read(tmp_path: Path) -> None:
    """Integers of each width, the two that need no byte, reals, text, blobs, nothing; negative row ids too."""
    path = tmp_path / "a.session"
    with closing(open_writer(path)) as database, transaction(database):
        database.execute("CREATE TABLE many (one)")
        texts = ["", "ä€🙂", b"", b"\x80\xff", None, 0.1, -1e300]
        for rowid, value in zip(range(-3, 40), [*INTEGERS, *texts], strict=False):
            database.execute("INSERT INTO many (rowid, one) VALUES (?, ?)", (rowid * 1_000_000_007, value))

    ours, theirs = both(path)

    assert ours == theirs


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([512, 1024, 4096]), st.lists(st.tuples(values, values, values), max_size=12))
def test_any_rows_are_those_of_sqlite(page_size: int, rows: Sequence[tuple[Value, ...]]) -> None:
    """Whatever is stored comes back."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "a.session")
        with closing(open_writer(path, page_size=page_size)) as database, transaction(database):
            database.execute("CREATE TABLE t (a, b, c)")
            database.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)

        ours, theirs = both(path)

    assert ours == theirs


def test_bytes_reserved_at_the_end_of_each_page_are_left_out(tmp_path: Path) -> None:
    """Encrypted and checksummed databases keep some for themselves (fileformat2 §1.3.4)."""
    path = tmp_path / "a.session"
    path.write_bytes(reserving(database_of("PRAGMA user_version = 1"), 32))
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE t (a)")
        database.executemany("INSERT INTO t VALUES (zeroblob(?))", [(4096 - 67,), (4096 - 66,), (20_000,)])
        database.executemany("INSERT INTO t VALUES (?)", [(str(n) * 90,) for n in range(200)])
        database.commit()

    ours, theirs = both(path)

    assert path.read_bytes()[20] == 32
    assert ours == theirs


def reserving(one_page: bytes, reserved: int) -> bytes:
    """An empty database whose pages end earlier."""
    patched = bytearray(one_page)
    patched[20] = reserved
    patched[105:107] = (len(one_page) - reserved).to_bytes(2, "big")
    return bytes(patched)


@pytest.mark.parametrize("vacuum", ["NONE", "FULL", "INCREMENTAL"])
def test_pages_of_other_kinds_are_stepped_over(vacuum: str, tmp_path: Path) -> None:
    """Free pages and pointer maps belong to no tree."""
    path = tmp_path / "a.session"
    with closing(open_writer(path, page_size=512)) as database:
        database.execute(f"PRAGMA auto_vacuum = {vacuum}")
        database.execute("PRAGMA synchronous = OFF")
        for statement in TABLES_8:
            database.execute(statement)
        write_people(database, range(1, 600), "x" * 60)
        database.execute("DELETE FROM entities WHERE id % 3 = 0")

    ours, theirs = both(path)

    assert ours == theirs


def test_a_schema_of_many_tables_is_read(tmp_path: Path) -> None:
    """When it outgrows page 1, that page only points to the others; views and triggers have no rows of their own."""
    path = tmp_path / "a.session"
    with closing(open_writer(path)) as database, transaction(database):
        for number in range(120):
            database.execute(f"CREATE TABLE t{number} (a integer, b text, c blob)")
        database.execute("CREATE VIEW v AS SELECT 1")
        database.execute("CREATE TRIGGER tr AFTER INSERT ON t0 BEGIN SELECT 1; END")

    schema = open_pages(path.read_bytes()).schema()

    assert len(schema) == 122
    assert schema == schema_by_sqlite(path)


def test_the_schema_of_a_session_is_read() -> None:
    """Names, roots and SQL of a file that fits in a page, read from page 1 alone."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "a.session")
        path.write_bytes(telethon_session())

        assert open_pages(telethon_session()).schema() == schema_by_sqlite(path)


def test_sql_too_long_for_page_1_is_read(tmp_path: Path) -> None:
    """A table with hundreds of columns continues its SQL on other pages; that is no damage."""
    path = tmp_path / "a.session"
    columns = ", ".join(f"column_number_{n} integer" for n in range(300))
    path.write_bytes(database_of(f"CREATE TABLE wide ({columns})"))

    schema = open_pages(path.read_bytes()).schema()

    assert schema == schema_by_sqlite(path)


def test_rows_of_the_schema_that_name_no_tree_are_stepped_over() -> None:
    """A name that is no text or a root that is no number makes no table; SQL that is no text is none."""
    rows = "('table', x'00', 't', 2, 'a'), ('table', 'u', 'u', 'two', 'b'), ('view', 'v', 'v', 0, NULL)"
    main = database_of("CREATE TABLE t (a)", "PRAGMA writable_schema = ON", f"INSERT INTO sqlite_schema VALUES {rows}")

    schema = open_pages(main).schema()

    assert schema == (SchemaTable("table", "t", 2, "CREATE TABLE t (a)"), SchemaTable("view", "v", 0, ""))


def test_a_row_of_the_schema_that_is_too_short_is_stepped_over() -> None:
    """Five columns or no table."""
    main = bytearray(database_of("CREATE TABLE t (a)"))
    at = int.from_bytes(main[108:110], "big")
    main[at : at + 5] = bytes([3, 1, 2, 1, 7])

    assert open_pages(bytes(main)).schema() == ()


def schema_by_sqlite(path: Path) -> tuple[SchemaTable, ...]:
    with closing(sqlite3.connect(path)) as database:
        found = database.execute("SELECT type, name, rootpage, coalesce(sql, '') FROM sqlite_schema").fetchall()
    return tuple(SchemaTable(*row) for row in found)


@pytest.mark.parametrize(
    "statements",
    [
        ("CREATE TABLE sessions (name text primary key, data blob) WITHOUT ROWID",),
        ("PRAGMA encoding = 'UTF-16le'", "CREATE TABLE Größen (Maß text)"),
        ("CREATE TABLE boxes (a)", "CREATE VIRTUAL TABLE sessions USING fts5(words)"),
    ],
    ids=["rows kept in an index", "UTF-16", "virtual table"],
)
def test_a_whole_database_of_others_is_foreign(statements: tuple[str, ...]) -> None:
    """What our reader does not know is not ours: it is neither broken nor half made, and so nothing is done to it."""
    fill = "INSERT INTO sessions VALUES ('some one', zeroblob(300)), ('some other', zeroblob(20))"
    filled = (*statements, fill) if "ROWID" in statements[0] else statements

    contents = judge_pages(open_pages(database_of(*filled)), secret=b"s")

    assert contents.kind is ContentsKind.FOREIGN


@pytest.mark.parametrize(
    ("number", "reason"),
    [(0, "the database has 7 pages"), (8, "the database has 7 pages"), (4, "the file ends before it")],
)
def test_a_page_that_is_not_there_is_named(number: int, reason: str) -> None:
    """Numbers outside the database, and pages beyond the end of a cut file."""
    whole = open_pages(telethon_session())
    cut = DatabasePages(telethon_session()[: 3 * 4096 + 100], no_more, page_size=4096, page_count=whole.page_count)

    with pytest.raises(PageUnreadable, match=f"page {number} cannot be read: {reason}") as caught:
        cut.page(number)

    assert (whole.page_count, caught.value.number) == (7, number)


def no_more(_offset: int, _size: int) -> bytes:
    return b""


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (bytes([2, 10]), "reserved"),
        (bytes([2, 11]), "reserved"),
        (bytes([9, 1]), "the record header is longer than the record"),
        (bytes([2, 1]), "a value reaches beyond the record"),
        (bytes([2, 0x81]), "out of range"),
        (b"", "out of range"),
    ],
)
def test_a_record_that_is_not_whole_is_refused(record: bytes, reason: str) -> None:
    """No value is made of what is missing, nor of types kept for later (fileformat2 §2.1)."""
    with pytest.raises(IndexError, match=reason):
        decode_record(record)


def test_a_tree_knows_whether_its_rows_come_from_a_recovery() -> None:
    """Only pages of its own leaves count, and without an overlay none do."""
    main = telethon_session(500)
    roots = {item.name: item.root for item in open_pages(main).schema()}
    start = (roots["sessions"] - 1) * 4096

    overlaid = open_pages(main, (len(main) // 4096, {roots["sessions"]: main[start : start + 4096]}))

    assert overlaid.is_overlaid(roots["sessions"])
    assert not overlaid.is_overlaid(roots["version"])
    assert not overlaid.is_overlaid(roots["entities"])
    assert not open_pages(main).is_overlaid(roots["sessions"])


def test_numbers_beyond_half_the_range_are_negative() -> None:
    """Row ids are stored unsigned."""
    assert [signed(n) for n in (0, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)] == [0, (1 << 63) - 1, -(1 << 63), -1]


def test_trees_within_the_first_read_are_looked_at_in_place() -> None:
    """A session of few pages needs no second read, and a broken leaf in it is named all the same."""
    whole = database_of("CREATE TABLE t (a)", "CREATE TABLE u (b)", "INSERT INTO u VALUES (7)")
    broken = bytearray(whole)
    broken[2 * 4096 + 3 : 2 * 4096 + 5] = (2100).to_bytes(2, "big")  # page 3 claims more cells than fit above them

    def pages(main: bytes) -> DatabasePages:
        return DatabasePages(main, lambda _offset, _size: b"", page_size=4096, page_count=3)

    pages(whole).check_trees([2, 3])
    with pytest.raises(PageUnreadable, match="page 3 cannot be read: its cells overlap its header"):
        pages(bytes(broken)).check_trees([2, 3])
