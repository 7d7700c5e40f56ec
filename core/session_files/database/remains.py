"""What is left of a damaged database: its pages by number, as a recovery would leave them, and older images of them.

Nothing is taken for granted: the header may be lost, the file cut, a sidecar of another database or torn.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from functools import partial
from typing import NamedTuple

from core.session_files.database.file_format import (
    FRAME_HEADER_SIZE,
    HEADER_SIZE,
    JOURNAL_HEADER,
    JOURNAL_MAGIC,
    WAL_HEADER_SIZE,
    WalPages,
    journal_pages,
    names_super_journal,
    read_header,
    verified_wal_pages,
    wal_page_size,
)
from core.session_files.database.leaf_pages import OverflowPage
from core.session_files.database.pages import (
    B_TREE_PAGES,
    LEAF_TABLE,
    PageUnreadable,
    cell_offsets,
    read_varint,
    size_on_leaf,
)
from core.session_files.model import HeaderKind

PAGE_SIZES = (65536, 32768, 16384, 8192, 4096, 2048, 1024, 512)
_USUAL_PAGE_SIZE = 4096
_SMALLEST_USABLE = 480
_FRACTIONS = bytes([64, 32, 32])
"""What bytes 21 to 23 of every header are (fileformat2 §1.3.5)."""
_SAMPLE = 2048
"""Pages looked at when the size of a page has to be guessed."""
_numbers = struct.Struct(">HH").unpack_from


class OldImages(NamedTuple):
    """Images of pages that were written together, so that a row of one may continue on another."""

    images: Iterable[bytes]
    overflow: OverflowPage


class Remains:
    """The pages of one damaged database."""

    def __init__(self, main: memoryview, journal: bytes, wal: bytes) -> None:
        self._main, self._journal, self._wal = main, journal, wal
        recovery = _recovery(journal, wal)
        first = bytes(main[:HEADER_SIZE]) if recovery is None else recovery[1].get(1, bytes(main[:HEADER_SIZE]))
        self.page_size, self.usable = _geometry(first, main, journal, wal)
        if recovery is not None and any(len(image) != self.page_size for image in recovery[1].values()):
            recovery = None  # of another database
        in_file = -(-len(main) // self.page_size)
        self._count, self._overlay = recovery or (in_file, {})
        beyond = sorted(number for number in self._overlay if in_file < number <= self._count)
        self.numbers = (*range(1, min(in_file, self._count) + 1), *beyond)
        """The pages of which at least a part is there; never a number that the file merely claims."""
        self.last_page = max(self.numbers[-1:], default=0)
        """The number of the last page, also where the file was cut before it and the header still tells."""
        if _is_header(self.fragment(1)):
            self.last_page = max(self.last_page, read_header(self.fragment(1)[:HEADER_SIZE]).page_count)

    def page(self, number: int) -> bytes | None:
        """The whole page of that number, None where it is cut off or outside the database."""
        page = self.fragment(number)
        return page if len(page) == self.page_size else None

    def fragment(self, number: int) -> bytes:
        """What is there of a page."""
        if not 1 <= number <= self._count:
            return b""
        return self._overlay.get(number) or self._in_file(number)

    def view(self, number: int) -> bytes | memoryview:
        """As `fragment` of a page that is there, without copying it out of the file."""
        return self._overlay.get(number) or self._place_of(number)

    def _in_file(self, number: int) -> bytes:
        return bytes(self._place_of(number))

    def _place_of(self, number: int) -> memoryview:
        start = (number - 1) * self.page_size
        return self._main[start : start + self.page_size]

    def cut_pages(self) -> list[int]:
        """Pages that are not there to their end, and the first one when its header is lost."""
        cut = [number for number in self.numbers[-1:] if self.page(number) is None]
        return cut if _is_header(self.fragment(1)) else [1, *cut]

    def free_pages(self) -> tuple[set[int], bool]:
        """The pages of the free list that can be reached, and whether they are all of them (fileformat2 §1.5)."""
        free: set[int] = set()
        first, last = self.page(1), max(self.numbers[-1:], default=0)
        if first is None or not _is_header(first):
            return free, False
        trunk, expected = struct.unpack_from(">II", first, 32)
        while trunk not in free and (page := self.page(trunk)):
            next_trunk, count = struct.unpack_from(">II", page)
            free.add(trunk)
            if count > self.usable // 4 - 2:
                break
            free.update(one for one in struct.unpack_from(f">{count}I", page, 8) if one <= last)
            trunk = next_trunk
        return free, trunk == 0 and len(free) == expected

    def old_images(self) -> Iterator[OldImages]:
        """Images of the log, newest first, then of the journal, then pages of the file that a recovery would replace.

        Also those of transactions that never ended, and of logs and journals that were over.
        """
        if wal_page_size(self._wal) in (self.page_size, None):
            for transaction in reversed(_transactions(self._wal, self.page_size)):
                yield OldImages(map(self._frame, transaction.values()), partial(self._frame_of, transaction))
        originals: dict[int, bytes] = {}
        for number, image in _journal_images(self._journal, self.page_size):
            originals.setdefault(number, image)
        yield OldImages(originals.values(), originals.get)
        replaced = (*self._overlay, *range(self._count + 1, len(self._main) // self.page_size + 1))
        in_file = (image for image in map(self._in_file, replaced) if len(image) == self.page_size)
        yield OldImages(in_file, lambda _number: None)

    def _frame(self, start: int) -> bytes:
        return self._wal[start + FRAME_HEADER_SIZE : start + FRAME_HEADER_SIZE + self.page_size]

    def _frame_of(self, transaction: dict[int, int], number: int) -> bytes | None:
        return self._frame(transaction[number]) if number in transaction else None


def _recovery(journal: bytes, wal: bytes) -> WalPages | None:
    """What SQLite would lay over the file: a hot journal, then the log."""
    older = None if names_super_journal(journal[-8:]) else journal_pages(journal)
    newer = verified_wal_pages(wal)
    if older is None or newer is None:
        return newer or older
    return newer[0], {**older[1], **newer[1]}


def _is_header(first: bytes) -> bool:
    return read_header(first[:HEADER_SIZE]).kind is HeaderKind.DATABASE and first[21:24] == _FRACTIONS


def _geometry(first: bytes, main: memoryview, journal: bytes, wal: bytes) -> tuple[int, int]:
    """Bytes of a page, and how many of them rows may use."""
    size = read_header(first[:HEADER_SIZE]).page_size or wal_page_size(wal) or _journal_page_size(journal)
    size = size or _guess_page_size(main)
    reserved = first[20] if _is_header(first) and size - first[20] >= _SMALLEST_USABLE else 0
    return size, size - reserved


def _journal_page_size(journal: bytes) -> int:
    if len(journal) < JOURNAL_HEADER.size or not journal.startswith(JOURNAL_MAGIC):
        return 0
    size = int(JOURNAL_HEADER.unpack_from(journal)[5])
    return size if size in PAGE_SIZES else 0


def _guess_page_size(main: memoryview) -> int:
    """The size of which most leaf pages can be; for a file whose header is lost."""
    hits = {}
    for size in PAGE_SIZES:
        pages = len(main) // size
        sample = range(0, pages, max(1, pages // _SAMPLE))
        hits[size] = sum(_is_leaf_of(main, page * size, size) for page in sample) * max(1, pages // _SAMPLE)
    best = max(PAGE_SIZES, key=hits.__getitem__)
    return best if hits[best] else _USUAL_PAGE_SIZE


def _is_leaf_of(main: memoryview, at: int, size: int) -> bool:
    """Whether a leaf page of this size begins here: without rows, or with one that ends where the page does."""
    if main[at] != LEAF_TABLE:
        return False
    cells, content = _numbers(main, at + 3)
    if cells == 0:
        return bool(content == size % 65536)
    page = bytes(main[at : at + size])
    try:
        last = max(cell_offsets(0, page, 0, size))
        payload, end = read_varint(page, last)
        end = read_varint(page, end)[1] + size_on_leaf(payload, size)
    except (PageUnreadable, IndexError):
        return False
    return size in (end, end + 4)


def _transactions(wal: bytes, page_size: int) -> list[dict[int, int]]:
    """Where in the log the frame of each page begins, transaction by transaction, oldest first."""
    found: list[dict[int, int]] = []
    open_one: dict[int, int] = {}
    salts = b""
    for start in range(WAL_HEADER_SIZE, len(wal) - FRAME_HEADER_SIZE - page_size + 1, FRAME_HEADER_SIZE + page_size):
        number, pages_after = struct.unpack_from(">II", wal, start)
        if not open_one or wal[start + 8 : start + 16] != salts:
            open_one, salts = {}, wal[start + 8 : start + 16]
            found.append(open_one)
        open_one[number] = start
        if pages_after:
            open_one = {}
    return found


def _journal_images(journal: bytes, page_size: int) -> Iterator[tuple[int, bytes]]:
    """Every record of a journal, also of one that was zeroed at its commit, whatever its checksums."""
    sector = _sector_size(journal)
    position = sector
    while 0 < position <= len(journal) - page_size - 8:
        segment = -(-position // sector) * sector
        if journal.startswith(JOURNAL_MAGIC, segment):
            position = segment + sector
            continue
        yield int.from_bytes(journal[position : position + 4], "big"), journal[position + 4 : position + 4 + page_size]
        position += page_size + 8


def _sector_size(journal: bytes) -> int:
    """Where the first record begins: as the header says, else where something like a record is; 0 for none."""
    if len(journal) >= JOURNAL_HEADER.size and journal.startswith(JOURNAL_MAGIC):
        sector = int(JOURNAL_HEADER.unpack_from(journal)[4])
        return sector if sector in PAGE_SIZES else 512
    return next((size for size in reversed(PAGE_SIZES) if _begins_record(journal, size)), 0)


def _begins_record(journal: bytes, at: int) -> bool:
    number, kind = journal[at : at + 4], journal[at + 4 : at + 5]
    return any(number) and bool(kind) and (kind[0] in B_TREE_PAGES or number == b"\0\0\0\1")
