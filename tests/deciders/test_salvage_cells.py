"""Single rows: which bytes are one, which are not, and how one is found without a page that says so."""

from __future__ import annotations

import gc
import struct
from contextlib import closing
from pathlib import Path

import pytest

from core.session_files.database import leaf_pages
from core.session_files.database.finds import Source
from core.session_files.database.leaf_pages import read_cell, read_leaf
from core.session_files.database.raw_cells import find_cells, find_logins
from core.session_files.database.salvage import salvage
from core.session_files.database.telethon_records import LONGEST_ROW, shape_of
from core.session_files.database.telethon_rows import Entity, Login, Row, SentFile, Table, UpdateState
from tests.deciders.databases import TABLES_8, database_of, open_pages, open_writer
from tests.deciders.sessions_to_damage import (
    all_rows,
    entities,
    key_of_session,
    overwritten,
    placed_rows,
    telethon_file,
)
from tests.deciders.test_hostile_bytes import varint

KEY = key_of_session()
TMP_KEY = key_of_session(1001)
LOGIN = Login(2, "149.154.167.51", 443, KEY, None, b"")


def no_page(_number: int) -> bytes | None:
    return None


def record(*columns: tuple[int, bytes]) -> bytes:
    """A record of these serial types and values."""
    types = b"".join(varint(serial) for serial, _value in columns)
    return bytes((len(types) + 1,)) + types + b"".join(value for _serial, value in columns)


def cell(rowid: int, body: bytes) -> bytes:
    return varint(len(body)) + varint(rowid & (1 << 64) - 1) + body


NULL, ZERO, ONE = (0, b""), (8, b""), (9, b"")
HASH = (6, (1 << 60).to_bytes(8, "big"))
DATE = (4, (1_760_000_000).to_bytes(4, "big"))
MD5 = (44, bytes(range(16)))


def text(value: bytes) -> tuple[int, bytes]:
    return 13 + 2 * len(value), value


def blob(value: bytes) -> tuple[int, bytes]:
    return 12 + 2 * len(value), value


def login(**columns: tuple[int, bytes]) -> bytes:
    """A record of a login, with other columns where they are named."""
    usual = {"address": text(b"149.154.167.51"), "port": (2, b"\x01\xbb"), "key": blob(KEY), "takeout": NULL}
    return record(NULL, *(usual | {"tmp": blob(b"")} | columns).values())


@pytest.mark.parametrize(
    ("body", "row"),
    [
        (login(), LOGIN._replace(dc_id=5)),
        (login(port=(1, b"\x50"), tmp=blob(TMP_KEY)), LOGIN._replace(dc_id=5, port=80, tmp_auth_key=TMP_KEY)),
        (record(NULL, HASH, NULL, NULL, text(b"A"), DATE), Entity(5, 1 << 60, None, None, "A", 1_760_000_000)),
        (record(NULL, ZERO, text(b""), text(b"?"), NULL), Entity(5, 0, "", "?", None)),
        (
            record(NULL, (3, b"\x80\0\0"), NULL, (5, b"\0\x80\0\0\0\0"), NULL, NULL),
            Entity(5, -(1 << 23), None, 1 << 39, None),
        ),
        (record(MD5, (1, b"\x02"), ONE, HASH, ZERO), SentFile(bytes(range(16)), 2, 1, 1 << 60, 0)),
        (record(NULL, ONE, ZERO, (7, struct.pack(">d", 1.5)), ZERO), UpdateState(5, 1, 0, 1.5, 0)),
    ],
)
def test_what_telethon_writes_is_a_row(body: bytes, row: Row) -> None:
    """On its page, and where no page leads to it."""
    written = cell(5, body)
    page = bytes(2000 - len(written)) + written

    found = read_cell(page, 2000 - len(written), 2000, no_page)

    assert found is not None
    assert found.row == row
    assert [one.row for one in find_cells(page, 2000, no_page)] == [row]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00",
        b"\x02\x81",
        record(NULL, NULL),
        record((10, b""), (11, b"")),
        login(address=text(b"149.154 167")),
        login(address=text(b"\xff" * 9)),
        login(port=ZERO),
        login(port=(4, b"\0\1\0\0")),
        login(port=(2, b"\0\x50")),
        login(key=blob(KEY[:255])),
        login(key=blob(KEY[:252] + bytes(4))),
        login(key=blob(KEY[:100] + bytes(8) + KEY[108:])),
        login(key=NULL),
        record(NULL, HASH, text(b"a\0b"), NULL, text(b"A"), DATE),
        record(NULL, HASH, NULL, NULL, text(b"\xe9"), DATE),
        record(NULL, HASH, NULL, (1, b"\xf0"), NULL, DATE),
        record(NULL, HASH, NULL, NULL, NULL, (1, b"\xf0")),
        record(NULL, (6, bytes(7) + b"\5"), NULL, NULL, NULL, DATE),
        record(NULL, (1, b"\1"), NULL, NULL, NULL, DATE),
        record(NULL, NULL, NULL, NULL, NULL, DATE),
        record(NULL, HASH, blob(b"a"), NULL, NULL, DATE),
        record(NULL, HASH, NULL, NULL, text(b"x" * LONGEST_ROW), DATE),
        record((44, bytes(4) + bytes(range(12))), ONE, ONE, ONE, ONE),
        record(MD5, (1, b"\xf0"), ONE, ONE, ONE),
        record(MD5, ONE, (1, b"\2"), ONE, ONE),
        record(NULL, ONE, ONE, (7, struct.pack(">d", 2.0)), ONE),
        record(NULL, ONE, ONE, (7, struct.pack(">d", float("nan"))), ONE),
        record(NULL, ONE, ONE, (1, b"\xf0"), ONE),
        record(NULL, (5, b"\x70\0\0\0\0\0"), ONE, ONE, ONE),
    ],
)
def test_what_telethon_does_not_write_is_no_row(body: bytes) -> None:
    """Neither on a page nor anywhere, whichever value is wrong."""
    written = cell(5, body)
    leaf = b"\x0d\0\0\0\x01\0\0\0" + (8192 - len(written)).to_bytes(2, "big")
    page = leaf + bytes(8182 - len(written)) + written

    assert read_cell(page, 8192 - len(written), 8192, no_page) is None
    assert read_leaf(page, 8192, no_page) is None
    assert find_cells(page, 8192, no_page) == []


def test_the_quick_loop_knows_what_the_careful_one_knows() -> None:
    """Ids of every length on one page, with rows that most are like and rows that few are like."""
    ids = [-(1 << 62), -1_000_000_000_007, -5, 5, 300, 70_000, 1 << 25, 1 << 30, 1 << 40, 1 << 47, 1 << 54, 1 << 60]
    rows = [Entity(one, 1 << 60, f"u{n}", None, "Ö" * n or None, 1_760_000_000) for n, one in enumerate(ids)]
    rows += [Entity((1 << 61) + n, n, None, 905551112233, "x" * 60 * n, 1_760_000_000 + n) for n in range(1, 4)]
    rows += [Entity((1 << 62) + n, 1 << 60, "u" * n, None, "n" * n, 1_760_000_000) for n in (0, 57, 58)]
    for first in range(len(rows)):
        values = ", ".join(str(tuple(row)).replace("None", "NULL") for row in rows[first:])
        main = database_of(*TABLES_8, f"INSERT INTO entities VALUES {values}")

        assert list(salvage(main).entities) == rows[first:]


def test_a_page_may_say_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows out of order, over one another, of two tables, or with more kinds of header than are kept in mind."""
    monkeypatch.setattr(leaf_pages, "_MOST_HEADERS", 2)
    person = record(NULL, HASH, NULL, NULL, text(b"A"), DATE)
    unusual = record(NULL, ZERO, NULL, NULL, text(b"A" * 300), DATE)
    state = record(NULL, ONE, ONE, DATE, ZERO)
    inside = record(NULL, ONE, NULL, NULL, text(b"B" * 420), DATE)

    def leaf(*cells: bytes) -> bytes:
        at, content, pointers = 4096, b"", b""
        for one in cells:
            at, content = at - len(one), one + content
            pointers += at.to_bytes(2, "big")
        head = b"\x0d\0\0" + len(cells).to_bytes(2, "big") + bytes(3) + pointers
        return head + bytes(4096 - len(head) - len(content)) + content

    def pointing(page: bytes, count: int) -> bytes:
        return page[:3] + count.to_bytes(2, "big") + page[5:8] + page[8:10] * count + page[8 + 2 * count :]

    assert read_leaf(leaf(cell(1, person), cell(2, unusual), cell(1 << 30, person)), 4096, no_page) is not None
    for page in (
        leaf(cell(2, person), cell(1, person)),
        leaf(cell(2, unusual), cell(1, unusual)),
        leaf(cell(1, person), cell(2, state)),
        leaf(cell(1, state), cell(2, person)),
        leaf(cell(2, state), cell(1, state)),
        pointing(leaf(cell(1, state)), 3),
        pointing(leaf(cell(1, person)), 3),
        leaf(cell(1, person), cell(2, person))[:3] + b"\xff\xff" + bytes(4091),
        b"\x0d\0\0\0\1\0\0\0\x0f\xff" + bytes(4084) + b"\x05\x81",
    ):
        assert read_leaf(page, 4096, no_page) is None
    assert len(leaf(cell(1, inside))) == 4096
    for size in range(40):  # every header another, more than are remembered
        assert read_leaf(leaf(cell(1, record(NULL, HASH, NULL, NULL, text(b"A" * (size + 1)), DATE))), 4096, no_page)


def test_a_row_before_a_broken_one_is_not_trusted() -> None:
    """A sector in the middle of a page is overwritten: the row whose end it begins in still has a sound header."""
    rows = entities(30)
    main = telethon_file(30)
    page = next(iter(placed.pages for placed in placed_rows(main) if isinstance(placed.row, Entity)))
    (number,) = page
    placed = {one.row for one in placed_rows(main)}
    content = int.from_bytes(main[(number - 1) * 4096 + 5 : (number - 1) * 4096 + 7], "big")
    for at in range(content, 3500, 7):
        start = (number - 1) * 4096 + at
        damaged = main[:start] + bytes(512) + main[start + 512 :]

        rescued = salvage(damaged)

        assert all_rows(rescued) <= placed
        assert 0 < len(rescued.entities) < len(rows)
        assert not rescued.account[Table.ENTITIES].whole


def test_a_leaf_that_claims_too_much_is_read_cell_by_cell() -> None:
    """Its count of rows is destroyed, its rows are not."""
    main = bytearray(telethon_file(30))
    number = next(item.root for item in open_pages(bytes(main)).schema() if item.name == "entities")
    main[(number - 1) * 4096 + 3 : (number - 1) * 4096 + 5] = b"\xff\xff"

    rescued = salvage(bytes(main))

    assert set(rescued.entities) == set(entities(30))
    assert rescued.account[Table.ENTITIES].rows[Source.RAW] == 30


@pytest.mark.parametrize("lost", [1, 100, 255])
def test_a_login_comes_back_without_a_temporary_key_that_is_torn(lost: int) -> None:
    """Nothing needs that key; the other is all that matters."""
    main = telethon_file(0, tmp_key=True)
    end = main.index(TMP_KEY) + 256
    cut = main[: end - lost]
    zeroed = main[: end - lost] + bytes(lost + 3) + main[end + 3 :]

    for damaged in (cut, *([zeroed] if lost > 3 else [])):
        assert salvage(damaged).logins == (Login(4, "149.154.167.91", 443, KEY),)


@pytest.mark.parametrize("tmp", [(12, b""), (0, b""), blob(TMP_KEY)])
@pytest.mark.parametrize("takeout", [NULL, (6, HASH[1])])
def test_a_freed_login_is_known_by_its_address(tmp: tuple[int, bytes], takeout: tuple[int, bytes]) -> None:
    """SQLite writes the header of a free block over its size, its row id and its first byte."""
    freed = b"\0\0\1\x36" + cell(2, login(tmp=tmp, takeout=takeout))[4:]
    page = bytes(700) + freed + bytes(1348 - len(freed))

    (found,) = find_logins(page, 2048, no_page)

    assert found.row == LOGIN._replace(takeout_id=(1 << 60) if takeout[0] else None, tmp_auth_key=None)
    assert find_logins(page.replace(b"149.154.167.51", b"203.0.113.0.51"), 2048, no_page) == []
    assert find_logins(page[: page.index(KEY) + 200], 2048, no_page) == []


def test_a_login_without_address_or_key_is_not_taken_from_nowhere() -> None:
    """Only one that could be used is worth taking without a page."""
    unknown = text(b"203.0.113.7")
    for rowid, body in (
        (2, login(key=blob(b""))),
        (2, login(address=NULL)),
        (2, login(port=NULL)),
        (0, login(address=unknown)),
        (0, login(address=unknown, tmp=blob(TMP_KEY))),
    ):
        written = cell(rowid, body)

        assert find_cells(bytes(500) + written, 500 + len(written), no_page) == []
        assert find_logins(written[3:], len(written) - 3, no_page) == []


def test_the_last_login_is_looked_for_everywhere() -> None:
    """Also in the unused space of pages that are sound, and of other tables."""
    main = bytearray(telethon_file(30))
    root = next(item.root for item in open_pages(bytes(main)).schema() if item.name == "sessions")
    other = next(item.root for item in open_pages(bytes(main)).schema() if item.name == "version")
    freed = cell(3, login(address=text(b"149.154.175.100")))
    main[other * 4096 - 1000 : other * 4096 - 1000 + len(freed)] = freed

    rescued = salvage(overwritten(bytes(main), root, 4096, seed=1))

    assert rescued.logins == (Login(3, "149.154.175.100", 443, KEY, None, b""),)
    assert rescued.account[Table.SESSIONS].rows[Source.RAW] == 1


def test_a_login_without_key_stands_behind_one_with_it(tmp_path: Path) -> None:
    """The table is lost with the schema; what was first written is still on a page of its own."""
    path = tmp_path / "a.session"
    with closing(open_writer(path)) as database:
        for statement in TABLES_8:
            database.execute(statement)
        database.execute("INSERT INTO sessions VALUES (1, '149.154.175.53', 443, x'', NULL, x'')")
        database.execute("INSERT INTO sessions VALUES (4, '149.154.167.91', 443, ?, NULL, x'')", (KEY,))
    main = path.read_bytes()

    rescued = salvage(overwritten(main, 1, 4096, seed=1))

    assert [(login.dc_id, len(login.auth_key)) for login in rescued.logins] == [(4, 256), (1, 0)]
    assert rescued.account[Table.SESSIONS].rows[Source.ORPHAN] == 2


def test_a_keyless_login_does_not_take_the_place_of_its_successor(tmp_path: Path) -> None:
    """Of one data centre: the page has the first, the log of a later transaction the one with the key."""
    path = tmp_path / "a.session"
    path.write_bytes(database_of(*TABLES_8, "INSERT INTO sessions VALUES (4, '149.154.167.91', 443, x'', NULL, x'')"))
    main = path.read_bytes()
    with closing(open_writer(path, mode="wal")) as database:
        database.execute("UPDATE sessions SET auth_key = ?", (KEY,))
        wal = path.with_name("a.session-wal").read_bytes()

    rescued = salvage(overwritten(main, 1, 4096, seed=1), None, wal[:24] + bytes(8) + wal[32:])

    assert [login.auth_key for login in rescued.logins] == [KEY]


def test_the_newer_of_two_rows_is_taken() -> None:
    """Two leaves without a tree hold the same person: that with the later date is the live one."""
    old = database_of(*TABLES_8, "INSERT INTO entities VALUES (7, 9, 'old', NULL, 'Old', 1760000000)")
    new = database_of(*TABLES_8, "INSERT INTO entities VALUES (7, 9, 'new', NULL, 'New', 1760000001)")

    for first, second in ((old, new), (new, old)):
        rescued = salvage(bytes(4096) + first[4096:] + second[4096:])

        assert [one.name for one in rescued.entities] == ["New"]


@pytest.mark.parametrize("trunk", [b"\xff\xff\xff\xff" * 2, b"\0\0\0\5\xff\xff\xff\xff", b"\0\0\0\5\0\0\0\1\0\0\0\5"])
def test_a_broken_list_of_free_pages_proves_nothing(trunk: bytes) -> None:
    """It does not end where it should, so a page outside every tree may be a free one."""
    main = bytearray(
        database_of(
            "PRAGMA secure_delete = OFF",
            *TABLES_8,
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400) "
            "INSERT INTO entities SELECT i, 7 * i, 'user' || i, NULL, 'Person number ' || i, 1760000000 + i FROM n",
            "DELETE FROM entities WHERE id > 3",
        )
    )
    first = int.from_bytes(main[32:36], "big")
    main[(first - 1) * 4096 : (first - 1) * 4096 + len(trunk)] = trunk

    assert [one.id for one in salvage(bytes(main)).entities] == [1, 2, 3]


def test_trees_that_make_no_sense_end() -> None:
    """Pointers to nowhere, in circles, out of order; keys that leave the page; more children than fit."""
    main = telethon_file(300, page_size=1024)
    root = next(item.root for item in open_pages(main).schema() if item.name == "entities")
    start = (root - 1) * 1024
    there = {placed.row for placed in placed_rows(main)}
    first_cell = int.from_bytes(main[start + 12 : start + 14], "big")
    for at, value in (
        (8, b"\0\0\0" + bytes((root,))),
        (8, b"\xff\xff\xff\xff"),
        (3, b"\xff\xff"),
        (3, b"\0\0"),
        (12, b"\x03\xff"),
        (12, b"\x03\xfa"),
        (first_cell, b"\0\0\0" + bytes((root,))),
        (first_cell + 4, b"\xbf\xff\xff\xff\xff\xff\xff\xff\xff"),
        (first_cell + 4, b"\x80\x80\x80\x80\x80\x80\x80\x80\x00"),
    ):
        damaged = main[: start + at] + value + main[start + at + len(value) :]

        assert all_rows(salvage(damaged)) == there


def test_an_index_that_makes_no_sense_is_left() -> None:
    """It is only followed so that its pages are not taken for others."""
    main = telethon_file(300, page_size=512)
    index = next(item.root for item in open_pages(main).schema() if item.name.startswith("sqlite_autoindex"))
    assert main[(index - 1) * 512] == 2
    damaged = bytearray(main)
    damaged[(index - 1) * 512 + 3 : (index - 1) * 512 + 5] = b"\xff\xff"

    assert all_rows(salvage(bytes(damaged))) == all_rows(salvage(main))


def test_the_garbage_collector_is_left_as_it_was() -> None:
    """It is stopped for the time of the work, not longer; and not started where it was stopped."""
    salvage(b"")
    running = gc.isenabled()
    gc.disable()
    try:
        salvage(b"")
        stopped = not gc.isenabled()
    finally:
        gc.enable()

    assert running
    assert stopped


@pytest.mark.parametrize("header", [b"", b"\x01", b"\x03\x00", b"\x02\x80", b"\x09" + b"\xff" * 7 + b"\x7f"])
def test_a_header_that_is_not_whole_is_none(header: bytes) -> None:
    assert shape_of(header) is None
