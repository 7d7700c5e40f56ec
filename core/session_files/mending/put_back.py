"""Putting the bytes of a copy back into a family, while a write lease keeps everybody else out.

The lease is granted only while nobody else has the database open, and whoever opens it then waits until it is given
back. The database is written in place, never replaced: the one who waits gets this very file. The sidecars come first
and whole, so a kill at any moment leaves a file that SQLite recovers: the journal or WAL brings back to the mended
database the very pages that it was mended from.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256

from core.errors import SessionFileBusy, UndoRefused
from core.session_files.looking.listing import find_family
from core.session_files.mending.copies import member_paths, read_chunks, sync_folder
from core.session_files.model import SessionFamily

_NEW = ".gavat-undo-"


def put_back(family: SessionFamily, copy: str, *, mended: str, mode: int | None) -> None:
    """Write the files of the folder `copy` back into the family, unless a bot has written to it since the run.

    `mended` is the database as mending the copy gives it. Raises UndoRefused when the session differs from that,
    SessionFileBusy when somebody has it open, OSError.
    """
    descriptor = os.open(family.target, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        with _others_kept_out(descriptor, family.path):
            if find_family(family.path).sidecars or not _same_pages(descriptor, mended):
                raise UndoRefused(
                    "it was used since; undo would lose what was written after",
                    path=family.path,
                    hint=f"the bytes of before are in {copy}",
                )
            base = os.path.basename(family.target)
            for name in sorted(os.listdir(copy)):
                if name.startswith(base + "-"):
                    _place_sidecar(family, os.path.join(copy, name), mode)
            sync_folder(os.path.dirname(family.target))
            _write_in_place(descriptor, os.path.join(copy, base))
            if mode is not None:
                os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)


def holds_the_bytes_of(family: SessionFamily, copy: str) -> bool:
    """Whether the family's files are those of the copy, byte for byte."""
    base = os.path.basename(family.target)
    names = sorted(name for name in os.listdir(copy) if name.startswith(base))
    paths = sorted(member_paths(family))
    return names == [os.path.basename(path) for path in paths] and all(
        _bytes_of(path) == _bytes_of(os.path.join(copy, name)) for path, name in zip(paths, names, strict=True)
    )


def _bytes_of(path: str) -> bytes:
    digest = sha256()
    for chunk in read_chunks(path):
        digest.update(chunk)
    return digest.digest()


def _same_pages(descriptor: int, path: str) -> bool:
    """Whether two databases hold the same pages, counters and modes of the header aside."""
    if os.fstat(descriptor).st_size != os.stat(path).st_size:
        return False
    position = 0
    for chunk in read_chunks(path):
        ours = os.pread(descriptor, len(chunk), position)
        if (_without_counters(ours) != _without_counters(chunk)) if position == 0 else (ours != chunk):
            return False
        position += len(chunk)
    return True


def _without_counters(head: bytes) -> bytes:
    # fileformat2 §1.3: file format versions, change counter, version-valid-for, SQLite's own version
    return head[:18] + head[20:24] + head[28:92] + head[100:]


@contextmanager
def _others_kept_out(descriptor: int, path: str) -> Iterator[None]:
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    except OSError as error:
        raise SessionFileBusy("somebody has it open", path=path) from error
    try:
        yield
    finally:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)


def _place_sidecar(family: SessionFamily, source: str, mode: int | None) -> None:
    assert family.main is not None
    folder, name = os.path.dirname(family.target), os.path.basename(source)
    new = os.path.join(folder, _NEW + name)
    if os.path.lexists(new):
        os.unlink(new)  # of an undo that was killed
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        _write_in_place(descriptor, source)
        if os.geteuid() == 0:
            os.fchown(descriptor, family.main.uid, family.main.gid)
        os.fchmod(descriptor, mode if mode is not None else family.main.mode)
    finally:
        os.close(descriptor)
    os.rename(new, os.path.join(folder, name))


def _write_in_place(descriptor: int, source: str) -> None:
    size = 0
    for chunk in read_chunks(source):
        view = memoryview(chunk)
        while view:
            written = os.pwrite(descriptor, view, size)
            view, size = view[written:], size + written
    os.ftruncate(descriptor, size)
    os.fsync(descriptor)
