"""Looking at every session of a folder: who uses it, what lies beside it, and what is inside where nobody does."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterable, Set
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

from core.session_files.database.file_format import HEADER_SIZE, read_header
from core.session_files.looking.filesystem import LOCAL, file_system_of
from core.session_files.looking.holders import Identity, OpenFiles, describe_holder, own_open_files, scan_open_files
from core.session_files.looking.listing import SUFFIX, Listing, file_stat, find_family
from core.session_files.looking.page_source import FIRST_READ, classify_sidecar, read_contents
from core.session_files.looking.probe import Prober
from core.session_files.model import (
    FREE,
    DatabaseHeader,
    EntryKind,
    Evidence,
    FileInspection,
    FolderStat,
    HeaderKind,
    JournalMode,
    Occupancy,
    SessionFamily,
    Usage,
)

_UNREAD = DatabaseHeader(HeaderKind.UNREAD)
_NOT_ASKED = Occupancy(Usage.UNKNOWN, Evidence.NONE)
_SECOND_LOOKS = (0.002, 0.01, 0.05, 0.2)
"""Seconds before asking again about files that are open, but used by no process: another looker was at them."""


class Depth(Enum):
    """How far to look."""

    OUTSIDE = "outside"
    """Names, sizes, header, holder; the inside only of files that need mending."""
    INSIDE = "inside"
    """The pages of every free file as well."""


class FolderInspection(NamedTuple):
    """What one folder held."""

    folder: FolderStat
    files: tuple[FileInspection, ...]


def inspect_folder(
    path: str,
    *,
    depth: Depth = Depth.OUTSIDE,
    only: Collection[str] | None = None,
    on_file: Callable[[int, int], None] | None = None,
) -> FolderInspection:
    """Look at every session in the folder `path`, or at those of the file names `only`, without changing anything.

    `on_file(done, total)` is called after each file. Raises OSError when the folder itself cannot be read.
    """
    listing = Listing(path)
    file_system = file_system_of(path)
    looker = _Looker(file_system, depth, own_open_files())
    files = []
    families = [family for family in listing.families() if only is None or family.name + SUFFIX in only]
    for count, family in enumerate(families, 1):
        files.append(looker.look(family))
        if on_file is not None:
            on_file(count, len(families))
    stat = file_stat(listing.stat)
    folder = FolderStat(path, stat.mode, stat.uid, stat.gid, file_system, listing.dedicated, listing.lock_files)
    return FolderInspection(folder, tuple(looker.name_holders(files)))


def inspect_again(path: str, *, file_system: str) -> FileInspection:
    """Look at one session as it is now, from inside where it is free; what `apply` does right before it acts."""
    looker = _Looker(file_system, Depth.INSIDE, own_open_files())
    return next(iter(looker.name_holders([looker.look(find_family(path))])))


def inspect_leased(path: str, *, since: float | None = None) -> FileInspection:
    """Look at one session from inside, for the process that holds its lease: everybody else is asked about.

    Only before this process opens the session (DESIGN.md, never 2): whoever in it has the file open since before
    `since` (`time.monotonic()`; None: now) is seen, and then it is not read. Raises OSError when the folder cannot be
    read.
    """
    family = _find_without_lock(path)
    held_here = own_open_files(since=since)
    if not held_here.isdisjoint(_identities(family)):
        held_here = own_open_files()  # it may be closed by now
    folder = os.path.dirname(family.target)
    found = os.statvfs(folder)
    file_system = _file_system_on(folder, os.stat(folder).st_dev, found.f_fsid, found.f_namemax)
    looker = _Looker(file_system, Depth.INSIDE, held_here, _find_without_lock)
    return next(iter(looker.name_holders([looker.look(family)])))


@lru_cache(maxsize=64)
def _file_system_on(folder: str, _device: int, _id: int, _longest_name: int) -> str:
    """The same as `file_system_of`, asked once for each mount: another one in its place is told by the other facts."""
    return file_system_of(folder)


def _find_without_lock(path: str) -> SessionFamily:
    return find_family(path)._replace(lock=None)


class _Looker:
    def __init__(
        self,
        file_system: str,
        depth: Depth,
        held_here: Set[Identity],
        find: Callable[[str], SessionFamily] = find_family,
    ) -> None:
        self._prober = Prober(file_system=file_system, held_here=held_here)
        self._file_system = file_system
        self._depth = depth
        self._find = find

    def look(self, family: SessionFamily) -> FileInspection:
        """Who uses the family and, where nobody does and depth asks for it, what is inside."""
        if family.kind is EntryKind.ORPHAN:
            return self._look_at_orphan(family)
        if family.kind is not EntryKind.SESSION or family.main is None:
            return FileInspection(family, _UNREAD, _NOT_ASKED)
        inside = self._depth is Depth.INSIDE or bool(family.sidecars)
        probed = self._prober.ask(family, read=FIRST_READ if inside else HEADER_SIZE)
        header = read_header(probed.head[:HEADER_SIZE]) if probed.head or family.main.size == 0 else _UNREAD
        if probed.occupancy.usage is not Usage.FREE:
            return FileInspection(family, header, probed.occupancy)
        return self._look_at_free(family, header, probed.head)

    def _look_at_free(self, family: SessionFamily, header: DatabaseHeader, head: bytes) -> FileInspection:
        if family.sidecars:
            family = family._replace(sidecars=tuple(map(classify_sidecar, family.sidecars)))
        assert family.main is not None
        needs_inside = family.sidecars or header.journal_mode is JournalMode.WAL or family.main.mode & 0o077
        if self._depth is Depth.OUTSIDE and not needs_inside:
            return FileInspection(family, header, FREE)
        return FileInspection(family, header, FREE, read_contents(family, header, head))

    def _look_at_orphan(self, family: SessionFamily) -> FileInspection:
        probed = self._prober.ask(family, read=0)
        if probed.occupancy.usage is Usage.FREE:
            family = family._replace(sidecars=tuple(map(classify_sidecar, family.sidecars)))
        return FileInspection(family, _UNREAD, probed.occupancy)

    def name_holders(self, files: list[FileInspection]) -> Iterable[FileInspection]:
        """The same files with their holders named by one scan; what only another looker held is looked at again."""
        wanted = {one for file in files if file.occupancy.usage is not Usage.FREE for one in _identities(file.family)}
        if not wanted:
            return files
        scan = scan_open_files(wanted)
        named = [self._named(file, scan) for file in files]
        self._look_again(named, [place for place, file in enumerate(named) if _may_be_looked_at(file, scan)])
        return named

    def _named(self, file: FileInspection, scan: OpenFiles) -> FileInspection:
        occupancy = file.occupancy
        if occupancy.usage is Usage.FREE or occupancy is _NOT_ASKED:
            return file
        pids = {pid for identity in _identities(file.family) for pid in scan.pids.get(identity, ())}
        if pids:
            holders = tuple(describe_holder(pid) for pid in sorted(pids))
            return file._replace(occupancy=occupancy._replace(usage=Usage.IN_USE, holders=holders))
        if file.family.main is None:
            return file
        if occupancy.evidence is Evidence.OPEN_FILES and scan.complete and self._file_system in LOCAL:
            proven = Occupancy(Usage.FREE, Evidence.OPEN_FILES)
            return self._look_at_free(file.family, *self._read_unleased(file.family))._replace(occupancy=proven)
        return file

    def _read_unleased(self, family: SessionFamily) -> tuple[DatabaseHeader, bytes]:
        head = self._prober.read_head(family.target, FIRST_READ)
        return read_header(head[:HEADER_SIZE]), head

    def _look_again(self, files: list[FileInspection], places: list[int]) -> None:
        """Put what is free by now in these places of the list."""
        for pause in _SECOND_LOOKS if places else ():
            time.sleep(pause)
            for place in places:
                again = self.look(self._find(files[place].family.path))
                if again.occupancy.usage is Usage.FREE:
                    files[place] = again
            places = [place for place in places if files[place].occupancy.usage is not Usage.FREE]
            if not places:
                return


def _may_be_looked_at(file: FileInspection, scan: OpenFiles) -> bool:
    """Whether somebody has it open, but nobody is known to use it."""
    is_open = file.occupancy.evidence is Evidence.WRITE_LEASE and file.occupancy.usage is not Usage.FREE
    return is_open and all(one not in scan.pids or one in scan.only_looked_at for one in _identities(file.family))


def _identities(family: SessionFamily) -> list[Identity]:
    members = [family.main, family.lock] if family.main else [sidecar.stat for sidecar in family.sidecars]
    return [(one.device, one.inode) for one in members if one is not None]
