"""Damaged and random bytes: one kind of error or an answer, soon; and never a row that was not there."""

from __future__ import annotations

from contextlib import suppress
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.session_files.database.contents import judge_pages
from core.session_files.database.file_format import (
    classify_journal,
    journal_original_pages,
    journal_pages,
    pending_frames,
    read_header,
    verified_wal_pages,
    wal_page_size,
    wal_pages,
)
from core.session_files.database.pages import DatabasePages, PageUnreadable, decode_record, read_varint
from core.session_files.model import ContentsKind, DatabaseHeader, JournalHeat
from tests.deciders.databases import TABLES_8, Row, database_of, open_pages, telethon_session

thorough = settings(max_examples=150, deadline=None)
PAGE = 512
MANY_READS = 20_000
damage = st.lists(st.tuples(st.integers(0, 1 << 20), st.binary(min_size=1, max_size=24)), min_size=1, max_size=12)

BYTES_OF_A_ROW = 2
"""At the least: its place in the page's list of cells."""


class CountingPages(DatabasePages):
    """A reader that fails when it asks for more pages than any honest walk needs."""

    def __init__(self, main: bytes, *, page_size: int, page_count: int) -> None:
        self.asked: set[int] = set()
        self._left = MANY_READS
        super().__init__(b"", lambda at, size: main[at : at + size], page_size=page_size, page_count=page_count)

    def page(self, number: int) -> bytes:
        """As asked, counted."""
        self._left -= 1
        assert self._left > 0, "it reads for ever"
        self.asked.add(number)
        return super().page(number)


@cache
def intricate() -> bytes:
    """A database of small pages: interior pages, overflow chains, an index, free pages."""
    return database_of(
        f"PRAGMA page_size = {PAGE}",
        "VACUUM",
        *TABLES_8,
        "INSERT INTO version VALUES (8)",
        "INSERT INTO sessions VALUES (2, '149.154.167.51', 443, zeroblob(256), NULL, zeroblob(3000))",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200) "
        "INSERT INTO entities SELECT i, 7 * i, 'user' || i, NULL, hex(zeroblob(i)), i FROM n",
        "INSERT INTO sent_files SELECT zeroblob(id), id, 0, id, hash FROM entities",
        "DELETE FROM entities WHERE id > 180",
    )


def pages_of(main: bytes) -> CountingPages:
    """The reader as it is set up for a file of these bytes; PageUnreadable where it has no header."""
    header = read_header(main[:100])
    size = header.page_size or PAGE
    return CountingPages(main, page_size=size, page_count=len(main) // size)


def walk(main: bytes) -> dict[str, list[Row]]:
    """Everything that can be read, table by table."""
    found: dict[str, list[Row]] = {}
    try:
        pages = pages_of(main)
        schema = pages.schema()
    except PageUnreadable:
        return found
    for item in schema:
        try:
            pages.check_trees([item.root])
            found[item.name] = list(pages.rows(item.root))
        except PageUnreadable:
            continue
    return found


def damaged(main: bytes, spots: list[tuple[int, bytes]], *, keep: frozenset[int] = frozenset()) -> bytes:
    """The database with those bytes written over it, the pages of `keep` left whole."""
    broken = bytearray(main)
    for at, piece in spots:
        start = at % len(main)
        if start // PAGE + 1 not in keep and (start + len(piece)) // PAGE + 1 not in keep:
            broken[start : start + len(piece)] = piece
    return bytes(broken[: len(main)])


@thorough
@given(st.binary(max_size=4 * PAGE))
def test_random_bytes_raise_nothing_but_page_unreadable(noise: bytes) -> None:
    """A file of noise has no row; noise behind a good header, or a good first page, no table and no row of nowhere."""
    named = {item.name for item in pages_of(intricate()).schema()}

    assert walk(noise) == {}
    for main in (intricate()[:100] + noise, intricate()[:PAGE] + noise):
        found = walk(main)
        assert found.keys() <= named
        assert sum(map(len, found.values())) <= len(main) // BYTES_OF_A_ROW


@thorough
@given(damage, st.integers(1, 200))
def test_damage_raises_nothing_but_page_unreadable(spots: list[tuple[int, bytes]], pages_left: int) -> None:
    """Wherever bytes are wrong or the file ends: an answer, no endless walk, and the cut takes tables, adds no row."""
    broken = damaged(intricate(), spots)

    found, found_in_part = walk(broken), walk(broken[: pages_left * PAGE])

    assert all(found[table] == rows for table, rows in found_in_part.items())
    assert pages_left * PAGE < len(broken) or found_in_part == found


@thorough
@given(damage)
def test_a_damaged_file_is_judged_and_nothing_raised(spots: list[tuple[int, bytes]]) -> None:
    """Where it is called whole its login can be read, and it is judged as ever where no page was hit that decides."""
    broken = damaged(intricate(), spots, keep=frozenset({1}))
    whole = pages_of(intricate())
    judgement = judge_pages(whole, secret=b"s")

    contents = judge_pages(pages_of(broken), secret=b"s")

    if all(pages_of(broken).page(number) == pages_of(intricate()).page(number) for number in whole.asked):
        assert contents == judgement
    if contents.kind is ContentsKind.TELETHON:
        assert len(walk(broken)["sessions"]) == contents.login_rows
    else:
        assert contents.reason


@thorough
@given(st.sampled_from(["version", "sessions", "entities"]), damage)
def test_a_tree_without_damage_keeps_its_rows(table: str, spots: list[tuple[int, bytes]]) -> None:
    """Not one row more, less or other, whatever the pages of other trees have become."""
    whole = pages_of(intricate())
    roots = {item.name: item.root for item in whole.schema()}
    whole.asked.clear()
    rows = list(whole.rows(roots[table]))
    schema_and_tree = frozenset(whole.asked | set(schema_pages()))

    broken = damaged(intricate(), spots, keep=schema_and_tree)

    assert walk(broken).get(table) == rows


@cache
def schema_pages() -> frozenset[int]:
    pages = pages_of(intricate())
    pages.schema()
    return frozenset(pages.asked)


def test_a_tree_that_leads_back_to_itself_is_unreadable() -> None:
    """An interior page that is its own child."""
    roots = {item.name: item.root for item in pages_of(intricate()).schema()}
    start = (roots["entities"] - 1) * PAGE
    broken = bytearray(intricate())
    broken[start + 8 : start + 12] = roots["entities"].to_bytes(4, "big")

    with pytest.raises(PageUnreadable, match="it occurs twice in its tree"):
        list(pages_of(bytes(broken)).rows(roots["entities"]))


@pytest.mark.parametrize(
    ("at", "wrong", "reason"),
    [
        (0, b"\x00", "it is no b-tree page"),
        (3, b"\xff\xff", "it claims more rows than fit"),
        (12, b"\x01\xfe", "a pointer in it leads outside"),
    ],
    ids=["type", "count", "pointer"],
)
def test_what_is_wrong_with_an_interior_page_is_told(at: int, wrong: bytes, reason: str) -> None:
    """The reason is in the words of the file format."""
    roots = {item.name: item.root for item in pages_of(intricate()).schema()}
    start = (roots["entities"] - 1) * PAGE + at

    broken = pages_of(damaged(intricate(), [(start, wrong)]))

    with pytest.raises(PageUnreadable, match=f"page {roots['entities']} cannot be read: {reason}"):
        list(broken.rows(roots["entities"]))


def test_a_row_that_is_cut_off_is_told() -> None:
    """In the schema on page 1, and in a table."""
    main = database_of("CREATE TABLE t (a)", "INSERT INTO t VALUES ('word')")
    last_byte = (4095).to_bytes(2, "big")
    in_schema = bytearray(main)
    in_schema[108:110] = last_byte
    in_table = bytearray(main)
    in_table[4096 + 8 : 4096 + 10] = last_byte

    with pytest.raises(PageUnreadable, match="page 1 cannot be read: a row in it is not whole"):
        open_pages(bytes(in_schema)).schema()
    with pytest.raises(PageUnreadable, match="page 2 cannot be read: a row in it is not whole"):
        list(open_pages(bytes(in_table)).rows(2))


def test_a_leaf_whose_cells_overlap_its_header_is_told() -> None:
    """The check of a tree asks where the contents of each leaf begin."""
    main = bytearray(database_of("CREATE TABLE t (a)", "INSERT INTO t VALUES (1), (2)"))
    main[4096 + 5 : 4096 + 7] = (9).to_bytes(2, "big")

    with pytest.raises(PageUnreadable, match="page 2 cannot be read: its cells overlap its header"):
        open_pages(bytes(main)).check_trees([2])


def test_a_row_larger_than_its_database_is_told() -> None:
    """Before a byte of it is gathered."""
    main, root = with_a_chain_in_a_circle(size=4 * PAGE)

    with pytest.raises(PageUnreadable, match="a row in it claims to be larger than the database"):
        list(CountingPages(main, page_size=PAGE, page_count=3).rows(root))


def test_an_index_has_no_rows_of_a_table() -> None:
    """Its cells are of another form, and are not read as if they were rows."""
    roots = {item.name: item.root for item in open_pages(telethon_session()).schema()}

    with pytest.raises(PageUnreadable, match="it holds no rows of a table"):
        list(open_pages(telethon_session()).rows(roots["sqlite_autoindex_sent_files_1"]))


@pytest.mark.parametrize("believed", [200, 0xFFFFFFFF], ids=["pages of the file", "pages that the header claims"])
def test_a_chain_that_leads_back_to_itself_ends(believed: int) -> None:
    """An overflow page that continues in itself, in a row that claims to be as large as the database may be."""
    main, root = with_a_chain_in_a_circle(size=believed * PAGE)
    pages = CountingPages(main, page_size=PAGE, page_count=believed)

    with suppress(PageUnreadable):
        list(pages.rows(root))

    assert pages.asked == {1, 2, 3}  # the schema, the leaf and its one overflow page, none of them for ever


def with_a_chain_in_a_circle(*, size: int) -> tuple[bytes, int]:
    """A table with one row of that many bytes whose overflow page is followed by itself, and the table's root."""
    leaf, overflow = bytearray(PAGE), bytearray(PAGE)
    shortest = (PAGE - 12) * 32 // 255 - 23
    local = shortest + (size - shortest) % (PAGE - 4)
    cell = varint(size) + b"\x01"
    at = 40 + len(cell) + (local if local <= PAGE - 35 else shortest)
    leaf[0], leaf[3:5], leaf[8:10] = 13, (1).to_bytes(2, "big"), (40).to_bytes(2, "big")
    leaf[40 : 40 + len(cell)] = cell
    leaf[at : at + 4] = overflow[:4] = (3).to_bytes(4, "big")
    return intricate()[:PAGE] + bytes(leaf) + bytes(overflow), 2


def varint(number: int) -> bytes:
    """A number as SQLite writes it: seven bits a byte, and all eight of a ninth."""
    nine = number >= 1 << 56
    last = bytes([number & (0xFF if nine else 0x7F)])
    number >>= 8 if nine else 7
    count = 8 if nine else -(-number.bit_length() // 7)
    return bytes(number >> 7 * at & 0x7F | 0x80 for at in reversed(range(count))) + last


@thorough
@given(st.binary(max_size=200))
def test_a_header_is_always_an_answer(head: bytes) -> None:
    """Noise, and noise behind the magic."""
    assert isinstance(read_header(head), DatabaseHeader)
    assert isinstance(read_header(b"SQLite format 3\0" + head), DatabaseHeader)


@thorough
@given(st.binary(max_size=2000))
def test_a_journal_is_always_an_answer(noise: bytes) -> None:
    """Noise, noise behind the magic, and noise behind sizes that can be."""
    magic = bytes.fromhex("d9d505f920a163d7")
    for journal in (noise, magic + noise, magic + noise[:12] + (512).to_bytes(4, "big") * 2 + noise):
        classify_journal(journal)
        journal_original_pages(journal)
        found = journal_pages(journal)

        assert found is None or classify_journal(journal) is JournalHeat.HOT


@thorough
@given(st.binary(max_size=2000), st.sampled_from([b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83"]))
def test_a_log_is_always_an_answer(noise: bytes, magic: bytes) -> None:
    """Noise, and noise behind a header; verified, noise holds no page."""
    for wal in (noise, magic + (3007000).to_bytes(4, "big") + (512).to_bytes(4, "big") + noise):
        wal_page_size(wal)
        wal_pages(wal)
        pending_frames(wal, (wal[at : at + 24] for at in range(32, len(wal), 536)))

        assert verified_wal_pages(wal) is None


@thorough
@given(st.binary(max_size=60))
def test_a_record_is_values_or_one_of_three_errors(noise: bytes) -> None:
    """Those that its callers expect."""
    try:
        values = decode_record(noise)
    except (IndexError, ValueError):
        return

    assert len(values) <= len(noise)


@given(st.integers(0, (1 << 64) - 1), st.binary(max_size=4))
def test_a_varint_is_read_to_its_end(number: int, rest: bytes) -> None:
    """What was written is read, and the offset after it."""
    written = varint(number)

    assert len(written) <= 9

    assert read_varint(written + rest, 0) == (number, len(written))


def test_a_session_is_read_from_one_page_at_a_time() -> None:
    """The counting reader of these tests reads what the usual one reads."""
    main = telethon_session(500)
    whole = open_pages(main)

    found = CountingPages(main, page_size=4096, page_count=whole.page_count)

    assert found.schema() == whole.schema()
