"""Rows of Telethon's tables, as versions 1 to 8 of its schema have them (`telethon/sessions/sqlite.py`)."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Table(Enum):
    """Telethon's tables, by their names."""

    VERSION = "version"
    SESSIONS = "sessions"
    ENTITIES = "entities"
    SENT_FILES = "sent_files"
    UPDATE_STATE = "update_state"


class Version(NamedTuple):
    """The row that names the schema."""

    version: int


class Login(NamedTuple):
    """A row of `sessions`; without a key where nobody has logged in."""

    dc_id: int
    server_address: str | None
    port: int | None
    auth_key: bytes
    """256 bytes or none."""
    takeout_id: int | None = None
    tmp_auth_key: bytes | None = None

    def __repr__(self) -> str:
        """Which data centre and whether a key is there; never the key."""
        keys = f"auth_key={len(self.auth_key)} bytes, tmp_auth_key={len(self.tmp_auth_key or b'')} bytes"
        return f"Login(dc_id={self.dc_id}, server_address={self.server_address!r}, port={self.port}, {keys})"


class Entity(NamedTuple):
    """A row of `entities`."""

    id: int
    hash: int
    username: str | None
    phone: int | str | None
    """Text where it was none of digits."""
    name: str | None
    date: int | None = None
    """Seconds since 1970 of the last write; since schema 7."""


class SentFile(NamedTuple):
    """A row of `sent_files` as it is since schema 3; older ones Telethon itself drops."""

    md5_digest: bytes
    file_size: int
    type: int
    id: int
    hash: int


class UpdateState(NamedTuple):
    """A row of `update_state`."""

    id: int
    pts: int
    qts: int
    date: int | float
    """Seconds since 1970; Telethon writes fractions for channels."""
    seq: int


Row = Version | Login | Entity | SentFile | UpdateState
Key = int | tuple[bytes, int, int]


def key_of(row: Row) -> Key:
    """The primary key."""
    return row[:3] if isinstance(row, SentFile) else row[0]
