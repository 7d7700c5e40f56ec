"""What is to be done with a session, and what was done."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from core.session_files.model.seen import Contents, FileInspection, FolderStat

COPIES_KEPT = 5
"""Byte copies kept of each session unless a setting says otherwise."""


class Verdict(Enum):
    """What is to be said of a session; the order is that of a report, worst first."""

    DAMAGED = "damaged"
    UNKNOWN = "unknown"
    MEND = "mend"
    PRUNE = "prune"
    ATTENTION = "look at"
    SKIPPED = "skipped"
    IN_USE = "in use"
    FINE = "fine"


class RepairAction(Enum):
    """One thing that is done to a free session, always through SQLite where SQLite has a say."""

    ROLL_BACK = "roll back"
    CHECKPOINT = "checkpoint"
    SWITCH_TO_DELETE = "DELETE mode"
    REMOVE_COLD_JOURNAL = "remove cold journal"
    REMOVE_SHM = "remove -shm"
    SET_ASIDE = "set aside"
    TIGHTEN_PERMISSIONS = "set 0600"
    PRUNE = "prune entities"
    REPAIR_SCHEMA = "repair schema"
    SALVAGE = "salvage"
    QUARANTINE = "move to quarantine"
    RESTORE = "restore"
    MOVE = "move away"
    LOGIN = "log in anew"


class FindingNote(NamedTuple):
    """A finding about one file: its code (`core.findings`) and the fact behind it."""

    code: str
    detail: str


class PlanEntry(NamedTuple):
    """The decision about one family, with its reasons."""

    seen: FileInspection
    verdict: Verdict
    notes: tuple[FindingNote, ...] = ()
    actions: tuple[RepairAction, ...] = ()
    needs_mending: bool = False
    """Something is wrong that stays wrong: damaged, or signs of need on a file that cannot be judged."""


class FolderPlan(NamedTuple):
    """What was seen in one folder and what is to be done there."""

    folder: FolderStat
    entries: tuple[PlanEntry, ...]
    notes: tuple[FindingNote, ...] = ()
    """About the folder itself."""
    tighten_folder: bool = False
    blind: str = ""
    """Why no session of the folder could be judged, when none could."""


class Outcome(Enum):
    """How the work on one entry ended."""

    DONE = "mended"
    LEFT_ALONE = "left alone"
    FAILED = "failed"


class EntryResult(NamedTuple):
    """What was done to one entry, or why not."""

    entry: PlanEntry
    outcome: Outcome
    detail: str = ""
    code: str | None = None
    hint: str | None = None
    after: Contents | None = None
    copy: str | None = None
    """Folder of the byte copy taken first."""
    set_aside: str | None = None
    """Folder that the sidecars moved to."""
    summary: str = ""
    """What was done, where the names of the actions do not tell."""
    left: str | None = None
    """By which the file is known again that nobody wrote to since; where undo has to know it."""
