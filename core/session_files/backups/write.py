"""One session into one file of a backup, plain or sealed, verified on the way."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from hashlib import blake2b, file_digest
from threading import Thread
from typing import NamedTuple, Self

from core.errors import CopyFailed
from core.session_files.backups.encryption import Cipher
from core.session_files.backups.manifest import Source
from core.session_files.backups.snapshot import Patience, copy_committed, image_of, verify_copy
from core.session_files.mending.copies import write_at
from core.session_files.model import Contents, JournalMode
from utils.sqlite_uri import sqlite_uri

_SMALL = 1024 * 1024
"""A session of up to so many bytes goes through memory, which takes half the time of a file."""
_GONE_THROUGH_ONCE = "PRAGMA cache_size=20"
"""Pages; a larger cache only pushes the bytes at hand out of the processor's own."""


class Stored(NamedTuple):
    """What was written."""

    contents: Contents
    bytes: int
    blake2b: str


def write_session(session: str, source: Source, path: str, *, cipher: Cipher | None, patience: Patience) -> Stored:
    """Write the last committed state of `session` into the new file `path` (0600), not yet synced.

    Raises what `copy_committed` and `verify_copy` do, and OSError.
    """
    if cipher is None and source.bytes > _SMALL:
        return _through_file(session, source, path, patience)
    # A sealed one always goes through memory, so that no byte of the login reaches the disk in the clear.
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as copy:
        copy_committed(session, source.bytes, copy, mode=JournalMode(source.journal_mode), patience=patience)
        contents = verify_copy(copy, session, seconds=patience.for_size(source.bytes))
        image = image_of(copy)
    data = image if cipher is None else cipher.seal(image)
    write_file(path, data)
    return Stored(contents, len(data), blake2b(data).hexdigest())


def write_file(path: str, data: bytes) -> None:
    """Write a new file (0600) and let the kernel begin to put it on disk; raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        write_at(descriptor, data, 0)
        _start_writing_out(descriptor)
    finally:
        os.close(descriptor)


def _through_file(session: str, source: Source, path: str, patience: Patience) -> Stored:
    """Through the file itself, so that a session of any size takes little memory."""
    write_file(path, b"")
    with _open_copy(path) as copy:
        # Nothing waits for the disk while the session is locked, and a half-made copy is thrown away anyway.
        copy.execute("PRAGMA journal_mode=OFF")
        copy.execute("PRAGMA synchronous=OFF")
        copy_committed(session, source.bytes, copy, mode=JournalMode(source.journal_mode), patience=patience)
    with _open_copy(path) as copy:
        copy.execute("PRAGMA journal_mode=DELETE")  # changes a copy of a WAL database, and no other; so before hashing
        with _Hashing(path) as hashing:
            contents = verify_copy(copy, session, seconds=patience.for_size(source.bytes))
        return Stored(contents, os.stat(path).st_size, hashing.digest())


class _Hashing(Thread):
    """Reads a file for its digest, and begins to put it on disk, while SQLite checks it.

    A thread of its own: `concurrent.futures` loads logging, which takes as long as hashing ten megabytes.
    """

    def __init__(self, path: str) -> None:
        super().__init__(name="hashing")
        self._path = path
        self._found: str | OSError | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.join()

    def run(self) -> None:
        try:
            self._found = _digest_of(self._path)
        except OSError as error:  # for the thread that asks
            self._found = error

    def digest(self) -> str:
        """Once it has ended; raises OSError where the file could not be read, CopyFailed where it ended otherwise."""
        if isinstance(self._found, OSError):
            raise self._found
        if self._found is None:
            raise CopyFailed("no backup could be made: its bytes were not hashed to the end", path=self._path)
        return self._found


def _digest_of(path: str) -> str:
    with open(path, "rb", buffering=0) as copy:
        _start_writing_out(copy.fileno())
        return file_digest(copy, blake2b).hexdigest()


def _start_writing_out(descriptor: int) -> None:
    # Linux starts writing on that without waiting, so that the fsync in the end finds most of it done.
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


@contextmanager
def _open_copy(path: str) -> Iterator[sqlite3.Connection]:
    """The copy's own database; what fails there and is not the session's fault is CopyFailed."""
    try:
        with closing(sqlite3.connect(sqlite_uri(path, mode="rw"), uri=True, isolation_level=None)) as copy:
            copy.execute(_GONE_THROUGH_ONCE)
            yield copy
    except sqlite3.Error as error:
        raise CopyFailed(f"no backup could be made: {error}", path=path) from error
