"""Putting a backup in the place of its session; what is there now moves to quarantine, family and all."""

from __future__ import annotations

import os
from contextlib import suppress

from core.session_files.backups.catalog import Backup
from core.session_files.backups.encryption import Cipher
from core.session_files.backups.fetch import fetch
from core.session_files.mending.act import Acted
from core.session_files.mending.replace import quarantine_folder, replace
from core.session_files.model import EntryKind, FileInspection, FindingNote, PlanEntry, RepairAction, Usage, Verdict
from utils.clock import utc_text
from utils.units import size_text

_CAN_GIVE_WAY = (EntryKind.SESSION, EntryKind.ORPHAN)


def plan_restore(seen: FileInspection, backup: Backup) -> PlanEntry:
    """The entry of a session, or of the place where one was, that the backup is to take."""
    manifest = backup.manifest
    login = "logged in" if manifest.logged_in else "not logged in"
    note = FindingNote("GV163", f"backup of {utc_text(manifest.taken_at)}, {login}, {size_text(manifest.source.bytes)}")
    if seen.occupancy.usage is Usage.IN_USE:
        return PlanEntry(seen, Verdict.IN_USE, (note,), needs_mending=True)
    main = seen.family.main
    if main is not None and main.links > 1:
        named = FindingNote("GV113", f"{main.links} names for one file")
        return PlanEntry(seen, Verdict.UNKNOWN, (named, note), needs_mending=True)
    if seen.occupancy.usage is Usage.UNKNOWN or seen.family.kind not in _CAN_GIVE_WAY:
        reason = seen.occupancy.reason or seen.family.note or seen.family.kind.value
        return PlanEntry(seen, Verdict.UNKNOWN, (FindingNote("GV131", reason), note), needs_mending=True)
    return PlanEntry(seen, Verdict.MEND, (note,), (RepairAction.RESTORE,), needs_mending=True)


def restore_family(entry: PlanEntry, run_id: str, backup: Backup, cipher: Cipher | None) -> Acted:
    """Put the backup in the place of the entry's session; raises GavatError, then all is as it was."""
    family = entry.seen.family
    fetched = fetch(backup, family.target, cipher=cipher)
    quarantine = quarantine_folder(family, run_id)
    try:
        left = replace(family, fetched.path, quarantine)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(fetched.path)
    gave_way = family.main is not None or family.sidecars
    return Acted(fetched.contents, quarantine if gave_way else None, left=left)
