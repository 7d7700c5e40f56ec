"""Telethon's rows on one leaf page of a table: all of a sound page, quickly; of a damaged one what is beyond doubt.

A cell is payload size, row id, record (sqlite.org/fileformat2.html §1.6). No function here raises for any bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from core.session_files.database.pages import (
    PageUnreadable,
    cell_offsets,
    read_varint,
    signed,
    size_on_leaf,
)
from core.session_files.database.telethon_records import (
    BEYOND_PHONES,
    LEAST_DATE,
    LEAST_PHONE,
    SHORT_HASH,
    shape_of,
    usual_entity,
)
from core.session_files.database.telethon_rows import Entity, Row, Table

OverflowPage = Callable[[int], bytes | None]
"""The page of that number, None where it is not there or cannot be the row's."""
UsualCell = tuple[Callable[[bytes, int], tuple[Any, ...]] | None, int]

_nine_bytes = struct.Struct(">HHHHB").unpack_from
_USUAL_HEADER = 7
_LEAST = -(1 << 63) - 1
"""Below every row id."""
_MOST_HEADERS = 16384


class Leaf(NamedTuple):
    """The rows of a sound leaf page, in the order of their row ids."""

    table: Table | None
    """None for a page without rows."""
    rowids: list[int]
    rows: list[Row]
    continued: dict[int, bytes]
    """The overflow pages that rows continue on, by number."""


class Cell(NamedTuple):
    """A row and the bytes of its page that it takes."""

    at: int
    end: int
    rowid: int
    table: Table
    row: Row


def read_leaf(page: bytes, usable: int, overflow: OverflowPage) -> Leaf | None:
    """All rows of a table's leaf page, None when one of them is not sound or not of the table of the others."""
    continued = _Noted(overflow)
    try:
        pointers = cell_offsets(0, page, 0, usable)
        if not pointers:
            return Leaf(None, [], [], continued)
        first = read_cell(page, pointers[0], usable, continued.page)
        if first is None:
            return None
        if first.table is Table.ENTITIES:
            return _entities_of(page[:usable], pointers, usable, continued)
        return _rows_of(first.table, page, pointers, usable, continued)
    except (PageUnreadable, IndexError, ValueError, struct.error):
        return None


class _Noted(dict[int, bytes]):
    """The overflow pages that were asked for and are there."""

    def __init__(self, overflow: OverflowPage) -> None:
        super().__init__()
        self._overflow = overflow

    def page(self, number: int) -> bytes | None:
        page = self._overflow(number)
        if page is not None:
            self[number] = page
        return page


def _rows_of(table: Table, page: bytes, pointers: tuple[int, ...], usable: int, continued: _Noted) -> Leaf | None:
    rowids: list[int] = []
    rows: list[Row] = []
    for at in pointers:
        cell = read_cell(page, at, usable, continued.page)
        if cell is None or cell.table is not table or (rowids and cell.rowid <= rowids[-1]):
            return None
        rowids.append(cell.rowid)
        rows.append(cell.row)
    return Leaf(table, rowids, rows, continued)


def _entities_of(page: bytes, pointers: tuple[int, ...], usable: int, continued: _Noted) -> Leaf | None:
    """As `_rows_of`, several times as fast: nearly all rows of a session go through this loop.

    IndexError, ValueError or struct.error where a row is not sound.
    """
    new, number, high, middle = tuple.__new__, int.from_bytes, _pairs(21), _pairs(7)
    least_date, short_hash, short_negative_hash = LEAST_DATE, SHORT_HASH, -SHORT_HASH
    rowids: list[int] = []
    rows: list[Row] = []
    last = _LEAST
    rowid_at = read_varint(page, pointers[0])[1]
    width = read_varint(page, rowid_at)[1] - rowid_at  # neighbouring row ids are mostly of one length
    header_at, usual_cells, read_rowid = 1 + width, _usual_cells(width), _ROWID_READERS[width]
    header_end = header_at + _USUAL_HEADER
    for at in pointers:
        read, usual_size = usual_cells[page[at + header_at : at + header_end]]
        if read is not None:
            size, first, second, third, hash_, username, phone, name, date = read(page, at)
            if read_rowid is not None:
                rowid = read_rowid(page, at + 1)
            else:
                rowid = high[first] + middle[second] + third if third < 0x80 else _LEAST
            phone = number(phone, "big") if phone else None
            if (
                size == usual_size
                and rowid > last
                and date >= least_date
                and (hash_ >= short_hash or hash_ < short_negative_hash)
                and (phone is None or LEAST_PHONE <= phone < BEYOND_PHONES)
                and 0 not in username
                and 0 not in name
            ):
                last = rowid
                rowids.append(rowid)
                rows.append(new(Entity, (rowid, hash_, username.decode() or None, phone, name.decode() or None, date)))
                continue
        cell = read_cell(page, at, usable, continued.page)
        if cell is None or cell.table is not Table.ENTITIES or cell.rowid <= last:
            return None
        last = cell.rowid
        rowids.append(last)
        rows.append(cell.row)
    return Leaf(Table.ENTITIES, rowids, rows, continued)


class _UsualCells(dict[bytes, UsualCell]):
    """By record header, where row ids take `width` bytes: what reads the cell, and its size.

    It reads size, three parts of the row id (two, two and one byte; they mean nothing unless the width is five), hash,
    username, phone, name, date.
    """

    def __init__(self, width: int) -> None:
        self._row_id = "HHB" if width == 5 else f"{width}x" + "0s" * 3

    def __missing__(self, header: bytes) -> UsualCell:
        if len(self) > _MOST_HEADERS:
            self.clear()
        usual = usual_entity(header)
        self[header] = None, 0
        if usual is not None:
            self[header] = struct.Struct(f">B{self._row_id}{len(header)}x{usual[0]}").unpack_from, usual[1]
        return self[header]


_usual_cells = cache(_UsualCells)


def _rowid_of_nine(page: bytes, at: int) -> int:
    first, second, third, fourth, last = _nine_bytes(page, at)
    pairs = _pairs(0)
    rowid = (pairs[first] << 50) + (pairs[second] << 36) + (pairs[third] << 22) + (pairs[fourth] << 8) + last
    return signed(rowid) if rowid >= 0 else _LEAST


def _rowid_of(width: int) -> Callable[[bytes, int], int]:
    def rowid_at(page: bytes, at: int) -> int:
        rowid, end = read_varint(page, at)
        return rowid if end - at == width else _LEAST

    return rowid_at


@cache
def _pairs(shift: int) -> list[int]:
    """By two bytes of a varint, both to be continued, the 14 bits they stand for; far below zero where one ends it."""
    ends = -(1 << 100)
    return [(pair >> 1 & 0x3F80 | pair & 0x7F) << shift if pair & 0x8080 == 0x8080 else ends for pair in range(1 << 16)]


_ROWID_READERS = {
    # Of five bytes are most ids of today, which the loop reads itself; of nine those of channels and groups.
    **{width: _rowid_of(width) for width in range(1, 9)},
    5: None,
    9: _rowid_of_nine,
}


def sound_cells(page: bytes, usable: int, overflow: OverflowPage) -> list[Cell]:
    """The rows of a damaged leaf page that can be trusted.

    A row before a broken one is left out, unless it is a login: what broke its neighbour may have reached its end.
    """
    try:
        pointers = sorted(set(cell_offsets(0, page, 0, usable)))
    except PageUnreadable:
        return []
    found: dict[int, Cell] = {}
    after: Cell | None = None
    beyond = usable
    for at in reversed(pointers):
        cell = read_cell(page, at, usable, overflow)
        next_is_sound = after is not None or beyond == usable
        if cell and cell.end <= beyond and (next_is_sound or cell.table is Table.SESSIONS):
            found.setdefault(cell.rowid, cell)
        after, beyond = cell, at
    return list(found.values())


def read_cell(page: bytes, at: int, usable: int, overflow: OverflowPage) -> Cell | None:
    """The row whose cell begins at `at`, None when there is none that is whole and Telethon's."""
    try:
        size, record_at = read_varint(page, at)
        rowid, record_at = read_varint(page, record_at)
        values_at = record_at + page[record_at]
    except IndexError:
        return None
    shape = shape_of(page[record_at:values_at])
    end = record_at + size_on_leaf(size, usable)
    if shape is None or shape.size != size or end > usable:
        return None
    record = page[record_at:end]
    if len(record) < size:
        record += _chain(int.from_bytes(page[end : end + 4], "big"), size - len(record), usable, overflow)
        end += 4
    row = shape.build(signed(rowid), record, values_at - record_at) if len(record) == size else None
    return row and Cell(at, end, signed(rowid), shape.table, row)


def _chain(follow: int, missing: int, usable: int, overflow: OverflowPage) -> bytes:
    """The bytes of a row that stand on overflow pages; fewer where the chain is not of exactly the right length."""
    parts = []
    while missing > 0:
        page = overflow(follow)
        if page is None:
            return b""
        parts.append(page[4 : 4 + min(missing, usable - 4)])
        missing -= usable - 4
        follow = int.from_bytes(page[:4], "big")
    return b"".join(parts) if follow == 0 else b""
