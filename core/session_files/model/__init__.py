"""Frozen data about one Telethon session file.

seen     what was learned of it
planned  what is to be done with it, and what was done
"""

from core.session_files.model.planned import (
    COPIES_KEPT,
    EntryResult,
    FindingNote,
    FolderPlan,
    Outcome,
    PlanEntry,
    RepairAction,
    Verdict,
)
from core.session_files.model.seen import (
    FREE,
    Contents,
    ContentsKind,
    DatabaseHeader,
    EntryKind,
    Evidence,
    FileInspection,
    FileStat,
    FolderStat,
    HeaderKind,
    Holder,
    JournalHeat,
    JournalMode,
    Occupancy,
    SessionFamily,
    Sidecar,
    SidecarKind,
    Usage,
)

__all__ = [
    "COPIES_KEPT",
    "FREE",
    "Contents",
    "ContentsKind",
    "DatabaseHeader",
    "EntryKind",
    "EntryResult",
    "Evidence",
    "FileInspection",
    "FileStat",
    "FindingNote",
    "FolderPlan",
    "FolderStat",
    "HeaderKind",
    "Holder",
    "JournalHeat",
    "JournalMode",
    "Occupancy",
    "Outcome",
    "PlanEntry",
    "RepairAction",
    "SessionFamily",
    "Sidecar",
    "SidecarKind",
    "Usage",
    "Verdict",
]
