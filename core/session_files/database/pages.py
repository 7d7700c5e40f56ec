"""Reading tables from the pages of a database without SQLite (sqlite.org/fileformat2.html §1.6, §2).

Looking must change nothing, and SQLite cannot look at a hot journal or a WAL without writing; so the few rows that
matter (schema, version, login) are read from the bytes, with the pages a recovery would bring laid over them.
Damage raises PageUnreadable with the page's number; nothing else is raised for any bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

from core.session_files.database.file_format import HEADER_SIZE

Value = int | float | str | bytes | None

INTERIOR_INDEX, INTERIOR_TABLE, LEAF_INDEX, LEAF_TABLE = 2, 5, 10, 13
_PAGE_HEADERS = {INTERIOR_INDEX: 12, INTERIOR_TABLE: 12, LEAF_INDEX: 8, LEAF_TABLE: 8}
_DEEPEST_TREE = 20
_NOT_LOCAL = 35
"""A row longer than the usable page less this continues on overflow pages (fileformat2 §1.6)."""
_LEAF_HEADER = 8
B_TREE_PAGES = frozenset(_PAGE_HEADERS)
_LEAVES = (LEAF_TABLE, LEAF_INDEX)
_cells_and_content = struct.Struct(">HH").unpack_from
_SMALL_SIZES = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0)
"""Bytes of a value by serial type, below the blobs and texts (fileformat2 §2.1)."""
_REAL, _FALSE, _TRUE = 7, 8, 9
_FIRST_BLOB = 12


class PageUnreadable(Exception):
    """A page that is missing, or whose bytes are not what its place in the file requires."""

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(f"page {number} cannot be read: {reason}")
        self.number = number


class SchemaTable(NamedTuple):
    """One row of `sqlite_schema`."""

    kind: str
    name: str
    root: int
    sql: str


class DatabasePages:
    """The pages of one database as a recovery would leave them."""

    def __init__(
        self,
        head: bytes,
        read: Callable[[int, int], bytes],
        *,
        page_size: int,
        page_count: int,
        overlay: Mapping[int, bytes] | None = None,
    ) -> None:
        """`head`: the first pages of the main file; `read(offset, size)` gives bytes beyond them.

        `overlay`: newer page images by number, from a journal or a WAL.
        """
        self._head = head[: len(head) // page_size * page_size]
        self._read = read
        self._page_size = page_size
        self._overlay = overlay or {}
        self.page_count = page_count
        first = self.page(1)
        self._usable = page_size - first[20]

    def page(self, number: int) -> bytes:
        """The bytes of page `number` (the first is 1)."""
        if not 1 <= number <= self.page_count:
            raise PageUnreadable(number, f"the database has {self.page_count} pages")
        start = (number - 1) * self._page_size
        page = self._overlay.get(number) or self._head[start : start + self._page_size]
        if not page:
            page = self._read(start, self._page_size)
        if len(page) != self._page_size:
            raise PageUnreadable(number, "the file ends before it")
        return page

    def schema(self) -> tuple[SchemaTable, ...]:
        """The tables and indexes of the database."""
        first = self.page(1)
        on_one_page = _schema_of_leaf(first[HEADER_SIZE:], self._usable) if first[HEADER_SIZE] == LEAF_TABLE else None
        if on_one_page is not None:
            return on_one_page
        return tuple(filter(None, (schema_row(values) for _rowid, values in self.rows(1))))

    def rows(self, root: int) -> Iterator[tuple[int, tuple[Value, ...]]]:
        """Row id and column values of each row of the table whose b-tree begins at page `root`."""
        for number, page, start in self._leaves(root):
            if page[start] != LEAF_TABLE:
                raise PageUnreadable(number, "it holds no rows of a table")
            for cell in cell_offsets(number, page, start, self._usable):
                yield self._table_row(number, page, cell)

    @property
    def has_overlay(self) -> bool:
        """Whether a journal or WAL holds newer pages than the main file."""
        return bool(self._overlay)

    def is_overlaid(self, root: int) -> bool:
        """Whether a leaf of the tree at `root` comes from the overlay; raises PageUnreadable."""
        return any(number in self._overlay for number, _page, _start in self._leaves(root))

    def check_trees(self, roots: Iterable[int]) -> None:
        """Raise PageUnreadable at the first page of the trees that is missing or no b-tree page."""
        head, page_size = self._head, self._page_size
        for root in roots:
            start = (root - 1) * page_size
            # Most trees of a session are one page of the first read: looked at in place.
            if root > 1 and not self._overlay and start + page_size <= len(head) and head[start] in _LEAVES:
                _check_leaf(root, head, start)
                continue
            for number, page, at in self._leaves(root):
                _check_leaf(number, page, at)

    def _leaves(self, root: int) -> Iterator[tuple[int, bytes, int]]:
        page = self.page(root)
        if page[0] in _LEAVES:  # a tree of one page: most of a session's
            yield root, page, 0
            return
        stack = [(root, 0)]
        seen: set[int] = set()
        while stack:
            number, depth = stack.pop()
            if number in seen or depth > _DEEPEST_TREE:
                raise PageUnreadable(number, "it occurs twice in its tree")
            seen.add(number)
            page = self.page(number)
            start = HEADER_SIZE if number == 1 else 0
            kind = page[start]
            if kind in _LEAVES:
                yield number, page, start
            elif kind in (INTERIOR_TABLE, INTERIOR_INDEX):
                children = [_u32(page, cell, number) for cell in cell_offsets(number, page, start, self._usable)]
                children.append(_u32(page, start + 8, number))
                stack += [(child, depth + 1) for child in reversed(children)]
            else:
                raise PageUnreadable(number, "it is no b-tree page")

    def _table_row(self, number: int, page: bytes, cell: int) -> tuple[int, tuple[Value, ...]]:
        try:
            size, at = read_varint(page, cell)
            rowid, at = read_varint(page, at)
            return signed(rowid), decode_record(self._payload(number, page, at, size))
        except (IndexError, struct.error) as error:
            raise PageUnreadable(number, "a row in it is not whole") from error

    def _payload(self, number: int, page: bytes, at: int, size: int) -> bytes:
        usable = self._usable
        if size <= usable - _NOT_LOCAL:
            return page[at : at + size]
        local = size_on_leaf(size, usable)
        if size > self.page_count * self._page_size:
            raise PageUnreadable(number, "a row in it claims to be larger than the database")
        parts = [page[at : at + local]]
        missing, follow = size - local, _u32(page, at + local, number)
        seen: set[int] = set()
        while missing > 0:
            if follow in seen:
                raise PageUnreadable(follow, "a row leads to it twice")
            seen.add(follow)
            overflow = self.page(follow)
            parts.append(overflow[4 : 4 + min(missing, usable - 4)])
            missing -= usable - 4
            follow = _u32(overflow, 0, follow)
        return b"".join(parts)


def size_on_leaf(size: int, usable: int) -> int:
    """Bytes of a row of `size` bytes that stand on its leaf; the others are on overflow pages (fileformat2 §1.6)."""
    longest, shortest = usable - _NOT_LOCAL, (usable - 12) * 32 // 255 - 23
    if size <= longest:
        return size
    local = shortest + (size - shortest) % (usable - 4)
    return local if local <= longest else shortest


def _check_leaf(number: int, page: bytes, start: int) -> None:
    cells, content = _cells_and_content(page, start + 3)
    at = HEADER_SIZE if number == 1 else 0
    if at + _LEAF_HEADER + 2 * cells > (content or 65536):
        raise PageUnreadable(number, "its cells overlap its header")


def cell_offsets(number: int, page: bytes, start: int, usable: int) -> tuple[int, ...]:
    """Where the cells of the b-tree page begin; raises PageUnreadable when it claims more than fit."""
    kind = page[start]
    cells = int.from_bytes(page[start + 3 : start + 5], "big")
    first = start + _PAGE_HEADERS.get(kind, usable)
    if first + 2 * cells > usable:
        raise PageUnreadable(number, "it claims more rows than fit")
    return struct.unpack_from(f">{cells}H", page, first)


def _u32(page: bytes, at: int, number: int) -> int:
    if at + 4 > len(page):
        raise PageUnreadable(number, "a pointer in it leads outside")
    return int.from_bytes(page[at : at + 4], "big")


@lru_cache(maxsize=64)
def _schema_of_leaf(leaf: bytes, usable: int) -> tuple[SchemaTable, ...] | None:
    """The schema when all of it stands on page 1; None when a row of it continues elsewhere."""
    # Files made by one Telethon release share this part of page 1 byte for byte, so a fleet is parsed once.
    page = b"\0" * HEADER_SIZE + leaf
    tables = []
    for cell in cell_offsets(1, page, HEADER_SIZE, usable):
        try:
            size, at = read_varint(page, cell)
            if size > usable - _NOT_LOCAL:
                return None
            _rowid, at = read_varint(page, at)
            row = schema_row(decode_record(page[at : at + size]))
        except (IndexError, struct.error) as error:
            raise PageUnreadable(1, "a row in it is not whole") from error
        if row is not None:
            tables.append(row)
    return tuple(tables)


def schema_row(values: tuple[Value, ...]) -> SchemaTable | None:
    """The row of `sqlite_schema` with these values, None when they name no tree."""
    if len(values) < 5 or not isinstance(values[1], str) or not isinstance(values[3], int):
        return None
    sql = values[4] if isinstance(values[4], str) else ""
    return SchemaTable(str(values[0]), values[1], values[3], sql)


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """A variable-length integer at `at` and the offset after it; IndexError where the bytes end."""
    value = 0
    for count in range(8):
        byte = data[at + count]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + count + 1
    return value << 8 | data[at + 8], at + 9


def signed(value: int) -> int:
    """A 64-bit unsigned number as the signed one it stands for."""
    return value - (1 << 64) if value >= 1 << 63 else value


def decode_record(record: bytes) -> tuple[Value, ...]:
    """The column values of a record; IndexError or struct.error when it is not whole."""
    header_end, at = read_varint(record, 0)
    if header_end > len(record):
        raise IndexError("the record header is longer than the record")
    values: list[Value] = []
    body = header_end
    while at < header_end:
        serial = record[at]
        if serial < 0x80:
            at += 1
        else:
            serial, at = read_varint(record, at)
        size = (serial - _FIRST_BLOB) // 2 if serial >= _FIRST_BLOB else _SMALL_SIZES[serial]
        raw = record[body : body + size]
        if len(raw) != size:
            raise IndexError("a value reaches beyond the record")
        values.append(_decode_value(serial, raw))
        body += size
    return tuple(values)


def _decode_value(serial: int, raw: bytes) -> Value:
    if serial >= _FIRST_BLOB:
        return raw if serial % 2 == 0 else raw.decode("utf-8", "replace")
    if serial == 0:
        return None
    if serial < _REAL:
        return int.from_bytes(raw, "big", signed=True)
    if serial == _REAL:
        return float(struct.unpack(">d", raw)[0])
    if serial <= _TRUE:
        return serial - _FALSE
    raise IndexError("a reserved serial type")
