"""One listing of a folder: which families of files are there, without opening any of them."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator

from core.session_files.model import EntryKind, FileStat, SessionFamily, Sidecar, SidecarKind

SUFFIX = ".session"
LOCK_SUFFIX = ".lock"
SET_ASIDE_FOLDER, QUARANTINE_FOLDER = "set-aside", "quarantine"
"""Sub-folders that orphan sidecars, and whole families that were replaced, move to; never listed for sessions."""
OWN_FILES = ".gavat-"
"""Begins the names of files that a run makes beside a session before they bear its name."""
OWN_FOLDERS = (SET_ASIDE_FOLDER, QUARANTINE_FOLDER)
_SIDECAR_SUFFIXES = {SUFFIX + kind.value: kind for kind in SidecarKind}
_FAMILY_SUFFIXES = (SUFFIX, SUFFIX + LOCK_SUFFIX, *_SIDECAR_SUFFIXES)
_KIND_NAMES = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a character device"),
    (stat.S_ISBLK, "a block device"),
)


class Listing:
    """What one folder held at one moment."""

    def __init__(self, folder: str) -> None:
        """Read the folder; raises OSError when it cannot be read."""
        self.folder = folder
        self._stats: dict[str, os.stat_result] = {}
        self._sidecars: dict[str, dict[SidecarKind, os.stat_result]] = {}
        self._sessions: list[str] = []
        self._others = False
        descriptor = open_folder(folder)
        try:
            self.stat = os.fstat(descriptor)
            with os.scandir(descriptor) as entries:
                for entry in entries:
                    self._take(entry)
        finally:
            os.close(descriptor)

    @property
    def dedicated(self) -> bool:
        """True when the folder holds nothing but session families, their locks and what was set aside."""
        return not self._others

    @property
    def lock_files(self) -> int:
        """How many lock files of sessions lie there, those whose session is gone included."""
        return sum(name.endswith(SUFFIX + LOCK_SUFFIX) for name in self._stats)

    def families(self) -> Iterator[SessionFamily]:
        """Each family once, by name; a link to a file that another entry speaks for comes as an ALIAS."""
        spoken_for: set[tuple[int, int]] | None = None
        for name in sorted(self._sessions):
            if not stat.S_ISLNK(self._stats[name].st_mode):
                yield self._session(name)
                continue
            if spoken_for is None:
                regular = (found for found in self._stats.values() if stat.S_ISREG(found.st_mode))
                spoken_for = {(found.st_dev, found.st_ino) for found in regular}
            yield self._link(name, spoken_for)
        yield from self._orphans()

    def _take(self, entry: os.DirEntry[str]) -> None:
        name = entry.name
        if name.startswith(OWN_FILES):
            return  # half-made, by a run that is at work or was killed
        if name.endswith(_FAMILY_SUFFIXES):
            try:
                found = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                return  # gone since the folder was read
            self._stats[name] = found
            if name.endswith(SUFFIX):
                self._sessions.append(name)
                return
            for suffix, kind in _SIDECAR_SUFFIXES.items():
                if name.endswith(suffix):
                    self._sidecars.setdefault(name[: -len(kind.value)], {})[kind] = found
        elif name not in OWN_FOLDERS:
            self._others = True

    def _link(self, file_name: str, spoken_for: set[tuple[int, int]]) -> SessionFamily:
        family = resolve_link(file_name[: -len(SUFFIX)], f"{self.folder}/{file_name}")
        if family.main is not None:
            identity = (family.main.device, family.main.inode)
            if identity in spoken_for:
                note = f"a link to {family.target}"
                return family._replace(kind=EntryKind.ALIAS, main=None, sidecars=(), note=note)
            spoken_for.add(identity)
        unread = [one.path.rpartition("/")[2] for one in self._sidecars_in_listing(file_name)]
        if unread and family.kind is EntryKind.SESSION and family.target.rpartition("/")[0] != self.folder:
            family = family._replace(note=f"{', '.join(unread)} beside the link: SQLite looks beside {family.target}")
        return family

    def _session(self, file_name: str) -> SessionFamily:
        name = file_name[: -len(SUFFIX)]
        path = f"{self.folder}/{file_name}"
        found = self._stats[file_name]
        if stat.S_ISREG(found.st_mode):
            sidecars = tuple(self._sidecars_in_listing(file_name)) if file_name in self._sidecars else ()
            lock = self._stats.get(file_name + LOCK_SUFFIX)
            return SessionFamily(
                name, path, path, EntryKind.SESSION, file_stat(found), sidecars, file_stat(lock) if lock else None
            )
        return SessionFamily(name, path, path, EntryKind.NOT_REGULAR, None, note=_kind_of(found.st_mode))

    def _sidecars_in_listing(self, file_name: str) -> Iterator[Sidecar]:
        beside = self._sidecars.get(file_name, {})
        for kind in SidecarKind:
            if kind in beside:
                yield Sidecar(kind, f"{self.folder}/{file_name}{kind.value}", file_stat(beside[kind]))

    def _orphans(self) -> Iterator[SessionFamily]:
        for file_name in sorted(self._sidecars.keys() - self._stats.keys()):
            path = f"{self.folder}/{file_name}"
            yield SessionFamily(
                file_name[: -len(SUFFIX)],
                path,
                path,
                EntryKind.ORPHAN,
                None,
                tuple(self._sidecars_in_listing(file_name)),
            )


def open_folder(folder: str) -> int:
    """A descriptor of the folder that leaves its access time alone where the kernel allows that."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    try:
        return os.open(folder, flags | os.O_NOATIME)
    except PermissionError:
        return os.open(folder, flags)


def find_family(path: str) -> SessionFamily:
    """The family of one session path as it is now; kind ORPHAN when the session file is not there."""
    name = path.rpartition("/")[2].removesuffix(SUFFIX)
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return SessionFamily(name, path, path, EntryKind.ORPHAN, None, tuple(_sidecars_beside(path)))
    except OSError as error:
        return SessionFamily(name, path, path, EntryKind.UNREADABLE, None, note=str(error.strerror))
    if stat.S_ISLNK(found.st_mode):
        return resolve_link(name, path)
    if not stat.S_ISREG(found.st_mode):
        return SessionFamily(name, path, path, EntryKind.NOT_REGULAR, None, note=_kind_of(found.st_mode))
    return _regular(name, path, path, found)


def resolve_link(name: str, path: str) -> SessionFamily:
    """The family a symbolic link leads to: sidecars and lock lie beside the target, where SQLite looks for them."""
    try:
        target = os.path.realpath(path, strict=True)
        found = os.stat(target, follow_symlinks=False)
    except OSError as error:
        if error.errno == errno.ELOOP:
            return SessionFamily(name, path, path, EntryKind.LOOP, None, note="a link that leads to itself")
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return SessionFamily(name, path, path, EntryKind.DANGLING, None, note=f"a link to {os.readlink(path)}")
        return SessionFamily(name, path, path, EntryKind.UNREADABLE, None, note=str(error.strerror))
    if not stat.S_ISREG(found.st_mode):
        note = f"a link to {_kind_of(found.st_mode)}"
        return SessionFamily(name, path, path, EntryKind.NOT_REGULAR, None, note=note)
    return _regular(name, path, target, found)


def file_stat(found: os.stat_result) -> FileStat:
    """The part of a stat result that decisions need."""
    mode, inode, device, links, uid, gid, size = found[:7]
    return FileStat(size, found.st_mtime_ns, device, inode, stat.S_IMODE(mode), uid, gid, links)


def _regular(name: str, path: str, target: str, found: os.stat_result) -> SessionFamily:
    try:
        lock = file_stat(os.lstat(target + LOCK_SUFFIX))
    except OSError:
        lock = None
    return SessionFamily(name, path, target, EntryKind.SESSION, file_stat(found), tuple(_sidecars_beside(target)), lock)


def _sidecars_beside(target: str) -> Iterator[Sidecar]:
    for kind in SidecarKind:
        try:
            found = os.lstat(target + kind.value)
        except OSError:
            continue
        yield Sidecar(kind, target + kind.value, file_stat(found))


def _kind_of(mode: int) -> str:
    return next((name for test, name in _KIND_NAMES if test(mode)), "not a regular file")
