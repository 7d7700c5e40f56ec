"""Inspections as the adapters would hand them over, made by hand: a healthy session unless a test says otherwise."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from core.session_files.model import (
    FREE,
    Contents,
    ContentsKind,
    DatabaseHeader,
    EntryKind,
    EntryResult,
    Evidence,
    FileInspection,
    FileStat,
    FindingNote,
    FolderPlan,
    FolderStat,
    HeaderKind,
    Holder,
    JournalHeat,
    JournalMode,
    Occupancy,
    Outcome,
    PlanEntry,
    SessionFamily,
    Sidecar,
    SidecarKind,
    Usage,
    Verdict,
)
from core.session_files.plan import plan_file
from core.session_files.verdicts import FolderReport

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
AN_HOUR = timedelta(hours=1)
PAGE = 4096
OWNER = 1000

TELETHON = Contents(ContentsKind.TELETHON, 8, logged_in=True, login_rows=1)
LOGGED_OUT = Contents(ContentsKind.TELETHON, 8, logged_in=False, login_rows=1)
ROLLBACK_HEADER = DatabaseHeader(HeaderKind.DATABASE, JournalMode.ROLLBACK, PAGE, 7)
WAL_HEADER = ROLLBACK_HEADER._replace(journal_mode=JournalMode.WAL)
EMPTY_HEADER = DatabaseHeader(HeaderKind.EMPTY)
NO_HEADER = DatabaseHeader(HeaderKind.NOT_DATABASE)
UNREAD_HEADER = DatabaseHeader(HeaderKind.UNREAD)


def file_stat(
    size: int = 7 * PAGE, *, age: timedelta = AN_HOUR, mode: int = 0o600, uid: int = OWNER, links: int = 1
) -> FileStat:
    """A file written `age` before NOW."""
    modified_ns = int((NOW - age).timestamp() * 1e9)
    return FileStat(size, modified_ns, device=1, inode=100, mode=mode, uid=uid, gid=OWNER, links=links)


def journal(heat: JournalHeat | None = JournalHeat.HOT, size: int = 8720, pages: int | None = None) -> Sidecar:
    """A rollback journal; a hot one holds the original pages of a database of seven."""
    if pages is None and heat is JournalHeat.HOT:
        pages = 7
    return Sidecar(SidecarKind.JOURNAL, "/fleet/a.session-journal", file_stat(size), heat, pages)


def wal(frames: int | None = 3, size: int = 12392) -> Sidecar:
    """A write-ahead log; `frames` are those that wait."""
    return Sidecar(SidecarKind.WAL, "/fleet/a.session-wal", file_stat(size), pending_frames=frames)


def shm() -> Sidecar:
    """The index that SQLite keeps for a WAL."""
    return Sidecar(SidecarKind.SHM, "/fleet/a.session-shm", file_stat(32768))


def family(
    *sidecars: Sidecar,
    name: str = "a",
    kind: EntryKind = EntryKind.SESSION,
    main: FileStat | None = None,
    lock: FileStat | None = None,
    note: str = "",
) -> SessionFamily:
    """A session with what lies beside it; only a SESSION has a main file."""
    path = f"/fleet/{name}.session"
    found = (main or file_stat()) if kind is EntryKind.SESSION else None
    return SessionFamily(name, path, path, kind, found, sidecars, lock, note)


def inspection(
    *sidecars: Sidecar,
    header: DatabaseHeader = ROLLBACK_HEADER,
    occupancy: Occupancy = FREE,
    contents: Contents | None = TELETHON,
    of: SessionFamily | None = None,
    main: FileStat | None = None,
) -> FileInspection:
    """What was seen of one session: free, whole, logged in and private unless said otherwise."""
    return FileInspection(of or family(*sidecars, main=main), header, occupancy, contents)


def empty_session(*sidecars: Sidecar, age: timedelta = AN_HOUR) -> FileInspection:
    """A session file of zero bytes."""
    damaged = Contents(ContentsKind.DAMAGED, reason="page 1 cannot be read: it is no database header")
    return inspection(*sidecars, header=EMPTY_HEADER, main=file_stat(0, age=age), contents=damaged)


def not_a_session(kind: EntryKind, note: str = "as seen") -> FileInspection:
    """Something else that bears a session's name; nobody was asked about it."""
    asked = Occupancy(Usage.UNKNOWN, Evidence.NONE)
    return inspection(of=family(kind=kind, note=note), header=UNREAD_HEADER, occupancy=asked, contents=None)


def orphan(*sidecars: Sidecar) -> FileInspection:
    """Sidecars whose session file is not there."""
    return inspection(of=family(*sidecars, kind=EntryKind.ORPHAN), header=UNREAD_HEADER, contents=None)


def held(*pids: int, evidence: Evidence = Evidence.WRITE_LEASE, lease_pid: int | None = None) -> Occupancy:
    """In use by the processes of those ids."""
    holders = tuple(Holder(pid, "python bot.py …", "bots", NOW.timestamp() - 60, None) for pid in pids)
    return Occupancy(Usage.IN_USE, evidence, "has it open", holders, lease_pid)


def unknowable(evidence: Evidence = Evidence.PERMISSION, reason: str = "cannot be asked") -> Occupancy:
    """Nobody can say whether a process uses it."""
    return Occupancy(Usage.UNKNOWN, evidence, reason)


def folder(mode: int = 0o700, *, uid: int = OWNER, dedicated: bool = True) -> FolderStat:
    """A folder of sessions."""
    return FolderStat("/fleet", mode, uid, OWNER, "ext4", dedicated)


def entry(verdict: Verdict = Verdict.FINE, seen: FileInspection | None = None, *, needs: bool = False) -> PlanEntry:
    """One line of a plan, as it stands."""
    return PlanEntry(seen or inspection(), verdict, (FindingNote("GV102", "hot"),), needs_mending=needs)


def result(of: PlanEntry, outcome: Outcome, *, after: Contents | None = None, code: str | None = None) -> EntryResult:
    """What the work made of an entry."""
    return EntryResult(of, outcome, code=code, after=after)


def report(entries: Iterable[PlanEntry], results: Iterable[EntryResult] = ()) -> FolderReport:
    """A folder with these entries and what became of them."""
    return FolderReport(FolderPlan(folder(), tuple(entries)), {one.entry.seen.family.path: one for one in results})


def plan(seen: FileInspection, *, min_age: timedelta = timedelta(0)) -> PlanEntry:
    """The plan for one inspection at NOW."""
    return plan_file(seen, now=NOW, min_age=min_age)


def codes(planned: PlanEntry) -> list[str]:
    """The finding codes of an entry, in order."""
    return [note.code for note in planned.notes]
