"""Deciding what each session needs: inspections in, a plan out. No clock, no disk, no chance.

The order of questions is the order of certainty: is it a session at all, may anybody be using it, is it whole,
and only then what SQLite should do to it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from core.session_files.model import (
    Contents,
    ContentsKind,
    EntryKind,
    Evidence,
    FileInspection,
    FindingNote,
    FolderPlan,
    FolderStat,
    HeaderKind,
    JournalHeat,
    JournalMode,
    PlanEntry,
    RepairAction,
    SessionFamily,
    SidecarKind,
    Usage,
    Verdict,
)
from core.session_files.sidecar_work import describe_sidecar, has_signs, sidecar_work

COPY_MAY_BE_ARRIVING = timedelta(seconds=60)
"""A file younger than this that looks empty, garbage or damaged may be a copy still on its way."""
_OTHERS = 0o077
_STICKY = 0o1000
_FOR_A_GROUP = 0o2020
"""Set-group-id or writable by the group: bots of several users share it on purpose."""

_SKIPPED = {
    EntryKind.NOT_REGULAR: ("GV140", Verdict.SKIPPED),
    EntryKind.DANGLING: ("GV141", Verdict.SKIPPED),
    EntryKind.LOOP: ("GV141", Verdict.SKIPPED),
    EntryKind.ALIAS: ("GV114", Verdict.SKIPPED),
    EntryKind.UNREADABLE: ("GV143", Verdict.UNKNOWN),
}
_FOR_PEOPLE = {
    ContentsKind.HALF_CREATED: "GV123",
    ContentsKind.HALF_MIGRATED: "GV124",
    ContentsKind.NEWER: "GV125",
}
_CANNOT_START = (ContentsKind.HALF_CREATED, ContentsKind.HALF_MIGRATED)
_NOT_OURS = (ContentsKind.PYROGRAM, ContentsKind.FOREIGN)


def plan_folder(
    folder: FolderStat, files: tuple[FileInspection, ...], *, now: datetime, min_age: timedelta = timedelta(0)
) -> FolderPlan:
    """The plan for one folder; entries keep the order of `files`."""
    entries = tuple(plan_file(file, now=now, min_age=min_age, folder_owner=folder.uid) for file in files)
    notes = _folder_notes(folder, entries)
    return FolderPlan(folder, entries, notes, tighten_folder=bool(notes), blind=_why_blind(entries))


def plan_quarantine(entry: PlanEntry) -> PlanEntry:
    """The entry of a damaged session that nothing beside it can heal, with its move to quarantine; others unchanged."""
    if entry.verdict is not Verdict.DAMAGED or entry.actions:
        return entry
    return entry._replace(actions=(RepairAction.QUARANTINE,))


def plan_file(
    seen: FileInspection, *, now: datetime, min_age: timedelta = timedelta(0), folder_owner: int | None = None
) -> PlanEntry:
    """The verdict on one family, the findings behind it, and what is to be done.

    `min_age` lengthens the time for which an empty, garbage or damaged file counts as still arriving; it never delays
    a recovery. `folder_owner` (uid): a link from that user's folder to another user's file is not followed.
    """
    family = seen.family
    if _nothing_to_say(seen):
        return PlanEntry(seen, Verdict.FINE)
    if family.kind in _SKIPPED:
        code, verdict = _SKIPPED[family.kind]
        return PlanEntry(seen, verdict, (FindingNote(code, family.note),))
    if seen.occupancy.usage is Usage.IN_USE:
        return _plan_in_use(seen)
    if seen.occupancy.usage is Usage.UNKNOWN:
        return _plan_unknown(seen)
    if family.kind is EntryKind.ORPHAN and not family.sidecars:
        return PlanEntry(seen, Verdict.UNKNOWN, (FindingNote("GV142", "it is gone"),))
    if family.kind is EntryKind.ORPHAN:
        names = ", ".join(describe_sidecar(one) for one in family.sidecars)
        note = FindingNote("GV106", f"{names} without its session")
        return PlanEntry(seen, Verdict.MEND, (note,), (RepairAction.SET_ASIDE,), needs_mending=True)
    ambiguity = _ambiguity(family, folder_owner)
    if ambiguity is not None:
        return PlanEntry(seen, Verdict.UNKNOWN, (ambiguity,), needs_mending=has_signs(seen))
    entry = _plan_free(seen)
    return _spare_young(entry, now=now, guard=max(COPY_MAY_BE_ARRIVING, min_age))


def _ambiguity(family: SessionFamily, folder_owner: int | None) -> FindingNote | None:
    """Why a free file is left alone all the same: it may not be what its name says."""
    main = family.main
    if main is not None and main.links > 1:
        return FindingNote("GV113", f"{main.links} names for one file")
    if main is not None and family.path != family.target and folder_owner not in (None, main.uid):
        return FindingNote("GV115", f"a link to a file of uid {main.uid} in a folder of uid {folder_owner}")
    for one in family.sidecars:
        unread = (
            one.heat in (None, JournalHeat.UNKNOWN) if one.kind is SidecarKind.JOURNAL else one.pending_frames is None
        )
        if main is not None and one.stat.size and one.stat.uid != main.uid and one.kind is not SidecarKind.SHM:
            return FindingNote("GV143", f"its {one.kind.value} is of uid {one.stat.uid}, the session of {main.uid}")
        if unread and one.kind is not SidecarKind.SHM:
            return FindingNote("GV143", f"its {one.kind.value} cannot be read, or names other files")
    return None


def _plan_in_use(seen: FileInspection) -> PlanEntry:
    occupancy = seen.occupancy
    pids = {holder.pid for holder in occupancy.holders}
    notes = []
    if occupancy.evidence is Evidence.LEASE and pids and occupancy.lease_pid not in {None, *pids}:
        kept = ", ".join(str(pid) for pid in sorted(pids))
        notes.append(FindingNote("GV134", f"lock taken by pid {occupancy.lease_pid}, kept by its forked child {kept}"))
    elif len(pids) > 1:
        notes.append(FindingNote("GV133", f"open in {len(pids)} processes: {', '.join(map(str, sorted(pids)))}"))
    main = seen.family.main
    if main is not None and main.mode & _OTHERS:
        notes.append(FindingNote("GV111", f"{_readers(main.mode)} ({main.mode:04o}), to be set when it is free"))
    return PlanEntry(seen, Verdict.IN_USE, tuple(notes))


def _plan_unknown(seen: FileInspection) -> PlanEntry:
    code = "GV132" if seen.occupancy.evidence is Evidence.FILE_SYSTEM else "GV131"
    if seen.occupancy.evidence is Evidence.NONE:
        code = "GV142"
    return PlanEntry(seen, Verdict.UNKNOWN, (FindingNote(code, seen.occupancy.reason),), needs_mending=has_signs(seen))


def _plan_free(seen: FileInspection) -> PlanEntry:
    if seen.header.kind is HeaderKind.EMPTY:
        return _plan_empty(seen)
    if seen.header.kind is HeaderKind.MOVED:
        return PlanEntry(seen, Verdict.SKIPPED, (FindingNote("GV116", "a marker stands in its place"),))
    contents = seen.contents or Contents(ContentsKind.UNREAD)
    if contents.kind in _NOT_OURS:
        return PlanEntry(seen, Verdict.ATTENTION, (FindingNote("GV126", contents.reason),))
    notes, actions = sidecar_work(seen)
    recovers = RepairAction.ROLL_BACK in actions or RepairAction.CHECKPOINT in actions
    damage = _damage(seen, contents, recovers=recovers)
    if damage is not None:
        # With a journal or WAL to play back, recovery is tried, on a copy first; the verdict is that of today.
        found, tried = ((damage, *notes), tuple(actions)) if recovers else ((damage,), ())
        return PlanEntry(seen, Verdict.DAMAGED, found, tried, needs_mending=True)
    mode = seen.family.main.mode if seen.family.main else 0
    if mode & _OTHERS:
        notes.append(FindingNote("GV111", f"{_readers(mode)} ({mode:04o})"))
        if not mode & 0o020:  # a group that may write was let in on purpose: its bots would lose the file
            actions.append(RepairAction.TIGHTEN_PERMISSIONS)
    needs = bool(actions) or contents.kind in _CANNOT_START
    for_people = _notes_for_people(seen, contents)
    verdict = Verdict.MEND if actions else Verdict.ATTENTION if for_people or notes else Verdict.FINE
    return PlanEntry(seen, verdict, (*notes, *for_people), tuple(actions), needs_mending=needs)


def _nothing_to_say(seen: FileInspection) -> bool:
    """Whether it is a free session and plainly fine; true for nearly all of a fleet, so asked before all else."""
    family, header, contents = seen.family, seen.header, seen.contents
    main = family.main
    return (
        seen.occupancy.usage is Usage.FREE
        and not family.sidecars
        and not family.note
        and family.path == family.target
        and header.journal_mode is JournalMode.ROLLBACK
        and main is not None
        and main.links == 1
        and not main.mode & _OTHERS
        and main.size >= header.page_count * header.page_size
        and (
            contents is None
            or (contents.kind is ContentsKind.TELETHON and bool(contents.logged_in) and contents.login_rows == 1)
        )
    )


def _damage(seen: FileInspection, contents: Contents, *, recovers: bool) -> FindingNote | None:
    if seen.header.kind is not HeaderKind.DATABASE and contents.kind in (ContentsKind.DAMAGED, ContentsKind.UNREAD):
        if seen.header.kind is HeaderKind.UNREAD:
            return FindingNote("GV143", "its first bytes cannot be read")
        return FindingNote("GV121", "its first bytes are no database header")
    missing = _missing_page(seen)
    if missing and not recovers:
        return FindingNote("GV120", f"page {missing} cannot be read: the file ends before it")
    if contents.kind is ContentsKind.DAMAGED:
        return FindingNote("GV120", contents.reason)
    return None


def _notes_for_people(seen: FileInspection, contents: Contents) -> tuple[FindingNote, ...]:
    notes = []
    if contents.kind in _FOR_PEOPLE:
        notes.append(FindingNote(_FOR_PEOPLE[contents.kind], contents.reason))
    elif contents.logged_in is False:
        notes.append(FindingNote("GV127", "no authorisation key inside"))
    elif (contents.login_rows or 0) > 1:
        notes.append(FindingNote("GV128", f"{contents.login_rows} rows in the table of logins"))
    if seen.family.note:
        notes.append(FindingNote("GV107", seen.family.note))
    return tuple(notes)


def _plan_empty(seen: FileInspection) -> PlanEntry:
    # SQLite deletes the journal and WAL of an empty database at its next open, so what they hold is set aside first.
    empty = FindingNote("GV122", "0 B")
    needed = [one for one in seen.family.sidecars if one.pending_frames or one.original_pages]
    if needed:
        note = FindingNote("GV106", f"{', '.join(map(describe_sidecar, needed))} beside an empty session")
        return PlanEntry(seen, Verdict.DAMAGED, (empty, note), (RepairAction.SET_ASIDE,), needs_mending=True)
    notes, actions = sidecar_work(seen)
    return PlanEntry(seen, Verdict.DAMAGED, (empty, *notes), tuple(actions), needs_mending=True)


def _spare_young(entry: PlanEntry, *, now: datetime, guard: timedelta) -> PlanEntry:
    main = entry.seen.family.main
    if entry.verdict is not Verdict.DAMAGED or entry.actions or main is None:
        return entry
    age = now.timestamp() - main.modified_ns / 1e9
    if abs(age) >= guard.total_seconds():  # a clock that differs a little may put it in the future
        return entry
    note = FindingNote("GV130", f"{entry.notes[0].detail}, but written {age:.0f} s ago")
    return PlanEntry(entry.seen, Verdict.UNKNOWN, (note,))


def _folder_notes(folder: FolderStat, entries: tuple[PlanEntry, ...]) -> tuple[FindingNote, ...]:
    if not folder.mode & _OTHERS or folder.mode & _STICKY or not folder.dedicated or not entries:
        return ()
    users = {entry.seen.family.main.uid for entry in entries if entry.seen.family.main is not None}
    shared = folder.mode & _FOR_A_GROUP or any(e.seen.family.main and e.seen.family.main.mode & 0o020 for e in entries)
    if shared or users - {folder.uid} or any(entry.verdict in (Verdict.UNKNOWN, Verdict.IN_USE) for entry in entries):
        return ()  # somebody else has business here, or would lose it in mid-use
    return (FindingNote("GV112", f"{_readers(folder.mode)} ({folder.mode:04o})"),)


def _why_blind(entries: tuple[PlanEntry, ...]) -> str:
    judged = [entry for entry in entries if entry.verdict is not Verdict.SKIPPED]
    if not judged or any(entry.verdict is not Verdict.UNKNOWN for entry in judged):
        return ""
    reasons = {entry.notes[0].code for entry in judged}
    return reasons.pop() if len(reasons) == 1 else "GV131"


def _missing_page(seen: FileInspection) -> int | None:
    header, main = seen.header, seen.family.main
    if main is None or not header.page_size or main.size >= header.page_count * header.page_size:
        return None
    return main.size // header.page_size + 1


def _readers(mode: int) -> str:
    return "readable by everyone" if mode & 0o007 else "readable by its group"
