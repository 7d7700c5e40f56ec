"""Deciding what is to be done with the journal, WAL and index beside a session (pure)."""

from __future__ import annotations

from core.session_files.model import (
    FileInspection,
    FindingNote,
    JournalHeat,
    JournalMode,
    RepairAction,
    Sidecar,
    SidecarKind,
)
from utils.units import size_text


def sidecar_work(seen: FileInspection) -> tuple[list[FindingNote], list[RepairAction]]:
    """What is found beside a free session, and what SQLite is to do about it, in order."""
    notes: list[FindingNote] = []
    actions: list[RepairAction] = []
    family = seen.family
    journal, wal, shm = (family.sidecar(kind) for kind in SidecarKind)
    if journal is not None and journal.heat is JournalHeat.HOT:
        notes.append(FindingNote("GV102", "hot journal, nobody has it open"))
        actions.append(RepairAction.ROLL_BACK)
    elif journal is not None:
        notes.append(FindingNote("GV101", f"cold journal of {size_text(journal.stat.size)} left behind"))
        actions.append(RepairAction.REMOVE_COLD_JOURNAL)
    if wal is not None and wal.pending_frames:
        notes.append(FindingNote("GV104", f"{_count(wal.pending_frames, 'frame')} in the WAL"))
        actions += [RepairAction.CHECKPOINT, RepairAction.SWITCH_TO_DELETE]
    elif wal is not None:
        notes.append(FindingNote("GV105", f"-wal of {size_text(wal.stat.size)} with nothing committed"))
        actions.append(RepairAction.SWITCH_TO_DELETE)
    elif seen.header.journal_mode is JournalMode.WAL:
        notes.append(FindingNote("GV103", "WAL mode, nothing waits in a log"))
        actions.append(RepairAction.SWITCH_TO_DELETE)
    if shm is not None and wal is None:
        notes.append(FindingNote("GV105", "lone -shm"))
        actions.append(RepairAction.REMOVE_SHM)
    return notes, actions


def describe_sidecar(sidecar: Sidecar) -> str:
    """`hot journal of 12.8 kB`."""
    heat = f"{sidecar.heat.value} " if sidecar.heat and sidecar.heat is not JournalHeat.UNKNOWN else ""
    return f"{heat}{sidecar.kind.value} of {size_text(sidecar.stat.size)}"


def has_signs(seen: FileInspection) -> bool:
    """Whether something lies beside the session that may be needed."""
    return any(one.stat.size for one in seen.family.sidecars if one.kind is not SidecarKind.SHM)


def _count(number: int, noun: str) -> str:
    return f"1 {noun} waits" if number == 1 else f"{number} {noun}s wait"
