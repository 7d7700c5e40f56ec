"""Taking backups: `<root>/NAME-HASH/YYYYmmdd-HHMMSS/{NAME.session, manifest.json}`, folders 0700, files 0600.

A backup is written as `.partial-…` and bears its name only when all of it is on disk. `take` copies and verifies,
`settle` syncs and names all that was taken since, so that a fleet does not wait for the disk after every session. What
a killed run leaves half made, the next backup of that session removes.
"""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from core.errors import StateError
from core.session_files.backups.catalog import PARTIAL, Backup, newest_on, read_shelf, remove
from core.session_files.backups.encryption import FERNET, Cipher
from core.session_files.backups.manifest import MANIFEST_NAME, Manifest, Source, to_json
from core.session_files.backups.rotation import RotationPolicy, staying
from core.session_files.backups.snapshot import Patience
from core.session_files.backups.source import source_of
from core.session_files.backups.write import write_file, write_session
from core.session_files.mending.copies import (
    SPACE_LEFT,
    failures_named,
    shelf_name,
    sync_file,
    sync_file_system,
    sync_folder,
)
from core.session_files.model import FileInspection, JournalMode
from utils.clock import from_epoch
from utils.units import size_text

_SETTLED = timedelta(seconds=2)
"""A file written less than this before its backup may have been written again within the same tick of its clock."""
_MANY = 16
"""From so many new backups on, the whole disk is synced twice instead of each file and folder."""
_PATIENCE = Patience()


class Unchanged(NamedTuple):
    """The session was not written since its newest backup, so no other was made."""

    newest: Backup


class BackupStore:
    """The backups below one folder, one run at a time (the caller holds the run lock)."""

    def __init__(
        self,
        root: str,
        *,
        policy: RotationPolicy,
        cipher: Cipher | None = None,
        patience: Patience = _PATIENCE,
    ) -> None:
        self._root = root
        self._policy = policy
        self._cipher = cipher
        self._patience = patience
        self._pending: dict[str, Backup] = {}
        """By shelf; their folders are still to be."""
        self._unchanged: list[Backup] = []

    def current(self, seen: FileInspection) -> Backup | None:
        """The newest backup when it is of this very state, so that none would be made; raises as `take` does."""
        newest = newest_on(f"{self._root}/{shelf_name(seen.family)}")
        source = source_of(seen)
        return newest if newest is not None and self._is_current(newest.manifest, source) else None

    def take(self, seen: FileInspection, *, now: datetime) -> Backup | Unchanged:
        """Copy and verify one session as it was last committed; a backup only once `settle` has returned.

        `now` is the moment of this call. Nothing is written beside the session. Raises BackupRefused when it is to be
        mended first, SessionFileBusy, PlanOutdated, SessionFileError; CopyFailed or StateError if it cannot be stored.
        """
        family = seen.family
        source = source_of(seen)
        shelf = f"{self._root}/{shelf_name(family)}"
        if shelf in self._pending:
            return self._pending[shelf]
        newest = newest_on(shelf)
        if newest is not None and self._is_current(newest.manifest, source):
            self._unchanged.append(newest)
            return Unchanged(newest)
        stamp = f"{now.astimezone(UTC):%Y%m%d-%H%M%S}"
        while os.path.lexists(f"{shelf}/{stamp}"):
            stamp += "+"
        partial = f"{shelf}/{PARTIAL}{stamp}"
        with failures_named(family.path, "backup"):
            try:
                os.makedirs(self._root, mode=0o700, exist_ok=True)
                _make_room(shelf, source.bytes)
                os.mkdir(partial, 0o700)
                manifest = self._write(seen, source, partial, now)
            except BaseException:
                shutil.rmtree(partial, ignore_errors=True)
                with suppress(OSError):
                    os.rmdir(shelf)  # where it would have been the first
                raise
        self._pending[shelf] = Backup(f"{shelf}/{stamp}", manifest)
        return self._pending[shelf]

    def settle(self) -> tuple[Backup, ...]:
        """Put all that was taken on disk and name it, then drop what rotation lets go; returns the new backups.

        Raises CopyFailed; what has its name by then is a whole backup, the rest is gone.
        """
        taken, self._pending = tuple(self._pending.values()), {}
        unchanged, self._unchanged = self._unchanged, []
        try:
            with failures_named(self._root, "backup"):
                _name_durably(taken, self._root)
                if taken:
                    sync_folder(self._root)
        except BaseException:
            for backup in taken:
                shutil.rmtree(_partial(backup), ignore_errors=True)
            raise
        for backup in (*taken, *unchanged):
            with suppress(OSError, StateError):  # failing here costs nothing but tidiness
                self._rotate(backup)
        return taken

    def _is_current(self, manifest: Manifest, source: Source) -> bool:
        """Whether the newest backup is of this very state of the file, as far as the file's own times can tell.

        In WAL mode they cannot: commits go to the -wal.
        """
        return (
            manifest.source == source
            and source.journal_mode == JournalMode.ROLLBACK.value
            and from_epoch(source.modified_ns / 1e9) + _SETTLED < manifest.taken_at
            and manifest.encryption == self._encryption
        )

    @property
    def _encryption(self) -> str | None:
        return FERNET if self._cipher is not None else None

    def _write(self, seen: FileInspection, source: Source, folder: str, now: datetime) -> Manifest:
        name = os.path.basename(seen.family.target).removesuffix(".session")
        stored = write_session(
            seen.family.target, source, f"{folder}/{name}.session", cipher=self._cipher, patience=self._patience
        )
        manifest = Manifest(
            session=os.path.abspath(seen.family.target),
            name=name,
            taken_at=now.astimezone(UTC).replace(microsecond=0),
            bytes=stored.bytes,
            blake2b=stored.blake2b,
            source=source,
            schema_version=stored.contents.schema_version,
            logged_in=bool(stored.contents.logged_in),
            encryption=self._encryption,
        )
        write_file(f"{folder}/{MANIFEST_NAME}", to_json(manifest))
        return manifest

    def _rotate(self, newest: Backup) -> None:
        """Drop what the policy lets go; backups without a login never push out one that holds one."""
        shelf = os.path.dirname(newest.folder)
        _remove_partials(shelf)
        if len(os.listdir(shelf)) <= self._policy.newest:
            return
        backups = read_shelf(shelf).backups
        for logged_in in (True, False):
            alike = [one for one in backups if one.manifest.logged_in is logged_in]
            kept = staying((one.manifest.taken_at for one in alike), self._policy)
            for one in alike:
                # The newest stays even where the clock was set back and its time says otherwise.
                if one.manifest.taken_at not in kept and one.folder != newest.folder:
                    remove(one.folder)


def _make_room(shelf: str, size: int) -> None:
    """The shelf, without what a killed run left there; raises OSError when the disk has no room for `size` bytes."""
    os.makedirs(shelf, mode=0o700, exist_ok=True)
    _remove_partials(shelf)
    disk = os.statvfs(shelf)
    free = disk.f_bavail * disk.f_frsize
    if free < 2 * size + SPACE_LEFT:
        raise OSError(errno.ENOSPC, f"{size_text(free)} free, {size_text(size)} to copy", shelf)


def _remove_partials(shelf: str) -> None:
    for name in os.listdir(shelf):
        if name.startswith(PARTIAL):
            shutil.rmtree(f"{shelf}/{name}", ignore_errors=True)


def _partial(backup: Backup) -> str:
    shelf, name = os.path.split(backup.folder)
    return f"{shelf}/{PARTIAL}{name}"


def _name_durably(taken: tuple[Backup, ...], root: str) -> None:
    """Files and their folders, then the names: a name on disk says that all of it is."""
    if len(taken) >= _MANY:
        sync_file_system(root)
        for backup in taken:
            os.rename(_partial(backup), backup.folder)
        sync_file_system(root)
        return
    for backup in taken:
        partial = _partial(backup)
        for name in (backup.manifest.file_name, MANIFEST_NAME):
            sync_file(f"{partial}/{name}")
    for backup in taken:  # by now one commit of the file system's journal has most of the folders too
        sync_folder(_partial(backup))
    for backup in taken:
        os.rename(_partial(backup), backup.folder)
    for backup in taken:
        sync_folder(os.path.dirname(backup.folder))
