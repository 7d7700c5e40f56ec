"""Taking back a replacement or a move to quarantine: files return to their places, nothing is written or deleted."""

from __future__ import annotations

import os
from contextlib import suppress

from core.errors import SessionFileBusy, UndoRefused
from core.session_files.looking.filesystem import file_system_of
from core.session_files.looking.inspect import inspect_again
from core.session_files.mending.identity import identity_of
from core.session_files.mending.replace import (
    beside,
    bring_back,
    put_in_quarantine,
    quarantine_folder,
    replaced_by,
    return_from_quarantine,
)
from core.session_files.model import EntryKind, SessionFamily, SidecarKind, Usage
from core.state import Change


def bring_back_replaced(change: Change, run_id: str) -> str:
    """Bring back what a restored, salvaged or moved session replaced, and say what was done.

    What is there now moves to the quarantine of the run `run_id`. Raises UndoRefused when it was used since,
    SessionFileBusy, SessionFileError.
    """
    target, quarantine = os.path.realpath(change.path), _quarantine_of(change)
    new_one = change.after or replaced_by(target, quarantine)
    if change.after is None and (new_one is None or identity_of(target) != new_one):
        return _bring_back_unfinished(change, target, quarantine)
    refuse_used(change, new_one, f"what it replaced is in {quarantine}")
    family = free_family(change)
    own = quarantine_folder(family, run_id)
    if any(_names_in(quarantine, target)):
        bring_back(family, quarantine, own)
    else:
        put_in_quarantine(family, own)
        return_from_quarantine(target, quarantine)  # nothing but its note
    return f"back in its place; what replaced it is in {own}"


def return_to_its_place(change: Change) -> str:
    """Bring back what was moved to quarantine, and say so; raises UndoRefused when a new session bears its name."""
    target, quarantine = os.path.realpath(change.path), _quarantine_of(change)
    moved = _names_in(quarantine, target)
    if not moved:
        return "nothing had been moved"
    if target in moved and os.path.lexists(target) and not _is_in_both_places(target, quarantine):
        hint = f"the old one stays in {quarantine}"
        raise UndoRefused("a session of that name is there now", path=change.path, hint=hint)
    return_from_quarantine(target, quarantine)
    return "back in its place"


def free_family(change: Change) -> SessionFamily:
    """The session of a change as it is now; raises UndoRefused when it is gone, SessionFileBusy when it is in use."""
    now = inspect_again(change.path, file_system=file_system_of(os.path.dirname(change.path)))
    if now.family.kind is not EntryKind.SESSION:
        raise UndoRefused("the session file is not there any more", path=change.path)
    if now.occupancy.usage is not Usage.FREE:
        raise SessionFileBusy(f"{now.occupancy.usage.value}: {now.occupancy.reason}", path=change.path)
    return now.family


def refuse_used(change: Change, left: str | None, where: str) -> None:
    """Raise UndoRefused unless the session is the very file that the run left (`left`: its identity)."""
    if left is None or identity_of(os.path.realpath(change.path)) != left:
        raise UndoRefused("it was used since; undo would lose what was written after", path=change.path, hint=where)


def _bring_back_unfinished(change: Change, target: str, quarantine: str) -> str:
    """After a kill before the new file took the place: the old one never left it, or is linked in both."""
    moved = _names_in(quarantine, target)
    if target in moved and not _is_in_both_places(target, quarantine):
        hint = f"what it replaced is in {quarantine}"
        raise UndoRefused("it was used since that run was killed", path=change.path, hint=hint)
    return_from_quarantine(target, quarantine)
    family = SessionFamily(os.path.basename(target), target, target, EntryKind.SESSION, None)
    with suppress(FileNotFoundError):
        os.unlink(beside(family))  # made and never used
    return "nothing had been replaced"


def _quarantine_of(change: Change) -> str:
    assert change.set_aside is not None
    return change.set_aside


def _names_in(quarantine: str, target: str) -> list[str]:
    """The members of the session's family that lie in the folder, by the paths they had."""
    suffixes = ["", *(kind.value for kind in SidecarKind)]
    base = os.path.basename(target)
    return [target + suffix for suffix in suffixes if os.path.lexists(os.path.join(quarantine, base + suffix))]


def _is_in_both_places(target: str, quarantine: str) -> bool:
    there = os.path.join(quarantine, os.path.basename(target))
    return os.path.lexists(there) and os.path.lexists(target) and os.path.samefile(there, target)
