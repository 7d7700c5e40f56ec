"""From the bytes of a record to a row of Telethon's, strictly (sqlite.org/fileformat2.html §2.1).

The header alone says which table a row is of: in no version of Telethon's schema, 1 to 8, have two tables columns of
the same types. A row that is not exactly as Telethon and SQLite write it is no row: chance bytes must not become a
login or a contact.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from core.session_files.database.contents import KEY_SIZE
from core.session_files.database.telethon_rows import Entity, Login, Row, SentFile, Table, UpdateState, Version

LONGEST_ROW = 4096
"""Bytes of a record; the longest names that Telegram allows make a quarter of it."""

Build = Callable[[int, bytes, int], Row | None]
"""Row id, bytes, and where in them the values begin → the row; None when a value is none that Telethon writes."""


class Shape(NamedTuple):
    """What a record header stands for."""

    table: Table
    size: int
    """Bytes of the record, its header included."""
    build: Build


@lru_cache(maxsize=16384)
def shape_of(header: bytes) -> Shape | None:
    """What a record header stands for; None when it is none of Telethon's. Raises nothing."""
    serials = _serial_types(header)
    size = len(header) + sum(map(_size_of, serials))
    if size > LONGEST_ROW:
        return None
    for table, (lengths, columns, builder) in _LAYOUTS.items():
        if len(serials) in lengths and all(fits(one) for fits, one in zip(columns, serials, strict=False)):
            return Shape(table, size, builder(serials))
    return None


def _serial_types(header: bytes) -> list[int]:
    """The header's varints, without its own size; nothing where it is not whole."""
    if not header or header[0] != len(header) or header[-1] >= 0x80:
        return []
    serials, value = [], 0
    for byte in header[1:]:
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            serials.append(value)
            value = 0
    return serials


_NULL, _WORD, _SIX, _LONG, _REAL, _ZERO, _ONE = 0, 4, 5, 6, 7, 8, 9
_INTEGERS = (1, 2, 3, 4, 5, 6, _ZERO, _ONE)
_EMPTY_TEXT = 13
_SIZES = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0)
_FORMATS = ("0s", "b", "h", "3s", "i", "6s", "q", "d", "0s", "0s")
_SHORTER = {
    # By serial type, the integers that SQLite would have written in a shorter form: a zeroed page is full of them.
    1: range(2),
    **{
        serial: range(-(1 << bits), 1 << bits)
        for serial, bits in ((2, 7), (3, 15), (_WORD, 23), (_SIX, 31), (_LONG, 47))
    },
}
LEAST_DATE, LEAST_PHONE, BEYOND_PHONES = 1 << 23, 1 << 31, 1 << 47
"""Of a date that takes four bytes, and of a phone that takes six."""
SHORT_HASH = 1 << 47
"""Between minus this and this a hash takes fewer than eight bytes."""


def _size_of(serial: int) -> int:
    return (serial - 12) // 2 if serial >= 12 else _SIZES[serial]


def _format_of(serial: int) -> str:
    return f"{_size_of(serial)}s" if serial >= 12 else _FORMATS[serial]


def _is_null(serial: int) -> bool:
    return serial == _NULL


def _is_integer(serial: int) -> bool:
    return serial in _INTEGERS


def _is_number(serial: int) -> bool:
    return serial == _REAL or serial in _INTEGERS


def _is_text(serial: int) -> bool:
    return serial > 12 and serial % 2 == 1


def _is_phone(serial: int) -> bool:
    return serial == _NULL or _is_integer(serial) or _is_text(serial)


def _or_null(fits: Callable[[int], bool]) -> Callable[[int], bool]:
    return lambda serial: serial == _NULL or fits(serial)


def _is_blob_of(*sizes: int) -> Callable[[int], bool]:
    return frozenset(12 + 2 * size for size in sizes).__contains__


def _integer_of(raw: bytes) -> int:
    return int.from_bytes(raw, "big", signed=True)


def _text_of(raw: bytes) -> str:
    if 0 in raw:  # nothing that Telegram sends, but what a zeroed page and UTF-16 are made of
        raise ValueError
    return raw.decode()


def _converter(serial: int) -> Callable[[Any], Any] | None:
    """From what `struct` gives to the column's value; None where that is the value."""
    if _is_text(serial):
        return _text_of
    if serial in (3, _SIX):
        return _integer_of
    if serial in (_NULL, _ZERO, _ONE):
        constant = {_NULL: None, _ZERO: 0, _ONE: 1}[serial]
        return lambda _raw: constant
    return None


def _columns_reader(serials: list[int]) -> Callable[[bytes, int], list[Any]]:
    """Reads the column values; the function raises ValueError where one is not as SQLite writes it."""
    unpack = struct.Struct(">" + "".join(map(_format_of, serials))).unpack_from
    converters = [_converter(serial) for serial in serials]
    shorter_forms = [_SHORTER.get(serial, range(0)) for serial in serials]

    def read(data: bytes, at: int) -> list[Any]:
        raw = unpack(data, at)
        values = [value if convert is None else convert(value) for convert, value in zip(converters, raw, strict=True)]
        if any(value in shorter for shorter, value in zip(shorter_forms, values, strict=True)):
            raise ValueError
        return values

    return read


def _builder(make: Callable[[int, list[Any]], Row | None]) -> Callable[[list[int]], Build]:
    def builder(serials: list[int]) -> Build:
        read = _columns_reader(serials)

        def build(rowid: int, data: bytes, at: int) -> Row | None:
            try:
                return make(rowid, read(data, at))
            except ValueError:
                return None

        return build

    return builder


def usual_entity(header: bytes) -> tuple[str, int] | None:
    """The `struct` format of hash, username, phone, name and date, and the record's size, where the header is usual.

    Most entities have an access hash of eight bytes, no phone or one of six bytes, and a date, and are shorter than 128
    bytes. To be asked of the values: whether hash, phone and date need so many bytes (`SHORT_HASH`,
    `LEAST_PHONE`, `LEAST_DATE`), no NUL in the texts, and UTF-8; empty texts and phones stand for NULL.
    """
    serials = _serial_types(header)
    if len(serials) != 6 or (*serials[:2], serials[5]) != (_NULL, _LONG, _WORD) or serials[3] not in (_NULL, _SIX):
        return None
    username, phone, name = serials[2:5]
    size = len(header) + sum(map(_size_of, serials))
    if size >= 0x80 or not all(one == _NULL or (_is_text(one) and one > _EMPTY_TEXT) for one in (username, name)):
        return None
    return f"q{_format_of(username)}{_format_of(phone)}{_format_of(name)}i", size


_ADDRESS = re.compile(r"[0-9A-Za-z.:_-]{1,255}")
_TORN = bytes(4)
"""At the ends of a key or digest, or twice within a key: hardly ever by chance, but where a page was zeroed in part."""


def _is_key(key: bytes | None) -> bool:
    return not key or not (key.startswith(_TORN) or key.endswith(_TORN) or _TORN + _TORN in key)


def _login(rowid: int, values: list[Any]) -> Login | None:
    login = Login(rowid, *values[1:])
    address, port = login.server_address, login.port
    sound = (
        0 <= login.dc_id < 1 << 15
        and (address is None or _ADDRESS.fullmatch(address) is not None)
        and (port is None or 0 < port < 1 << 16)
        and _is_key(login.auth_key)
        and _is_key(login.tmp_auth_key)
    )
    return login if sound else None


def _entity(rowid: int, values: list[Any]) -> Entity | None:
    entity = Entity(rowid, *values[1:])
    sound = (isinstance(entity.phone, str) or (entity.phone or 0) >= 0) and (entity.date or 0) >= 0
    return entity if sound else None


def _version(rowid: int, _values: list[Any]) -> Version | None:
    return Version(rowid) if 0 < rowid < 1 << 8 else None


def _sent_file(_rowid: int, values: list[Any]) -> SentFile | None:
    file = SentFile(*values)
    torn = file.md5_digest.startswith(_TORN) or file.md5_digest.endswith(_TORN)
    return file if file.file_size >= 0 and file.type in (0, 1) and not torn else None


def _update_state(rowid: int, values: list[Any]) -> UpdateState | None:
    state = UpdateState(rowid, *values[1:])
    counters = (state.pts, state.qts, state.seq)
    sound = all(-(1 << 31) <= one < 1 << 31 for one in counters) and 0 <= state.date < 1 << 40
    # A whole number is stored as an integer, whatever type it had (datatype3 §3.1).
    return state if sound and (isinstance(state.date, int) or not state.date.is_integer()) else None


_is_blob_of_key = _is_blob_of(0, KEY_SIZE)
_LAYOUTS: dict[Table, tuple[tuple[int, ...], tuple[Callable[[int], bool], ...], Callable[[list[int]], Build]]] = {
    # How many columns, version by version, what each may be, and what makes the row; an alias of the row id is NULL.
    Table.ENTITIES: (
        (5, 6),
        (_is_null, _is_integer, _or_null(_is_text), _is_phone, _or_null(_is_text), _or_null(_is_integer)),
        _builder(_entity),
    ),
    Table.SESSIONS: (
        (4, 5, 6),
        (
            _is_null,
            _or_null(_is_text),
            _or_null(_is_integer),
            _is_blob_of_key,
            _or_null(_is_integer),
            _or_null(_is_blob_of_key),
        ),
        _builder(_login),
    ),
    Table.SENT_FILES: (
        (5,),
        (_is_blob_of(16), _is_integer, _is_integer, _is_integer, _is_integer),
        _builder(_sent_file),
    ),
    Table.UPDATE_STATE: (
        (5,),
        (_is_null, _is_integer, _is_integer, _is_number, _is_integer),
        _builder(_update_state),
    ),
    Table.VERSION: ((1,), (_is_null,), _builder(_version)),
}
