"""Byte copies of whole families, on disk before anything is changed.

One folder per session and run: `copies/NAME-HASH/RUN-ID/`, with the family's own base names, because a journal only
belongs to a database of the same base name. A copy bears its final name only when all of it is on disk (research:
session_files §7: without that order 9 to 24 % of power losses lose the bytes).
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b

from core.errors import CopyFailed, PlanOutdated
from core.session_files.looking.listing import file_stat
from core.session_files.model import COPIES_KEPT, EntryKind, FileStat, SessionFamily, SidecarKind
from utils.leases import open_without_access_time
from utils.redact import printable
from utils.units import size_text

SPACE_LEFT = 1024 * 1024
"""Bytes that stay free on the disk of the copies, beside room for the family once more: SQLite may need that."""
_MAKE_ROOM = "free some space, or set GAVAT_STATE to another disk"
_PARTIAL = ".partial-"
VERIFIED = "verified"
"""The empty file in a copy whose recovery gave a whole session."""
_SIDECAR_SUFFIXES = tuple(kind.value for kind in SidecarKind)
_CHUNK = 1024 * 1024
_HOLE = bytes(_CHUNK)


class CopyStore:
    """The copies below one folder."""

    def __init__(self, root: str, *, keep: int = COPIES_KEPT) -> None:
        self._root = root
        self._keep = keep

    def write(self, family: SessionFamily, run_id: str) -> str:
        """Copy the family's files and return the copy's folder; on disk but for the name of its shelf (`settle`).

        Raises PlanOutdated when the family changed while it was copied, CopyFailed when the copy cannot be made;
        either way nothing of it remains.
        """
        shelf = f"{self._root}/{shelf_name(family)}"
        partial, copy = f"{shelf}/{_PARTIAL}{run_id}", f"{shelf}/{run_id}"
        while os.path.lexists(copy):  # a second try in the same run
            copy += "+"
        with failures_named(family.path):
            os.makedirs(shelf, mode=0o700, exist_ok=True)
            _refuse_to_fill_the_disk(family, shelf)
            os.makedirs(partial, mode=0o700, exist_ok=True)
            try:
                copy_members(family, partial, durable=os.fsync)
                if not is_unchanged(family):
                    raise PlanOutdated("it changed while it was copied", path=family.path)
                sync_folder(partial)
                os.rename(partial, copy)
                sync_folder(shelf)
            except BaseException:
                shutil.rmtree(partial, ignore_errors=True)
                raise
        return copy

    def settle(self) -> None:
        """Put the names of all shelves on disk, once for a batch of copies; raises CopyFailed."""
        with failures_named(self._root):
            sync_folder(self._root)

    def discard(self, copy: str) -> None:
        """Remove a copy of bytes that nothing was done to, so that it does not push out one that is needed."""
        shutil.rmtree(copy, ignore_errors=True)
        with suppress(OSError):
            os.rmdir(os.path.dirname(copy))  # where it was the only one

    def finish(self, copy: str, *, verified: bool) -> None:
        """Note that the recovery of these bytes gave a whole session, if it did, and drop the oldest copies.

        Failing here costs nothing but tidiness: the session is done and its copy is on disk.
        """
        with suppress(OSError):
            if verified:
                os.close(os.open(f"{copy}/{VERIFIED}", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
            self.rotate(copy)

    def rotate(self, copy: str) -> None:
        """Drop the oldest copies of the session that `copy` belongs to, beyond the newest few.

        The newest verified copy stays, however old it is. What a killed run left half made goes too.
        """
        shelf = os.path.dirname(copy)
        names = sorted(os.listdir(shelf))
        copies = [name for name in names if not name.startswith(_PARTIAL)]
        if len(names) <= self._keep:
            return
        verified = [name for name in copies if os.path.exists(os.path.join(shelf, name, VERIFIED))]
        kept = {*copies[-self._keep :], *verified[-1:], os.path.basename(copy)}
        for name in names:
            if name not in kept:
                shutil.rmtree(os.path.join(shelf, name))

    def on(self, name: str) -> tuple[str, ...]:
        """The copies on the shelf of that name (`shelf_of`), by their folders; raises CopyFailed."""
        shelf = f"{self._root}/{name}"
        try:
            return tuple(f"{shelf}/{name}" for name in sorted(os.listdir(shelf)))
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise CopyFailed(f"its copies cannot be listed ({error.strerror})", path=shelf) from error

    def purge(self, name: str) -> int:
        """Remove all copies on the shelf of that name and return how many; raises CopyFailed."""
        copies = self.on(name)
        try:
            for copy in copies:
                shutil.rmtree(copy)
            if copies:
                os.rmdir(os.path.dirname(copies[0]))
        except OSError as error:
            raise CopyFailed(f"a copy cannot be removed ({error.strerror})", path=f"{self._root}/{name}") from error
        return len(copies)


def shelf_of(path: str) -> str:
    """As `shelf_name`, for the path of a session file."""
    name = os.path.basename(path).removesuffix(".session")
    return shelf_name(SessionFamily(name, path, path, EntryKind.SESSION, None))


def shelf_name(family: SessionFamily) -> str:
    """The folder name for a session's copies: readable, and unique by the path of the file."""
    plain = "".join(char if char.isascii() and (char.isalnum() or char in "-_+") else "_" for char in family.name)
    return f"{plain[:60]}-{blake2b(os.fsencode(os.path.abspath(family.target)), digest_size=5).hexdigest()}"


def copy_members(family: SessionFamily, folder: str, *, durable: Callable[[int], None] | None = None) -> None:
    """Copy the family's files into `folder` under their base names (0600).

    `durable` is called with each descriptor before it is closed (`os.fsync`), or None for scratch copies.
    """
    for path, size in _members(family):
        destination = f"{folder}/{os.path.basename(path)}"
        target = os.open(destination, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            _copy_bytes(path, target, size)
            if durable is not None:
                durable(target)
        finally:
            os.close(target)


def _copy_bytes(path: str, target: int, size: int) -> None:
    """Copy what was seen of the file, holes as holes; what grew on meanwhile is noticed by `is_unchanged`."""
    os.ftruncate(target, size)
    position = 0
    for read in read_chunks(path):
        chunk = read[: size - position]
        if chunk != _HOLE[: len(chunk)]:
            write_at(target, chunk, position)
        position += len(chunk)


def write_at(descriptor: int, data: bytes, position: int) -> None:
    """Write all of `data` at `position`; raises OSError."""
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, position)
        view, position = view[written:], position + written


def is_unchanged(family: SessionFamily) -> bool:
    """Whether no member was replaced, written, chmodded, added or removed since the family was listed."""
    if family.path != family.target and os.path.realpath(family.path) != family.target:
        return False  # the link leads elsewhere now
    seen = {one.kind.value: one.stat for one in family.sidecars}
    return _is_still(family.target, family.main) and all(
        _is_still(family.target + suffix, seen.get(suffix)) for suffix in _SIDECAR_SUFFIXES
    )


def _is_still(path: str, seen: FileStat | None) -> bool:
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return seen is None
    except OSError:
        return False
    return seen is not None and file_stat(found) == seen


def member_paths(family: SessionFamily) -> list[str]:
    """The files of a family that hold its data; a -shm is an index that SQLite makes anew, and is copied too."""
    return [path for path, _size in _members(family)]


def _members(family: SessionFamily) -> list[tuple[str, int]]:
    main = [(family.target, family.main.size)] if family.main is not None else []
    return main + [(sidecar.path, sidecar.stat.size) for sidecar in family.sidecars]


def _refuse_to_fill_the_disk(family: SessionFamily, folder: str) -> None:
    size = sum(size for _path, size in _members(family))
    disk = os.statvfs(folder)
    free = disk.f_bavail * disk.f_frsize
    if free < 2 * size + SPACE_LEFT:
        raise CopyFailed(
            f"no copy could be made: {size_text(free)} free beside {printable(folder)}, {size_text(size)} to copy",
            path=family.path,
            hint=_MAKE_ROOM,
        )


def read_chunks(path: str) -> Iterator[bytes]:
    """The bytes of a file in pieces of at most 1 MiB."""
    descriptor = open_without_access_time(path)
    try:
        while chunk := os.read(descriptor, _CHUNK):
            yield chunk
    finally:
        os.close(descriptor)


def sync_folder(folder: str) -> None:
    """Put the names in a folder on disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_taken(path: str) -> bool:
    """Whether a session of that path, or a sidecar that SQLite would take for its own, is there already."""
    return any(os.path.lexists(path + suffix) for suffix in ("", *_SIDECAR_SUFFIXES))


def copy_privately(source: str, new: str) -> None:
    """Copy into a new file (0600), on disk at return; raises OSError where the name is taken."""
    target = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        _copy_bytes(source, target, os.stat(source).st_size)
        os.fsync(target)
    finally:
        os.close(target)


def sync_file(path: str) -> None:
    """Put a file's bytes on disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file_system(folder: str) -> None:
    """Put all that was written to the disk of a folder on it: syncfs(2), one wait instead of one for each file.

    Since Linux 5.8 it tells of writes that failed, as fsync does. Raises OSError.
    """
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if libc.syncfs(descriptor) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), folder)
    finally:
        os.close(descriptor)


@contextmanager
def failures_named(path: str, what: str = "copy") -> Iterator[None]:
    """OSError as CopyFailed: no `what` of the session at `path` could be made, and what to do about it."""
    try:
        yield
    except OSError as error:
        hint = _MAKE_ROOM if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) else None
        where = f" {printable(str(error.filename))}" if error.filename else ""
        raise CopyFailed(f"no {what} could be made:{where} {error.strerror}", path=path, hint=hint) from error
