"""The backups that are there: of one session, at a moment, in all; and removing those of a login that was revoked.

A backup whose manifest cannot be read is named and left alone: it is not counted out, rotated or given back.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from typing import NamedTuple

from core.errors import StateError
from core.session_files.backups.errors import BackupUnusable
from core.session_files.backups.manifest import MANIFEST_NAME, Manifest, from_json
from core.session_files.mending.copies import shelf_name, shelf_of, sync_folder
from core.session_files.model import EntryKind, SessionFamily

PARTIAL = ".partial-"
"""Begins the names of folders that are being written or removed; they are nobody's backup."""
_LONGEST_MANIFEST = 64 * 1024


class Backup(NamedTuple):
    """One backup on disk."""

    folder: str
    manifest: Manifest

    @property
    def path(self) -> str:
        """The stored file."""
        return f"{self.folder}/{self.manifest.file_name}"


class Shelf(NamedTuple):
    """All backups of one session."""

    path: str
    backups: tuple[Backup, ...] = ()
    """Newest first."""
    unusable: tuple[BackupUnusable, ...] = ()
    """Each names a folder whose manifest or file cannot be used."""


class Totals(NamedTuple):
    """What all shelves hold together."""

    sessions: int
    backups: int
    bytes: int
    logins: int
    """Backups that hold a login: each is as good as the session itself to whoever reads it."""
    login_bytes: int
    plain_logins: int
    """Of those, how many are not encrypted."""
    unusable: int


class Removed(NamedTuple):
    """What `purge` removed."""

    backups: int
    """Folders, unusable and half-made ones included."""
    bytes: int


class Catalog:
    """The backups below one folder."""

    def __init__(self, root: str) -> None:
        self._root = root

    def shelf_of(self, family: SessionFamily) -> Shelf:
        """The backups of one session, known by the path of its file; an empty shelf where there are none."""
        return read_shelf(f"{self._root}/{shelf_name(family)}")

    def find(self, session: str) -> tuple[Shelf, ...]:
        """The shelves of a session given by path or by name; several where folders hold sessions of one name.

        Works for a session that is no longer there. Raises StateError when the backups cannot be listed.
        """
        name = os.path.basename(session).removesuffix(".session")
        stem = _parts(shelf_name(_named(name, session)))[0]
        digests = {_parts(shelf_name(_named(name, one)))[1] for one in (session, os.path.realpath(session))}
        by_path = "/" in session or session.endswith(".session")
        found = []
        for shelf_folder in _listed(self._root):
            its_stem, its_digest = _parts(shelf_folder)
            if its_digest in digests if by_path else its_stem == stem:
                found.append(read_shelf(f"{self._root}/{shelf_folder}"))
        return tuple(
            shelf for shelf in found if (shelf.backups or shelf.unusable) and (by_path or _is_named(shelf, name))
        )

    def __iter__(self) -> Iterator[Shelf]:
        """Every shelf that is not empty, by name; raises StateError when they cannot be listed."""
        for name in _listed(self._root):
            shelf = read_shelf(f"{self._root}/{name}")
            if shelf.backups or shelf.unusable:
                yield shelf

    def totals(self) -> Totals:
        """Counts and bytes over all shelves; reads every manifest."""
        shelves = list(self)
        backups = [one.manifest for shelf in shelves for one in shelf.backups]
        logins = [one for one in backups if one.logged_in]
        return Totals(
            sessions=len(shelves),
            backups=len(backups),
            bytes=sum(one.bytes for one in backups),
            logins=len(logins),
            login_bytes=sum(one.bytes for one in logins),
            plain_logins=sum(one.encryption is None for one in logins),
            unusable=sum(len(shelf.unusable) for shelf in shelves),
        )

    def purge(self, shelf: Shelf) -> Removed:
        """Remove everything on the shelf, so that a revoked login is nowhere; on disk when it returns.

        Raises StateError naming what could not be removed.
        """
        names = _listed(shelf.path)
        size = sum(_bytes_below(f"{shelf.path}/{name}") for name in names)
        try:
            for name in names:
                remove(f"{shelf.path}/{name}")
            if names:
                sync_folder(shelf.path)
                os.rmdir(shelf.path)
                sync_folder(self._root)
        except OSError as error:
            raise StateError(f"a backup cannot be removed ({error.strerror})", path=shelf.path) from error
        return Removed(len(names), size)


def at(backups: Iterable[Backup], moment: datetime) -> Backup | None:
    """The newest backup that is not after the moment, or None."""
    before = [one for one in backups if one.manifest.taken_at <= moment]
    return max(before, key=_age, default=None)


def read_shelf(path: str) -> Shelf:
    """The backups in one shelf; raises StateError when it cannot be listed."""
    backups, unusable = [], []
    for name in _listed(path):
        if name.startswith(PARTIAL):
            continue
        try:
            backups.append(read_backup(f"{path}/{name}"))
        except BackupUnusable as error:
            if os.path.lexists(f"{path}/{name}"):  # else rotation came in between
                unusable.append(error)
    return Shelf(path, tuple(sorted(backups, key=_age, reverse=True)), tuple(unusable))


def newest_on(path: str) -> Backup | None:
    """The newest backup on a shelf whose manifest can be read, by the names of the folders; reads no other."""
    for name in reversed(_listed(path)):
        if not name.startswith(PARTIAL):
            with suppress(BackupUnusable):
                return read_backup(f"{path}/{name}")
    return None


def read_backup(folder: str) -> Backup:
    """The backup in a folder, its file being there and as long as it was; raises BackupUnusable."""
    path = f"{folder}/{MANIFEST_NAME}"
    try:
        with open(path, "rb") as opened:
            manifest = from_json(opened.read(_LONGEST_MANIFEST), path=path)
    except OSError as error:
        raise BackupUnusable(f"its manifest cannot be read ({error.strerror})", path=path) from error
    backup = Backup(folder, manifest)
    if _parts(shelf_of(manifest.session))[1] != _parts(os.path.basename(os.path.dirname(folder)))[1]:
        raise BackupUnusable("its manifest names another session than its shelf", path=path)
    try:
        size = os.lstat(backup.path).st_size
    except OSError as error:
        raise BackupUnusable(f"its file cannot be read ({error.strerror})", path=backup.path) from error
    if size != manifest.bytes:
        raise BackupUnusable(f"its file has {size} bytes and not {manifest.bytes}", path=backup.path)
    return backup


def remove(folder: str) -> None:
    """Remove a backup so that a kill in between leaves only what looks half-made; raises OSError."""
    shelf, name = os.path.split(folder)
    if not name.startswith(PARTIAL):
        partial = f"{shelf}/{PARTIAL}{name}"
        shutil.rmtree(partial, ignore_errors=True)
        os.rename(folder, partial)
        folder = partial
    shutil.rmtree(folder)


def _listed(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return []
        raise StateError(f"the backups cannot be listed ({error.strerror})", path=folder) from error


def _age(backup: Backup) -> tuple[datetime, str]:
    return backup.manifest.taken_at, backup.folder


def _named(name: str, target: str) -> SessionFamily:
    return SessionFamily(name, target, target, EntryKind.SESSION, None)


def _parts(shelf: str) -> tuple[str, str]:
    """The readable part of a shelf's name, and the part that tells the path."""
    stem, _, digest = shelf.rpartition("-")
    return stem, digest


def _is_named(shelf: Shelf, name: str) -> bool:
    """A shelf without any readable manifest is named by its folder alone."""
    return not shelf.backups or any(one.manifest.name == name for one in shelf.backups)


def _bytes_below(folder: str) -> int:
    found = 0
    for parent, _folders, files in os.walk(folder):
        for name in files:
            with suppress(OSError):
                found += os.lstat(f"{parent}/{name}").st_size
    return found
