"""Putting away what came out of a pack: to quarantine, as long as no bot has used it; nothing is deleted."""

from __future__ import annotations

import os
from contextlib import suppress

from core.errors import UndoRefused
from core.session_files.looking.listing import QUARANTINE_FOLDER
from core.session_files.mending.identity import identity_of
from core.session_files.mending.replace import put_in_quarantine, quarantine_folder
from core.session_files.moving.unpack import UNPACK, half_made
from core.session_files.undoing.replaced import free_family, refuse_used
from core.state import Change, ChangeStatus

_STAYS = "it stays where it is"


def is_half_unpacked(change: Change) -> bool:
    """Whether a killed run left the session beside its place; where it bears its name already, it bears two."""
    return change.actions == UNPACK and os.path.lexists(half_made(os.path.realpath(change.path)))


def put_away(change: Change, run_id: str) -> str:
    """Move an unpacked session to the quarantine of the run `run_id`, and say what was done.

    Its place is empty then, as the run found it; the marker on the other host stays. Raises UndoRefused when it was
    used since, SessionFileBusy, SessionFileError.
    """
    target = os.path.realpath(change.path)
    with suppress(FileNotFoundError):
        os.unlink(half_made(target))  # of a killed run, and never used
    if change.after is None:
        return "nothing had been unpacked"
    if identity_of(target) is None:
        own = _put_away_already(target, change.after)
        if own is not None:
            return f"its place is empty again; it is in {own}"
        if change.status is ChangeStatus.STARTED:
            return "nothing had been unpacked"
    family = free_family(change)
    refuse_used(change, change.after, _STAYS)
    if family.sidecars:
        hint = f"{_STAYS}, with what lies beside it"
        raise UndoRefused("it was used since; undo would lose what was written after", path=change.path, hint=hint)
    own = quarantine_folder(family, run_id)
    put_in_quarantine(family, own)
    return f"its place is empty again; it is in {own}"


def _put_away_already(target: str, unpacked: str) -> str | None:
    """The folder that an undo which was killed moved the session to."""
    folder, name = os.path.split(target)
    quarantine = os.path.join(folder, QUARANTINE_FOLDER)
    runs = os.listdir(quarantine) if os.path.isdir(quarantine) else []
    places = (os.path.join(quarantine, run) for run in runs)
    return next((place for place in places if identity_of(os.path.join(place, name)) == unpacked), None)
