"""Putting a marker in the place of a session that another host takes over.

The marker is no database: Telethon refuses it, so a bot that is started here by habit does not become a second client
of the login. The session itself moves to quarantine, and undo brings it back.
"""

from __future__ import annotations

import os
from contextlib import suppress

from core.errors import SessionFileError
from core.session_files.database.file_format import MOVED_MARK
from core.session_files.mending.act import Acted
from core.session_files.mending.replace import beside, quarantine_folder, replace
from core.session_files.model import Contents, ContentsKind, FindingNote, PlanEntry, RepairAction, Usage, Verdict


def plan_move(entry: PlanEntry) -> PlanEntry:
    """The entry of a session that is to be moved, or why it cannot be: in use, unknown, or with something to mend."""
    contents = entry.seen.contents or Contents(ContentsKind.UNREAD)
    free = entry.seen.occupancy.usage is Usage.FREE
    whole = contents.kind in (ContentsKind.TELETHON, ContentsKind.NEWER) and not entry.actions
    if entry.verdict is Verdict.SKIPPED:
        return entry
    if free and whole and entry.verdict in (Verdict.FINE, Verdict.ATTENTION):
        login = "logged in" if contents.logged_in else "not logged in"
        note = FindingNote("GV164", f"whole, {login}")
        return PlanEntry(entry.seen, Verdict.MEND, (note,), (RepairAction.MOVE,), needs_mending=True)
    return entry._replace(actions=(), needs_mending=True)


def leave_marker(entry: PlanEntry, run_id: str) -> Acted:
    """Put the marker in the session's place; raises GavatError, then all is as it was."""
    family = entry.seen.family
    new, quarantine = beside(family), quarantine_folder(family, run_id)
    text = MOVED_MARK + f"to another host by run {run_id}; cleanup_sessions.py undo {run_id} brings it back.\n".encode()
    try:
        with suppress(FileNotFoundError):
            os.unlink(new)  # of a run that was killed
        with open(new, "xb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise SessionFileError(f"no marker could be made ({error.strerror})", path=family.path) from error
    left = replace(family, new, quarantine)
    return Acted(set_aside=quarantine, left=left)
