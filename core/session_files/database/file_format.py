"""SQLite's file formats: bytes in, facts out (sqlite.org/fileformat2.html; no file is opened here)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from core.session_files.model import DatabaseHeader, HeaderKind, JournalHeat, JournalMode

HEADER_SIZE = 100
DATABASE_MAGIC = b"SQLite format 3\0"
JOURNAL_MAGIC = bytes.fromhex("d9d505f920a163d7")
JOURNAL_HEADER = struct.Struct(">8sIIIII")
"""Magic, records in this segment, checksum nonce, database pages before, sector size, page size."""
WAL_HEADER_SIZE = 32
FRAME_HEADER_SIZE = 24
MOVED_MARK = b"gavatcore: moved\n"
"""How the marker begins that stands in the place of a session that was moved to another host."""
_WAL_MAGICS = (0x377F0682, 0x377F0683)
_COUNTS_UNTIL_END = 0xFFFFFFFF

_ROLLBACK_FORMAT, _WAL_FORMAT = 1, 2
_MODES = {_ROLLBACK_FORMAT: JournalMode.ROLLBACK, _WAL_FORMAT: JournalMode.WAL}
_header_fields = struct.Struct(">16sHBB4xII60xI").unpack_from


def read_header(head: bytes) -> DatabaseHeader:
    """Facts of a database's first 100 bytes; fewer bytes than that are no database.

    The page count in the header counts only when the change counter equals the version-valid-for number
    (fileformat2 §1.3.7): older writers left it stale.
    """
    if not head:
        return DatabaseHeader(HeaderKind.EMPTY)
    if head.startswith(MOVED_MARK):
        return DatabaseHeader(HeaderKind.MOVED)
    if len(head) < HEADER_SIZE or not head.startswith(DATABASE_MAGIC):
        return DatabaseHeader(HeaderKind.NOT_DATABASE)
    _magic, page_size, writes_as, _reads_as, change_counter, pages, valid_for = _header_fields(head)
    page_size = 65536 if page_size == 1 else page_size
    if page_size < 512 or page_size & (page_size - 1):
        return DatabaseHeader(HeaderKind.NOT_DATABASE)
    return DatabaseHeader(
        HeaderKind.DATABASE,
        _MODES.get(writes_as, JournalMode.UNKNOWN),
        page_size,
        pages if change_counter == valid_for else 0,
    )


def classify_journal(head: bytes) -> JournalHeat:
    """Hot or cold, from the first bytes of a rollback journal.

    Only a journal that begins with the magic holds anything to play back; a zeroed one is what a commit in PERSIST
    mode, or a writer killed before its commit began, leaves behind (research: session_files §5.1).
    """
    return JournalHeat.HOT if head.startswith(JOURNAL_MAGIC) else JournalHeat.COLD


def names_super_journal(tail: bytes) -> bool:
    """Whether a journal's last 8 bytes say that it belongs to a transaction over several databases.

    Telethon never makes one. SQLite deletes the file that such a journal names, so it must not be played back here.
    """
    return tail == JOURNAL_MAGIC


def journal_original_pages(head: bytes) -> int | None:
    """Pages of the database before the journalled transaction; None when the header is not whole."""
    if len(head) < JOURNAL_HEADER.size or not head.startswith(JOURNAL_MAGIC):
        return None
    return int(JOURNAL_HEADER.unpack_from(head)[3])


def journal_pages(journal: bytes) -> tuple[int, dict[int, bytes]] | None:
    """What a rollback restores: the database's page count and, by page number, its original pages.

    None when the first header is not valid. Playback stops at the first record whose checksum is wrong, as in
    SQLite (fileformat2 §3, "the rollback journal"); a page that occurs twice keeps its first, older image.
    """
    if len(journal) < JOURNAL_HEADER.size or not journal.startswith(JOURNAL_MAGIC):
        return None
    _magic, _records, _nonce, original_pages, sector, page_size = JOURNAL_HEADER.unpack_from(journal)
    if page_size < 512 or page_size & (page_size - 1) or sector < 32:
        return None
    pages: dict[int, bytes] = {}
    for number, image in _journal_records(journal, sector, page_size):
        pages.setdefault(number, image)
    return original_pages, pages


def _journal_records(journal: bytes, sector: int, page_size: int) -> Iterator[tuple[int, bytes]]:
    record_size = page_size + 8
    start = 0
    while start + JOURNAL_HEADER.size <= len(journal) and journal.startswith(JOURNAL_MAGIC, start):
        _magic, records, nonce, *_rest = JOURNAL_HEADER.unpack_from(journal, start)
        position = start + sector
        if records == _COUNTS_UNTIL_END:
            records = (len(journal) - position) // record_size
        for _ in range(records):
            if position + record_size > len(journal):
                return
            (number,) = struct.unpack_from(">I", journal, position)
            image = journal[position + 4 : position + 4 + page_size]
            (checksum,) = struct.unpack_from(">I", journal, position + 4 + page_size)
            if checksum != _journal_checksum(nonce, image):
                return
            yield number, image
            position += record_size
        start = -(-position // sector) * sector


def _journal_checksum(nonce: int, image: bytes) -> int:
    return (nonce + sum(image[len(image) - 200 : 0 : -200])) & 0xFFFFFFFF


def wal_page_size(head: bytes) -> int | None:
    """Page size of a write-ahead log, None when its header is not one."""
    if len(head) < WAL_HEADER_SIZE:
        return None
    magic, _version, page_size = struct.unpack_from(">III", head)
    if magic not in _WAL_MAGICS or page_size < 512 or page_size & (page_size - 1):
        return None
    return int(page_size)


def pending_frames(head: bytes, frame_headers: Iterator[bytes]) -> int:
    """Frames up to the last commit, from the log's header and its frame headers in order.

    A frame belongs to the log while its salts equal the header's; checksums are not asked here, so a torn last
    transaction may be counted where SQLite will drop it.
    """
    salts = head[16:24]
    committed = 0
    for count, frame in enumerate(frame_headers, 1):
        if len(frame) < FRAME_HEADER_SIZE or frame[8:16] != salts:
            break
        if frame[4:8] != b"\0\0\0\0":
            committed = count
    return committed


WalPages = tuple[int, dict[int, bytes]]
"""Page count at the last commit, and the newest committed image of each page."""


def wal_pages(wal: bytes) -> WalPages | None:
    """What a recovery takes from a log, None when no committed frame is in it; checksums are not asked.

    The last transaction may be torn where its frames bear the right salts: after a power loss, or when the writer was
    killed between a frame's header and its page in a log that it used anew. `verified_wal_pages` tells, at about
    0.15 ms a frame.
    """
    return _collect_frames(wal, _frames_with_salts(wal))


def verified_wal_pages(wal: bytes) -> WalPages | None:
    """As `wal_pages`, with every checksum verified as SQLite does; the first wrong one ends the log (§4.1, §4.2)."""
    return _collect_frames(wal, _frames_with_checksums(wal))


def _collect_frames(wal: bytes, starts: Iterator[int]) -> WalPages | None:
    page_size = wal_page_size(wal)
    if page_size is None:
        return None
    waiting: dict[int, int] = {}
    committed: dict[int, int] = {}
    page_count = 0
    for start in starts:
        number, pages_after = struct.unpack_from(">II", wal, start)
        waiting[number] = start + FRAME_HEADER_SIZE
        if pages_after:
            committed |= waiting
            waiting.clear()
            page_count = pages_after
    images = {number: wal[at : at + page_size] for number, at in committed.items()}
    return (page_count, images) if page_count else None


def _frame_starts(wal: bytes) -> range:
    frame_size = FRAME_HEADER_SIZE + (wal_page_size(wal) or 0)
    return range(WAL_HEADER_SIZE, len(wal) - frame_size + 1, frame_size)


def _frames_with_salts(wal: bytes) -> Iterator[int]:
    for start in _frame_starts(wal):
        if wal[start + 8 : start + 16] != wal[16:24]:
            return
        yield start


def _frames_with_checksums(wal: bytes) -> Iterator[int]:
    order = "<" if wal[:4] == _WAL_MAGICS[0].to_bytes(4, "big") else ">"
    sums = _wal_checksum(order, wal[:24], (0, 0))
    if sums != struct.unpack_from(">II", wal, 24):
        return
    size = wal_page_size(wal) or 0
    for start in _frames_with_salts(wal):
        image = wal[start + FRAME_HEADER_SIZE : start + FRAME_HEADER_SIZE + size]
        sums = _wal_checksum(order, image, _wal_checksum(order, wal[start : start + 8], sums))
        if sums != struct.unpack_from(">II", wal, start + 16):
            return
        yield start


def _wal_checksum(order: str, data: bytes, sums: tuple[int, int]) -> tuple[int, int]:
    first, second = sums
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for index in range(0, len(words), 2):
        first = (first + words[index] + second) & 0xFFFFFFFF
        second = (second + words[index + 1] + first) & 0xFFFFFFFF
    return first, second
