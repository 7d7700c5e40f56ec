"""Giving a backup back: as a verified file beside the place it is meant for. What it replaces is not touched here."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from hashlib import blake2b
from typing import NamedTuple

from core.errors import CopyFailed, SessionFileError
from core.session_files.backups.catalog import Backup
from core.session_files.backups.encryption import Cipher, open_sealed
from core.session_files.backups.errors import BackupUnusable
from core.session_files.backups.snapshot import Patience, verify_copy
from core.session_files.mending.copies import read_chunks, write_at
from core.session_files.model import Contents
from utils.sqlite_uri import sqlite_uri


class Fetched(NamedTuple):
    """A backup's session in a file of its own, on disk but for its name; the caller moves or removes it."""

    path: str
    contents: Contents


def fetch(backup: Backup, target: str, *, cipher: Cipher | None = None) -> Fetched:
    """Write the session of the backup into a new file (0600) in the folder of `target`, and verify it there.

    It bears the owner and group of the target, or of its folder where there is none, as far as this user may give
    them. Raises BackupUnusable (WrongBackupKey for another key) when it is not what was stored, CopyFailed when the
    folder takes no more; then no file is left.
    """
    path = f"{os.path.dirname(os.path.abspath(target))}/.{os.path.basename(target)}.restoring"
    try:
        with suppress(FileNotFoundError):
            os.unlink(path)  # of a fetch that was killed
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise CopyFailed(f"no file could be made beside it ({error.strerror})", path=target) from error
    try:
        try:
            _give_to_owner(descriptor, target)
            _write_session(backup, descriptor, cipher)
        finally:
            os.close(descriptor)
        return Fetched(path, _verified(path, backup))
    except BaseException:
        os.unlink(path)
        raise


def check(backup: Backup, *, cipher: Cipher | None = None) -> None:
    """Read the backup and compare it with its manifest, writing nothing; raises BackupUnusable."""
    for _part in _session_bytes(backup, cipher):
        pass


def _write_session(backup: Backup, descriptor: int, cipher: Cipher | None) -> None:
    position = 0
    try:
        for part in _session_bytes(backup, cipher):
            write_at(descriptor, part, position)
            position += len(part)
        os.fsync(descriptor)
    except OSError as error:
        problem = f"the backup could not be written beside it ({error.strerror})"
        raise CopyFailed(problem, path=backup.path, hint="free some space") from error


def _session_bytes(backup: Backup, cipher: Cipher | None) -> Iterator[bytes]:
    """The session's bytes; ends with BackupUnusable when the stored file is not the one that was stored."""
    digest = blake2b()
    sealed = []
    try:
        for chunk in read_chunks(backup.path):
            digest.update(chunk)
            if backup.manifest.encryption is None:
                yield chunk
            else:
                sealed.append(chunk)
    except OSError as error:
        raise BackupUnusable(f"its file cannot be read ({error.strerror})", path=backup.path) from error
    if digest.hexdigest() != backup.manifest.blake2b:
        raise BackupUnusable("its bytes are not those that were stored", path=backup.path, hint="take an older backup")
    if backup.manifest.encryption is not None:
        yield open_sealed(cipher, b"".join(sealed), encryption=backup.manifest.encryption, path=backup.path)


def _verified(path: str, backup: Backup) -> Contents:
    with closing(sqlite3.connect(sqlite_uri(path, mode="ro"), uri=True, timeout=0.0, isolation_level=None)) as database:
        try:
            contents = verify_copy(database, path, seconds=Patience().for_size(os.stat(path).st_size))
        except SessionFileError as error:
            raise BackupUnusable(f"SQLite does not find it whole: {error}", path=backup.path) from error
    if contents.logged_in is not backup.manifest.logged_in:
        raise BackupUnusable("its login is not as its manifest says", path=backup.path)
    return contents


def _give_to_owner(descriptor: int, target: str) -> None:
    try:
        owner = os.stat(target)
    except OSError:
        owner = os.stat(os.path.dirname(os.path.abspath(target)))
    with suppress(PermissionError):  # only root may give a file away
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
