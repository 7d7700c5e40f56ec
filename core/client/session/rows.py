"""What Telethon stores in a session and looks up there: rows wait in memory first, and what waits is found first."""

from __future__ import annotations

import sqlite3
from abc import abstractmethod
from collections.abc import Callable, Iterable
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

from telethon import utils
from telethon.sessions import SQLiteSession
from telethon.sessions.memory import _SentFileType
from telethon.tl import types

from core.client.session.file import is_busy
from core.client.session.unsaved import EntityRow, StateRow, Unsaved
from core.session_files.mending.recovery import errors_named
from utils.clock import utc_now

_PEERS = (types.PeerUser, types.PeerChat, types.PeerChannel)


class SessionRows(SQLiteSession):  # type: ignore[misc]  # telethon has no types
    """The rows of a session; how and when they are written is `PatientSession`'s."""

    def __init__(self, session_id: str | None = None, store_tmp_auth_key_on_disk: bool = False) -> None:
        self._unsaved = Unsaved()
        super().__init__(session_id, store_tmp_auth_key_on_disk)

    @abstractmethod
    def _is_late(self) -> bool:
        """Whether the session was closed before this call, which is then to be ignored; counts it."""

    @abstractmethod
    def _relieve(self) -> None:
        """Called after rows were added: write at once what has become too much to keep."""

    @abstractmethod
    def _note_missed_read(self) -> None:
        """A look-up met somebody else's lock and was answered from memory alone."""

    def process_entities(self, tlo: Any) -> None:
        """Remember the entities of a result or update for the next save."""
        if not self.save_entities or self._is_late():
            return
        seen_at = int(utc_now().timestamp())
        for row in self._entities_to_rows(tlo):
            self._unsaved.entities.put(row[0], (*row, seen_at))
        self._relieve()

    def set_update_state(self, entity_id: int, state: Any) -> None:
        """Remember how far the updates of the account (id 0) or a channel were handled."""
        if not self._is_late():
            row = (entity_id, state.pts, state.qts, state.date.timestamp(), state.seq)
            self._unsaved.states.put(entity_id, row)

    def cache_file(self, md5_digest: bytes, file_size: int, instance: Any) -> None:
        """Remember an uploaded file, so that the same bytes need no second upload."""
        if not isinstance(instance, types.InputDocument | types.InputPhoto):
            raise TypeError(f"Cannot cache {type(instance)} instance")
        if not self._is_late():
            kind = _SentFileType.from_type(type(instance)).value
            row = (md5_digest, file_size, kind, instance.id, instance.access_hash)
            self._unsaved.files.put(row[:3], row)
            self._relieve()

    def get_update_state(self, entity_id: int) -> Any:
        """How far the updates of the account (id 0) or a channel were handled; None when never."""
        query = "SELECT id, pts, qts, date, seq FROM update_state WHERE id = ?"
        row = self._unsaved.states.get(entity_id) or self._execute(query, entity_id)
        return _state(row) if row else None

    def get_update_states(self) -> Iterable[tuple[int, Any]]:
        """All of them, by id.

        Raises SessionFileBusy when somebody's lock hides them: given none, Telethon would begin anew.
        """
        stored: list[StateRow] = []
        if not self._is_late():
            with errors_named(self.filename):
                stored = self._read("SELECT id, pts, qts, date, seq FROM update_state")
        rows = {row[0]: row for row in stored} | self._unsaved.states.snapshot()
        return [(entity_id, _state(row)) for entity_id, row in rows.items()]

    def get_entity_rows_by_id(self, id: int, exact: bool = True) -> tuple[int, int] | None:  # noqa: A002  # Telethon's
        """Id and access hash of the entity with that marked id, or (not exact) of that bare id of any kind."""
        wanted = [id] if exact else [utils.get_peer_id(peer(id)) for peer in _PEERS]
        waiting = [row for row in map(self._unsaved.entities.get, wanted) if row is not None]
        if waiting:
            return waiting[0][:2]
        return self._first(f"id IN ({', '.join('?' * len(wanted))})", *wanted)

    def get_entity_rows_by_phone(self, phone: int) -> tuple[int, int] | None:
        """Id and access hash of the user with that phone number."""
        return self._waiting(lambda row: str(row[3]) == str(phone)) or self._first("phone = ?", phone)

    def get_entity_rows_by_username(self, username: str) -> tuple[int, int] | None:
        """Id and access hash of who was seen with that username last; nothing is written."""
        found = self._waiting(lambda row: row[2] == username)
        return found or self._first("username = ? ORDER BY date DESC", username)

    def get_entity_rows_by_name(self, name: str) -> tuple[int, int] | None:
        """Id and access hash of an entity with that display name."""
        return self._waiting(lambda row: row[4] == name) or self._first("name = ?", name)

    def get_file(self, md5_digest: bytes, file_size: int, cls: Any) -> Any:
        """The uploaded file of these bytes as Telegram knows it, or None."""
        kind = _SentFileType.from_type(cls).value
        row = self._unsaved.files.get((md5_digest, file_size, kind)) or self._execute(
            "SELECT md5_digest, file_size, type, id, hash FROM sent_files"
            " WHERE md5_digest = ? AND file_size = ? AND type = ?",
            *(md5_digest, file_size, kind),
        )
        return cls(row[3], row[4], file_reference=b"") if row else None  # the table has no column for it

    def _waiting(self, matches: Callable[[EntityRow], bool]) -> tuple[int, int] | None:
        rows: list[EntityRow] = self._unsaved.entities.newest_first()
        return next((row[:2] for row in rows if matches(row)), None)

    def _first(self, condition: str, *values: object) -> tuple[int, int] | None:
        found: tuple[int, int] | None = self._execute(f"SELECT id, hash FROM entities WHERE {condition}", *values)
        return found

    def _execute(self, stmt: str, *values: object) -> Any:
        return next(iter(self._look_up(stmt, *values, limit=1)), None)

    def _look_up(self, query: str, *values: object, limit: int | None = None) -> list[Any]:
        """Rows; none when somebody else's lock, or a session that was closed, stands in the way."""
        if self._is_late():
            return []
        try:
            return self._read(query, *values, limit=limit)
        except sqlite3.OperationalError as error:
            if not is_busy(error):
                raise
            self._note_missed_read()
            return []

    def _read(self, query: str, *values: object, limit: int | None = None) -> list[Any]:
        with closing(self._cursor()) as cursor:
            cursor.execute(query, values)
            rows: list[Any] = cursor.fetchall() if limit is None else cursor.fetchmany(limit)
            return rows


def _state(row: StateRow) -> Any:
    date = datetime.fromtimestamp(row[3], tz=UTC)
    return types.updates.State(pts=row[1], qts=row[2], date=date, seq=row[4], unread_count=0)
