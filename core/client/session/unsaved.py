"""Rows that Telethon gave to the session and that are not in the file yet: bounded, the newest kept (no I/O)."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, NamedTuple, TypeVar

ENTITIES_KEPT = 10_000
"""A row is about 300 bytes in memory; more are written at once, and where that fails the oldest give way."""
FILES_KEPT = 1_000

Key = TypeVar("Key", bound=Hashable)
Row = TypeVar("Row")

EntityRow = tuple[int, int, str | None, int | None, str | None, int]
"""Marked id, access hash, username, phone, name, and when it was seen (seconds since 1970)."""
StateRow = tuple[int, int, int, float, int]
"""Entity id (0: the account), pts, qts, date (seconds since 1970), seq."""
FileKey = tuple[bytes, int, int]
"""MD5 digest, size in bytes, type."""
FileRow = tuple[bytes, int, int, int, int]


class Batch(NamedTuple):
    """All that one save writes."""

    entities: list[EntityRow]
    states: list[StateRow]
    files: list[FileRow]


class NewestRows(Generic[Key, Row]):
    """Rows by key; writing one again makes it the newest, and beyond the limit the oldest goes."""

    def __init__(self, limit: int) -> None:
        self._rows: dict[Key, Row] = {}
        self._limit = limit
        self.dropped = 0
        """Rows that gave way since the start."""

    def put(self, key: Key, row: Row) -> None:
        """Keep a row as the newest of its key."""
        self._rows.pop(key, None)
        self._rows[key] = row

    def shrink(self) -> None:
        """Let the oldest go until the limit holds."""
        while len(self._rows) > self._limit:
            del self._rows[next(iter(self._rows))]
            self.dropped += 1

    def get(self, key: Key) -> Row | None:
        """The row of that key, if one is waiting."""
        return self._rows.get(key)

    def newest_first(self) -> list[Row]:
        """All rows."""
        return list(reversed(self._rows.values()))

    def forget(self, rows: dict[Key, Row]) -> None:
        """Drop rows that are written, except those that have been renewed since."""
        for key, row in rows.items():
            if self._rows.get(key) is row:
                del self._rows[key]

    def snapshot(self) -> dict[Key, Row]:
        """The rows as they are now."""
        return dict(self._rows)

    @property
    def is_full(self) -> bool:
        """Whether the limit is passed."""
        return len(self._rows) > self._limit

    def __len__(self) -> int:
        return len(self._rows)


class Unsaved:
    """What waits for the next save."""

    def __init__(self, *, entities: int = ENTITIES_KEPT, files: int = FILES_KEPT) -> None:
        self.entities: NewestRows[int, EntityRow] = NewestRows(entities)
        self.states: NewestRows[int, StateRow] = NewestRows(1_000_000)  # one a channel: their number bounds it
        self.files: NewestRows[FileKey, FileRow] = NewestRows(files)

    def __len__(self) -> int:
        return len(self.entities) + len(self.states) + len(self.files)

    @property
    def dropped(self) -> int:
        """Rows that were given up since the start."""
        return self.entities.dropped + self.files.dropped

    def batch(self) -> Batch:
        """What there is to write, oldest first."""
        return Batch(
            list(self.entities.snapshot().values()),
            list(self.states.snapshot().values()),
            list(self.files.snapshot().values()),
        )

    def written(self, batch: Batch) -> None:
        """Forget what a save has written."""
        self.entities.forget({row[0]: row for row in batch.entities})
        self.states.forget({row[0]: row for row in batch.states})
        self.files.forget({row[:3]: row for row in batch.files})

    def shrink(self) -> None:
        """Give up the oldest rows above the limits."""
        self.entities.shrink()
        self.files.shrink()
