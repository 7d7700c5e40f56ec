"""The pages of a free session as a recovery would leave them, read without changing anything."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator

from core.session_files.database.contents import judge_pages, login_is_overlaid
from core.session_files.database.file_format import (
    FRAME_HEADER_SIZE,
    HEADER_SIZE,
    JOURNAL_HEADER,
    WAL_HEADER_SIZE,
    WalPages,
    classify_journal,
    journal_original_pages,
    journal_pages,
    names_super_journal,
    pending_frames,
    read_header,
    verified_wal_pages,
    wal_page_size,
    wal_pages,
)
from core.session_files.database.pages import DatabasePages, PageUnreadable
from core.session_files.model import (
    Contents,
    ContentsKind,
    DatabaseHeader,
    HeaderKind,
    JournalHeat,
    SessionFamily,
    Sidecar,
    SidecarKind,
)
from utils.leases import open_without_access_time

WalReader = Callable[[bytes], WalPages | None]
FIRST_READ = 64 * 1024
"""Most sessions are smaller than this, so one read under the write lease is all of them."""
_BLOCK = 256 * 1024
PROCESS_SECRET = os.urandom(32)
"""Keys the marks of logins (`Contents.login_mark`), so that they mean nothing outside this process."""
_LONGEST_WALK = 1024 * 1024 * 1024
"""Frames of a WAL are counted up to here; a sparse file may claim to be of any size."""
LARGEST_SIDECAR = 16 * 1024 * 1024
"""A larger journal or WAL is not read into memory: what the file holds is then known only after SQLite's recovery."""


def classify_sidecar(sidecar: Sidecar) -> Sidecar:
    """The sidecar with what its bytes say; with heat UNKNOWN, or no count of frames, when they cannot be judged.

    A journal that names a super-journal is not judged: SQLite would delete the file it names, whatever that is
    (fileformat2 §3, "super-journal").
    """
    if sidecar.kind is SidecarKind.SHM:
        return sidecar
    unknown = sidecar._replace(heat=JournalHeat.UNKNOWN) if sidecar.kind is SidecarKind.JOURNAL else sidecar
    try:
        descriptor = open_without_access_time(sidecar.path)
    except OSError:
        return unknown
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return unknown
        return _classify(sidecar, descriptor) or unknown
    except OSError:
        return unknown
    finally:
        os.close(descriptor)


def _classify(sidecar: Sidecar, descriptor: int) -> Sidecar | None:
    if sidecar.kind is SidecarKind.JOURNAL:
        head = os.pread(descriptor, JOURNAL_HEADER.size, 0)
        if names_super_journal(os.pread(descriptor, 8, max(0, sidecar.stat.size - 8))) and len(head) > 8:
            return None
        return sidecar._replace(heat=classify_journal(head), original_pages=journal_original_pages(head))
    head = os.pread(descriptor, WAL_HEADER_SIZE, 0)
    page_size = wal_page_size(head)
    frames = pending_frames(head, _frame_headers(descriptor, page_size)) if page_size else 0
    return sidecar._replace(pending_frames=frames)


def read_contents(family: SessionFamily, header: DatabaseHeader, head: bytes) -> Contents:
    """What the file holds, a waiting recovery included; `head` are its first bytes, read while it was free.

    A WAL's checksums are verified only where its last frames decide: when the login comes from the WAL, or when
    without them the file would not be whole.
    """
    if any(map(_is_too_large, family.sidecars)):
        return Contents(ContentsKind.UNREAD, reason="its journal or WAL is too large to be read beforehand")
    try:
        contents, login_from_overlay = _judge(family, header, head, wal_pages)
        wal = family.sidecar(SidecarKind.WAL)
        if wal is not None and (login_from_overlay or contents.kind is not ContentsKind.TELETHON):
            contents, _login = _judge(family, header, head, verified_wal_pages)
    except OSError as error:
        return Contents(ContentsKind.UNREAD, reason=f"cannot be read ({error.strerror})")
    return contents


def _is_too_large(sidecar: Sidecar) -> bool:
    needed = sidecar.heat is JournalHeat.HOT or bool(sidecar.pending_frames)
    return needed and sidecar.stat.size > LARGEST_SIDECAR


def _judge(family: SessionFamily, header: DatabaseHeader, head: bytes, read_wal: WalReader) -> tuple[Contents, bool]:
    try:
        pages = _recovered_pages(family, header, head, read_wal)
        return judge_pages(pages, secret=PROCESS_SECRET), login_is_overlaid(pages)
    except PageUnreadable as unreadable:
        return Contents(ContentsKind.DAMAGED, reason=str(unreadable)), False


def _recovered_pages(family: SessionFamily, header: DatabaseHeader, head: bytes, read_wal: WalReader) -> DatabasePages:
    """The database's pages with those of a hot journal or of a WAL laid over them.

    Raises PageUnreadable when neither the file nor its sidecars hold a first page, OSError when one cannot be read.
    """
    overlay = _overlay(family, read_wal)
    page_count, pages = overlay if overlay is not None else (header.page_count, {})
    if 1 in pages:
        header = read_header(pages[1][:HEADER_SIZE])
    if header.kind is not HeaderKind.DATABASE:
        raise PageUnreadable(1, "it is no database header")
    size = family.main.size if family.main else 0

    count = page_count or size // header.page_size
    return DatabasePages(
        head, _Blocks(family.target, size).read, page_size=header.page_size, page_count=count, overlay=pages
    )


class _Blocks:
    """Reads pages of one file in larger pieces: trees lie mostly in the order of their pages."""

    def __init__(self, path: str, size: int) -> None:
        self._path = path
        self._size = size
        self._start = 0
        self._block = b""

    def read(self, offset: int, length: int) -> bytes:
        """The bytes at `offset`, fewer at the end of the file; raises OSError."""
        if not self._start <= offset <= self._start + len(self._block) - length:
            if offset >= self._size:
                return b""
            self._start, self._block = offset, _read_at(self._path, offset, max(length, _BLOCK))
        at = offset - self._start
        return self._block[at : at + length]


def _overlay(family: SessionFamily, read_wal: WalReader) -> WalPages | None:
    journal, wal = family.sidecar(SidecarKind.JOURNAL), family.sidecar(SidecarKind.WAL)
    older = newer = None
    if journal is not None and journal.heat is JournalHeat.HOT:
        older = journal_pages(_read_at(journal.path, 0, journal.stat.size))
    if wal is not None and wal.pending_frames:
        newer = read_wal(_read_at(wal.path, 0, wal.stat.size))
    if older is None or newer is None:
        return newer or older
    return newer[0], {**older[1], **newer[1]}  # SQLite rolls back before it reads the log


def _frame_headers(descriptor: int, page_size: int) -> Iterator[bytes]:
    position = WAL_HEADER_SIZE
    while position < _LONGEST_WALK:
        frame = os.pread(descriptor, FRAME_HEADER_SIZE, position)
        if len(frame) < FRAME_HEADER_SIZE:
            return
        yield frame
        position += FRAME_HEADER_SIZE + page_size


def _read_at(path: str, offset: int, length: int) -> bytes:
    descriptor = open_without_access_time(path)
    try:
        parts = []
        while length > 0:
            part = os.pread(descriptor, length, offset)
            if not part:
                break
            parts.append(part)
            offset += len(part)
            length -= len(part)
        return b"".join(parts)
    finally:
        os.close(descriptor)
