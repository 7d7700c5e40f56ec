"""Putting the bytes of a copy back into a family, while a write lease keeps everybody else out.

The lease is granted only while nobody else has the database open, and whoever opens it then waits until it is given
back. The database is written in place, never replaced: the one who waits gets this very file. The sidecars come first
and whole, so a kill at any moment leaves a file that SQLite recovers: the journal or WAL brings back to the mended
database the very pages that it was mended from. What such a kill leaves is recognised and finished the next time.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256

from core.errors import SessionFileBusy, UndoRefused
from core.session_files.looking.listing import find_family
from core.session_files.looking.probe import take_write_lease
from core.session_files.mending.copies import member_paths, read_chunks, sync_folder, write_at
from core.session_files.model import SessionFamily

_NEW = ".gavat-undo-"
_COMPARED = 1024 * 1024
_SECTOR = 512
"""The smallest piece that a disk writes whole."""


def put_back(family: SessionFamily, copy: str, *, mended: str, mode: int | None) -> None:
    """Write the files of the folder `copy` back into the family, unless a bot has written to it since the run.

    `mended` is the database as mending the copy gives it. Raises UndoRefused when the session differs from that,
    SessionFileBusy when somebody has it open, OSError.
    """
    descriptor = os.open(family.target, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        with _others_kept_out(descriptor, family.path):
            if not _is_own_work(find_family(family.path), descriptor, mended, copy):
                raise UndoRefused(
                    "it was used since; undo would lose what was written after",
                    path=family.path,
                    hint=f"the bytes of before are in {copy}",
                )
            base = os.path.basename(family.target)
            for name in sorted(os.listdir(copy)):
                if name.startswith(base + "-") and not os.path.lexists(family.target + name[len(base) :]):
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


def same_pages(one: str, other: str) -> bool:
    """Whether two databases hold the same pages, counters and modes of the header aside; raises OSError."""
    if os.stat(one).st_size != os.stat(other).st_size:
        return False
    descriptor = os.open(one, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return _mixes_only(descriptor, other, other)
    finally:
        os.close(descriptor)


def _is_own_work(family: SessionFamily, descriptor: int, mended: str, copy: str) -> bool:
    """Whether the session is as mending left it, or as an undo that was killed left it: nothing in it is newer.

    A killed undo leaves sidecars equal to the copy's (a bot that started since would have played them back) and a
    database whose sectors are each of the mended state or of the copy.
    """
    before = os.path.join(copy, os.path.basename(family.target))
    for path in (one.path for one in family.sidecars):
        source = before + path[len(family.target) :]
        if not os.path.exists(source) or _bytes_of(path) != _bytes_of(source):
            return False
    sizes = sorted((os.stat(mended).st_size, os.stat(before).st_size))
    size = os.fstat(descriptor).st_size
    if not sizes[0] <= size <= sizes[1] if family.sidecars else size != os.stat(mended).st_size:
        return False
    return _mixes_only(descriptor, mended, before if family.sidecars else mended)


def _mixes_only(descriptor: int, one: str, other: str) -> bool:
    """Whether each sector is that of the one file or of the other; counters and modes of the header aside."""
    with open(one, "rb") as first, open(other, "rb") as second:
        position = 0
        while read := os.pread(descriptor, _COMPARED, position):
            ours, *choices = (
                _without_counters(data) if position == 0 else data
                for data in (read, first.read(_COMPARED), second.read(_COMPARED))
            )
            if ours not in choices and not _sectors_mix(ours, *choices):
                return False
            position += len(read)
    return True


def _sectors_mix(ours: bytes, one: bytes, other: bytes) -> bool:
    spans = (slice(start, start + _SECTOR) for start in range(0, len(ours), _SECTOR))
    return all(ours[span] in (one[span], other[span]) for span in spans)


def _without_counters(head: bytes) -> bytes:
    # fileformat2 §1.3: file format versions, change counter, version-valid-for, SQLite's own version
    blank = bytearray(head)
    for start, end in ((18, 20), (24, 28), (92, 100)):
        blank[start:end] = bytes(end - start)
    return bytes(blank)


@contextmanager
def _others_kept_out(descriptor: int, path: str) -> Iterator[None]:
    try:
        take_write_lease(descriptor)
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
        write_at(descriptor, chunk, size)
        size += len(chunk)
    os.ftruncate(descriptor, size)
    os.fsync(descriptor)
