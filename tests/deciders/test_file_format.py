"""What the first bytes of databases, journals and logs say; each case a literal, or made by SQLite."""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from core.session_files.database.file_format import (
    JOURNAL_HEADER,
    JOURNAL_MAGIC,
    WalPages,
    classify_journal,
    journal_original_pages,
    journal_pages,
    names_super_journal,
    pending_frames,
    read_header,
    verified_wal_pages,
    wal_page_size,
    wal_pages,
)
from core.session_files.model import DatabaseHeader, HeaderKind, JournalHeat, JournalMode
from tests.deciders.databases import database_of, open_writer

MAGIC = b"SQLite format 3\0"
SECTOR = 512
EVERY_RECORD = 0xFFFFFFFF
ReadLog = Callable[[bytes], WalPages | None]
READERS = pytest.mark.parametrize("read", [wal_pages, verified_wal_pages])


def header(*, page_size: int = 4096, writes_as: int = 1, counter: int = 5, pages: int = 7, valid_for: int = 5) -> bytes:
    return struct.pack(">16sHBB4xII60xI4x", MAGIC, page_size, writes_as, writes_as, counter, pages, valid_for)


def journal_of(
    *pages: tuple[int, bytes],
    records: int | None = None,
    before: int = 3,
    sector: int = SECTOR,
    page_size: int = 512,
    nonce: int = 9,
) -> bytes:
    """A journal segment with right checksums."""
    head = JOURNAL_HEADER.pack(
        JOURNAL_MAGIC, len(pages) if records is None else records, nonce, before, sector, page_size
    )
    body = b"".join(struct.pack(">I", n) + page + struct.pack(">I", checksum(nonce, page)) for n, page in pages)
    whole = head.ljust(sector, b"\0") + body
    return whole.ljust(-(-len(whole) // SECTOR) * SECTOR, b"\0")


def checksum(nonce: int, page: bytes) -> int:
    """As SQLite's source has it: every 200th byte, from the end."""
    at = len(page) - 200
    while at > 0:
        nonce += page[at]
        at -= 200
    return nonce & 0xFFFFFFFF


def page(fill: int) -> bytes:
    return bytes([fill]) * 512


def test_no_bytes_are_an_empty_database() -> None:
    """SQLite takes them for a new one."""
    assert read_header(b"") == DatabaseHeader(HeaderKind.EMPTY)


@pytest.mark.parametrize(
    "head",
    [
        MAGIC,
        header()[:99],
        b"\0" * 100,
        b"sqlite format 3\0" + header()[16:],
        header(page_size=0),
        header(page_size=256),
        header(page_size=4095),
        header(page_size=513),
    ],
    ids=["magic only", "one byte short", "zeroes", "other magic", "size 0", "size 256", "size 4095", "size 513"],
)
def test_what_is_no_header_is_no_database(head: bytes) -> None:
    """Too short, another magic, or a page size that cannot be."""
    assert read_header(head) == DatabaseHeader(HeaderKind.NOT_DATABASE)


@pytest.mark.parametrize(
    ("writes_as", "mode"),
    [(1, JournalMode.ROLLBACK), (2, JournalMode.WAL), (0, JournalMode.UNKNOWN), (3, JournalMode.UNKNOWN)],
)
def test_the_write_version_is_the_journal_mode(writes_as: int, mode: JournalMode) -> None:
    """1 and 2 are known, others belong to a format to come."""
    assert read_header(header(writes_as=writes_as)).journal_mode is mode


def test_a_stale_page_count_does_not_count() -> None:
    """Only when it was written with the last change."""
    assert read_header(header()).page_count == 7
    assert read_header(header(valid_for=4)).page_count == 0


@pytest.mark.parametrize("page_size", [512, 1024, 4096, 32768, 65536])
@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_headers_that_sqlite_writes_are_read(page_size: int, mode: str, tmp_path: Path) -> None:
    """Page size, count and mode are those that the writer was asked for; 65,536 is written as 1."""
    path = tmp_path / "a.session"
    with closing(open_writer(path, page_size=page_size, mode=mode)) as database:
        database.execute("CREATE TABLE t (a)")
        database.execute("INSERT INTO t VALUES (zeroblob(200000))")
        (pages,) = database.execute("PRAGMA page_count").fetchone()

    found = read_header(path.read_bytes()[:100])

    expected = JournalMode.WAL if mode == "wal" else JournalMode.ROLLBACK
    assert found == DatabaseHeader(HeaderKind.DATABASE, expected, page_size, pages)


@pytest.mark.parametrize(
    ("head", "heat"),
    [
        (b"", JournalHeat.COLD),
        (b"\0" * 28, JournalHeat.COLD),
        (JOURNAL_MAGIC[:7], JournalHeat.COLD),
        (b"\0" + JOURNAL_MAGIC, JournalHeat.COLD),
        (JOURNAL_MAGIC, JournalHeat.HOT),
        (journal_of((1, page(1))), JournalHeat.HOT),
    ],
    ids=["empty", "zeroed", "torn magic", "shifted", "magic only", "whole"],
)
def test_only_the_magic_makes_a_journal_hot(head: bytes, heat: JournalHeat) -> None:
    """Existence and size say nothing."""
    assert classify_journal(head) is heat


def test_the_pages_before_the_transaction_are_in_the_header() -> None:
    """Known when the header is whole."""
    whole = journal_of(before=41)

    assert journal_original_pages(whole) == 41
    assert journal_original_pages(whole[:27]) is None
    assert journal_original_pages(b"\0" * 28) is None


@pytest.mark.parametrize(
    "journal",
    [
        b"",
        JOURNAL_MAGIC,
        b"\0" * 600,
        journal_of(page_size=256),
        journal_of(page_size=1000),
        journal_of(page_size=0),
        JOURNAL_HEADER.pack(JOURNAL_MAGIC, 1, 9, 3, 0, 512),
        JOURNAL_HEADER.pack(JOURNAL_MAGIC, 1, 9, 3, 31, 512),
    ],
)
def test_a_journal_without_a_valid_header_restores_nothing(journal: bytes) -> None:
    """Too short, zeroed, or with sizes that cannot be."""
    assert journal_pages(journal) is None


def test_a_journal_gives_the_count_and_the_pages_of_before() -> None:
    """Each record by its page number."""
    assert journal_pages(journal_of((1, page(1)), (3, page(3)))) == (3, {1: page(1), 3: page(3)})


def test_the_first_image_of_a_page_is_kept() -> None:
    """A later one is of the middle of the transaction."""
    assert journal_pages(journal_of((2, page(1)), (2, page(9)))) == (3, {2: page(1)})


def test_playback_ends_at_the_first_wrong_checksum() -> None:
    """What follows a torn record cannot be trusted, its own checksum or not."""
    journal = bytearray(journal_of((1, page(1)), (2, page(2)), (3, page(3))))
    journal[SECTOR + 520 + 4 + 312] ^= 1

    assert journal_pages(bytes(journal)) == (3, {1: page(1)})


def test_playback_ends_where_the_file_does() -> None:
    """A record cut in the middle is none."""
    journal = journal_of((1, page(1)), (2, page(2)))

    assert journal_pages(journal[: SECTOR + 520 + 519]) == (3, {1: page(1)})


def test_every_segment_is_played_back() -> None:
    """A transaction that was synced twice has two headers, each at a sector, each with its own nonce."""
    two = journal_of((1, page(1))) + journal_of((2, page(2)), nonce=77)

    assert journal_pages(two) == (3, {1: page(1), 2: page(2)})


def test_playback_ends_at_a_segment_that_was_not_synced() -> None:
    """Its header has another magic or none, or counts no record yet."""
    first = journal_of((1, page(1)))
    unsynced = journal_of((2, page(2)), records=0)

    assert journal_pages(first + bytes(2048)) == (3, {1: page(1)})
    assert journal_pages(first + unsynced) == (3, {1: page(1)})


def test_a_header_may_count_until_the_end_of_the_file() -> None:
    """What SQLite writes with synchronous=OFF."""
    journal = journal_of((1, page(1)), (2, page(2)), records=EVERY_RECORD)

    assert journal_pages(journal) == (3, {1: page(1), 2: page(2)})


@pytest.mark.parametrize(
    ("head", "page_size"),
    [
        (b"", None),
        (struct.pack(">IIIIIIII", 0x377F0682, 3007000, 4096, 0, 1, 2, 3, 4)[:31], None),
        (struct.pack(">IIIIIIII", 0x377F0682, 3007000, 4096, 0, 1, 2, 3, 4), 4096),
        (struct.pack(">IIIIIIII", 0x377F0683, 3007000, 65536, 0, 1, 2, 3, 4), 65536),
        (struct.pack(">IIIIIIII", 0x377F0681, 3007000, 4096, 0, 1, 2, 3, 4), None),
        (struct.pack(">IIIIIIII", 0x377F0682, 3007000, 256, 0, 1, 2, 3, 4), None),
        (struct.pack(">IIIIIIII", 0x377F0682, 3007000, 4097, 0, 1, 2, 3, 4), None),
    ],
)
def test_a_log_is_told_by_its_header(head: bytes, page_size: int | None) -> None:
    """Both byte orders of checksums are known; a size that cannot be is none."""
    assert wal_page_size(head) == page_size


def frame(number: int, pages_after: int, salts: bytes = b"saltsalt") -> bytes:
    return struct.pack(">II8sII", number, pages_after, salts, 0, 0)


@pytest.mark.parametrize(
    ("frames", "pending"),
    [
        ([], 0),
        ([frame(1, 0), frame(2, 0)], 0),
        ([frame(1, 0), frame(2, 7)], 2),
        ([frame(1, 7), frame(2, 0), frame(3, 0)], 1),
        ([frame(1, 7), frame(2, 7, b"saltSALT"), frame(3, 7)], 1),
        ([frame(1, 7), frame(2, 7)[:20]], 1),
    ],
    ids=["none", "no commit", "a commit", "uncommitted tail", "frames of an older log", "torn frame"],
)
def test_frames_wait_up_to_the_last_commit(frames: list[bytes], pending: int) -> None:
    """A frame with other salts was left by the log before."""
    head = bytes(16) + b"saltsalt" + bytes(8)

    assert pending_frames(head, iter(frames)) == pending


@READERS
@pytest.mark.parametrize("wal", [b"", bytes(32), bytes(5000)], ids=["empty", "zeroes", "more zeroes"])
def test_a_file_that_is_no_log_gives_nothing(read: ReadLog, wal: bytes) -> None:
    """A zeroed -wal is what a crash at creation leaves."""
    assert read(wal) is None


@READERS
def test_a_log_without_a_commit_gives_nothing(read: ReadLog, tmp_path: Path) -> None:
    """The first transaction was still being written."""
    wal = log_of_sqlite(tmp_path)

    assert read(wal) is not None
    assert read(wal[: 32 + 24 + 4096]) is None
    assert read(wal[:32]) is None


def test_a_verified_log_has_a_whole_header(tmp_path: Path) -> None:
    """The checksum of the header is asked as well."""
    wal = bytearray(log_of_sqlite(tmp_path))
    wal[12] ^= 1

    assert verified_wal_pages(bytes(wal)) is None


@READERS
def test_a_log_with_checksums_in_the_other_byte_order_is_read(read: ReadLog, tmp_path: Path) -> None:
    """A database may have been carried over from a machine of the other kind."""
    wal = log_of_sqlite(tmp_path)

    assert read(in_other_order(wal)) == read(wal) is not None


def log_of_sqlite(folder: Path) -> bytes:
    """A log with one transaction of two pages."""
    path = folder / "a.session"
    path.write_bytes(database_of("CREATE TABLE t (a)"))
    with closing(open_writer(path, mode="wal")) as database:
        database.execute("CREATE TABLE u (a)")
        return path.with_name("a.session-wal").read_bytes()


def in_other_order(wal: bytes) -> bytes:
    """The same log as a machine of the other byte order writes it."""
    magic = struct.unpack_from(">I", wal)[0] ^ 1
    order = ">" if magic & 1 else "<"
    sums = sum_up(order, struct.pack(">I", magic) + wal[4:24], (0, 0))
    out = struct.pack(">I", magic) + wal[4:24] + struct.pack(">II", *sums)
    for start in range(32, len(wal), 24 + 4096):
        image = wal[start + 24 : start + 24 + 4096]
        sums = sum_up(order, image, sum_up(order, wal[start : start + 8], sums))
        out += wal[start : start + 16] + struct.pack(">II", *sums) + image
    return out


def sum_up(order: str, data: bytes, sums: tuple[int, int]) -> tuple[int, int]:
    one, two = sums
    for first, second in struct.iter_unpack(f"{order}II", data):
        one = (one + first + two) % (1 << 32)
        two = (two + second + one) % (1 << 32)
    return one, two


def test_only_the_magic_at_the_end_names_a_super_journal() -> None:
    """The last 8 bytes decide; an ordinary journal ends in a record or in zeros."""
    assert names_super_journal(JOURNAL_MAGIC)
    assert not names_super_journal(bytes(8))
    assert not names_super_journal(b"")
