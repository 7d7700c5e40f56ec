"""Taking back a replacement or a move to quarantine: files return to their places, nothing is written or deleted."""

from __future__ import annotations

import os
from contextlib import suppress

from core.errors import SessionFileBusy, UndoRefused
from core.session_files.looking.filesystem import file_system_of
from core.session_files.looking.inspect import inspect_again
from core.session_files.looking.listing import QUARANTINE_FOLDER, find_family
from core.session_files.mending.identity import identity_of
from core.session_files.mending.replace import (
    beside,
    bring_back,
    noted_in,
    put_in_quarantine,
    quarantine_folder,
    return_from_quarantine,
)
from core.session_files.model import EntryKind, SessionFamily, SidecarKind, Usage
from core.state import Change


def is_half_done(change: Change) -> bool:
    """Whether a killed run left files of the session in quarantine, its journal or WAL perhaps; raises OSError."""
    if change.set_aside is None:
        return False
    target = os.path.realpath(change.path)
    noted = noted_in(change.set_aside, target)
    if noted is None:
        return False
    return noted.new is None or identity_of(target) != noted.new  # else all is done but for its entry in the history


def bring_back_replaced(change: Change, run_id: str) -> str:
    """Bring back what a restored, salvaged or moved session replaced, and say what was done.

    What is there now moves to the quarantine of the run `run_id`. Raises UndoRefused when it was used since,
    SessionFileBusy, SessionFileError.
    """
    target, quarantine = os.path.realpath(change.path), _quarantine_of(change)
    noted = noted_in(quarantine, target)
    now = identity_of(target)
    _remove_half_made(target)
    if noted is not None and now == noted.old:
        # The run was killed before the swap, or an undo in the middle: the old file is in its place.
        _return_sidecars(change, target, quarantine)
        return "back in its place"
    new_one = change.after or (noted.new if noted is not None else None)
    if new_one is None:
        return "nothing had been replaced"
    if noted is None and not _names_in(quarantine, target) and _lies_aside(target, new_one):
        return "was back in its place already"
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
    noted = noted_in(quarantine, target)
    moved = _names_in(quarantine, target)
    if not moved:
        return_from_quarantine(target, quarantine)
        return "nothing had been moved"
    now = identity_of(target)
    if target in moved and now is None:
        return_from_quarantine(target, quarantine)
    elif noted is not None and now == noted.old:
        _return_sidecars(change, target, quarantine)
    else:
        hint = f"the old one stays in {quarantine}"
        raise UndoRefused("a session of that name is there now", path=change.path, hint=hint)
    return "back in its place"


def _return_sidecars(change: Change, target: str, quarantine: str) -> None:
    """Return what moved while the session itself stayed, or came back already; nothing may have been written since."""
    moved = [path for path in _names_in(quarantine, target) if path != target]
    if moved:
        _refuse_holders(change)
        if any(os.path.lexists(path) for path in moved):
            hint = f"the old sidecars are in {quarantine}"
            raise UndoRefused("it has sidecars of its own now", path=change.path, hint=hint)
    return_from_quarantine(target, quarantine)


def _refuse_holders(change: Change) -> None:
    now = inspect_again(change.path, file_system=file_system_of(os.path.dirname(change.path)))
    if now.occupancy.usage is not Usage.FREE:
        raise SessionFileBusy(f"{now.occupancy.usage.value}: {now.occupancy.reason}", path=change.path)


def free_family(change: Change) -> SessionFamily:
    """The session of a change as it is now; raises UndoRefused when it is gone, SessionFileBusy when it is in use."""
    family = find_family(change.path)
    if family.kind is not EntryKind.SESSION:
        raise UndoRefused("the session file is not there any more", path=change.path)
    _refuse_holders(change)
    return family


def refuse_used(change: Change, left: str | None, where: str) -> None:
    """Raise UndoRefused unless the session is the very file that the run left (`left`: its identity)."""
    if left is None or identity_of(os.path.realpath(change.path)) != left:
        raise UndoRefused("it was used since; undo would lose what was written after", path=change.path, hint=where)


def _lies_aside(target: str, left: str) -> bool:
    """Whether an undo that was killed before it could note it moved away what the run left (`left`: its identity)."""
    folder, name = os.path.split(target)
    try:
        runs = os.listdir(os.path.join(folder, QUARANTINE_FOLDER))
    except FileNotFoundError:
        return False
    return any(identity_of(os.path.join(folder, QUARANTINE_FOLDER, run, name)) == left for run in runs)


def _remove_half_made(target: str) -> None:
    """Remove what a killed run made beside the session and never used; each is a whole login."""
    folder, name = os.path.split(target)
    family = SessionFamily(name, target, target, EntryKind.SESSION, None)
    for half_made in (beside(family), os.path.join(folder, f".{name}.restoring")):
        with suppress(FileNotFoundError):
            os.unlink(half_made)


def _quarantine_of(change: Change) -> str:
    assert change.set_aside is not None
    return change.set_aside


def _names_in(quarantine: str, target: str) -> list[str]:
    """The members of the session's family that lie in the folder, by the paths they had."""
    suffixes = ["", *(kind.value for kind in SidecarKind)]
    base = os.path.basename(target)
    return [target + suffix for suffix in suffixes if os.path.lexists(os.path.join(quarantine, base + suffix))]
