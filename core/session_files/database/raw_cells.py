"""Rows found in bytes that no page header explains: on pages whose beginning is lost, and on freed ones.

The record header of a Telethon row is looked for at every offset; before it must stand its row id and exactly its size.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from core.session_files.database.contents import KEY_SIZE
from core.session_files.database.leaf_pages import Cell, OverflowPage, read_cell
from core.session_files.database.telethon_records import shape_of
from core.session_files.database.telethon_rows import Login, Table

_HEADER = re.compile(rb"[\x05-\x0a](?=\x00[\x00-\x06\x08\x09\x0d-\xff]|\x2c[\x01-\x06\x08\x09])", re.DOTALL)
"""The size of a record header, then the type of an alias of the row id or of an MD5 digest."""
_LOGIN_HEADER = re.compile(rb"\x00[\x1b-\x7f][\x01\x02]\x84\x0c", re.DOTALL)
"""Types of an alias of the row id, an address of 7 characters or more, a port, a key of 256 bytes."""
_KEY_TYPE = b"\x84\x0c"
_TYPES_WITHOUT_TMP_KEY = 6
_FRAGMENT = 3
"""Bytes that may lie unused between two cells (fileformat2 §1.6)."""
_DATA_CENTRES = {
    b"149.154.175.50": 1,
    b"149.154.175.53": 1,
    b"149.154.167.50": 2,
    b"149.154.167.51": 2,
    b"149.154.175.100": 3,
    b"149.154.167.91": 4,
    b"149.154.167.92": 4,
    b"91.108.56.130": 5,
    b"149.154.171.5": 5,
    b"2001:b28:f23d:f001::a": 1,
    b"2001:67c:4e8:f002::a": 2,
    b"2001:b28:f23d:f003::a": 3,
    b"2001:67c:4e8:f004::a": 4,
    b"2001:b28:f23f:f005::a": 5,
}
"""Where clients of Telegram begin; by it the data centre of a login is known whose row id is lost."""


def find_cells(page: bytes, usable: int, overflow: OverflowPage) -> list[Cell]:
    """Rows of Telethon's tables in these bytes.

    Of rows other than logins only such as end where the next begins, or the page ends: one whose end was overwritten
    is not whole, though its own header says so.
    """
    cells: list[Cell] = []
    for match in _HEADER.finditer(page, 0, usable):
        cell = _cell_with_header(page, match.start(), usable, overflow)
        if cell is not None and (not cells or cell.at >= cells[-1].end):
            cells.append(cell)
    starts = {cell.at for cell in cells}
    starts.update(range(usable - _FRAGMENT, usable + 1))
    whole = [cell for cell in cells if _is_login(cell) or not starts.isdisjoint(range(cell.end, cell.end + 4))]
    known = {cell.row.auth_key for cell in whole if isinstance(cell.row, Login)}
    return [*whole, *_incomplete_logins(page[:usable], known)]


def find_logins(page: bytes, usable: int, overflow: OverflowPage) -> list[Cell]:
    """The logins among them; quick where there is none."""
    return [cell for cell in find_cells(page, usable, overflow) if _is_login(cell)] if _KEY_TYPE in page else []


def _is_login(cell: Cell) -> bool:
    return isinstance(cell.row, Login)


def _incomplete_logins(page: bytes, known: set[bytes]) -> Iterator[Cell]:
    """Logins with their whole key of which something else is lost.

    The temporary key behind it, which Telethon 1.45 never uses; or the cell's first four bytes, the data centre among
    them, where SQLite puts the header of a free block (fileformat2 §1.6).
    """
    for match in _LOGIN_HEADER.finditer(page):
        start, address_size = match.start(), (page[match.start() + 1] - 13) // 2
        for values_at in range(match.end(), match.end() + 5):  # as many types as columns come after the key
            dc_id = _DATA_CENTRES.get(page[values_at : values_at + address_size], 0)
            if start >= 4 and page[start - 1] == values_at - start + 1:
                dc_id = _data_centre_before(page, start, values_at) or dc_id
            login = _login_up_to_key(page, start, values_at, dc_id) if dc_id else None
            if login is not None and login.auth_key not in known:
                known.add(login.auth_key)
                yield Cell(start, values_at, login.dc_id, Table.SESSIONS, login)


def _login_up_to_key(page: bytes, start: int, values_at: int, dc_id: int) -> Login | None:
    """The login whose column types begin at `start`, and its values at `values_at`; without its temporary key."""
    header = _with_size(page[start : min(values_at, start + _TYPES_WITHOUT_TMP_KEY)])
    shape = shape_of(header)
    if shape is None or values_at + shape.size - len(header) > len(page):
        return None
    row = shape.build(dc_id, page, values_at)
    return row if isinstance(row, Login) and _is_certain(row) else None


def _data_centre_before(page: bytes, start: int, values_at: int) -> int:
    """The row id before a record header, where the size before it is that of the record; else 0."""
    shape = shape_of(_with_size(page[start:values_at]))
    return page[start - 2] if shape and page[start - 4 : start - 2] == _written(shape.size) else 0


def _with_size(types: bytes) -> bytes:
    return bytes((len(types) + 1,)) + types


def _written(size: int) -> bytes:
    return bytes((size,)) if size < 0x80 else bytes((size >> 7 | 0x80, size & 0x7F))


def _cell_with_header(page: bytes, header_at: int, usable: int, overflow: OverflowPage) -> Cell | None:
    shape = shape_of(page[header_at : header_at + page[header_at]])
    if shape is None or shape.table is Table.VERSION:
        return None
    written = _written(shape.size)
    start = _rowid_start(page, header_at) - len(written)
    if start < 0 or page[start : start + len(written)] != written:
        return None
    cell = read_cell(page, start, usable, overflow)
    if cell is None or (isinstance(cell.row, Login) and not _is_certain(cell.row)):
        return None
    return cell


def _rowid_start(page: bytes, end: int) -> int:
    """Where the varint before `end` begins: its bytes but the last have the high bit, the byte before it has not."""
    start = end - 1
    while start > 0 and page[start - 1] >= 0x80 and end - start < 9:
        start -= 1
    return start


def _is_certain(login: Login) -> bool:
    return login.dc_id > 0 and bool(login.server_address and login.port) and len(login.auth_key) == KEY_SIZE
