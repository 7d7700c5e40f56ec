"""What a session is right before it is backed up, told by names and sizes alone: SQLite is not asked.

Opened read-only in WAL mode without anybody else, it would leave a -wal and a -shm behind.
"""

from __future__ import annotations

import os

from core.errors import PlanOutdated
from core.session_files.backups.errors import MEND_FIRST, BackupRefused
from core.session_files.backups.manifest import Source
from core.session_files.model import FileInspection, HeaderKind, JournalMode, SidecarKind, Usage


def source_of(seen: FileInspection) -> Source:
    """The session file as it is now, if it can be backed up.

    Raises BackupRefused when it is to be mended first or is no session, PlanOutdated when it is another file by now.
    """
    family = seen.family
    if family.main is None:
        raise BackupRefused(f"it is {family.note or family.kind.value}", path=family.path)
    try:
        found = os.stat(family.target)
    except OSError as error:
        raise PlanOutdated(f"it cannot be looked at any more ({error.strerror})", path=family.path) from error
    if (found.st_dev, found.st_ino) != (family.main.device, family.main.inode):
        raise PlanOutdated("it was replaced since it was looked at", path=family.path)
    if found.st_size == 0:
        raise BackupRefused("it is empty", path=family.path, hint=MEND_FIRST)
    if seen.header.kind is HeaderKind.NOT_DATABASE:
        raise BackupRefused("it is not a database", path=family.path)
    mode = _journal_mode(seen)
    return Source(found.st_size, found.st_mtime_ns, found.st_ino, mode.value)


def _journal_mode(seen: FileInspection) -> JournalMode:
    path, header, usage = seen.family.target, seen.header, seen.occupancy.usage
    wal, shm = (_size(path + kind.value) for kind in (SidecarKind.WAL, SidecarKind.SHM))
    unread = header.kind is HeaderKind.UNREAD
    if header.journal_mode is JournalMode.WAL or wal or (unread and wal is not None):
        if usage is Usage.UNKNOWN:
            raise BackupRefused(
                f"it is in WAL mode, and who has it open is unknown: {seen.occupancy.reason}", path=path
            )
        # Whoever has a WAL database open keeps both files there, and the last to close it removes them.
        if usage is Usage.FREE or wal is None or shm is None:
            raise BackupRefused("it is in WAL mode, and nobody has it open", path=path, hint=MEND_FIRST)
        return JournalMode.WAL
    if unread and usage is not Usage.IN_USE:
        raise BackupRefused(f"it cannot be looked into: {seen.occupancy.reason}", path=path)
    return JournalMode.ROLLBACK


def _size(path: str) -> int | None:
    try:
        return os.lstat(path).st_size
    except OSError:
        return None
