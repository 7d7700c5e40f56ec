"""Acting on one family, as its plan says and whatever chore it is; the work around it is in `apply`."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from core.session_files.mending.permissions import PRIVATE_FILE, set_mode
from core.session_files.mending.recovery import recover
from core.session_files.mending.replace import put_in_quarantine, quarantine_folder
from core.session_files.mending.set_aside import aside_folder, set_aside
from core.session_files.model import Contents, PlanEntry, RepairAction

_TO_QUARANTINE = {
    RepairAction.QUARANTINE,
    RepairAction.SALVAGE,
    RepairAction.RESTORE,
    RepairAction.MOVE,
    RepairAction.LOGIN,
}
_ONLY_MODE = (RepairAction.TIGHTEN_PERMISSIONS,)


class Acted(NamedTuple):
    """What acting on one family gave."""

    after: Contents | None = None
    """What the file holds then."""
    set_aside: str | None = None
    """Folder that the sidecars moved to."""
    summary: str = ""
    """What was done, where the names of the actions do not tell."""
    left: str | None = None
    """Identity of the file as it was left, taken while nobody else could have it open (`identity_of`)."""


Act = Callable[[PlanEntry, str], Acted]
"""Carries out the actions of an entry in the run of that id; raises GavatError, OSError."""


def mend_family(entry: PlanEntry, run_id: str) -> Acted:
    """Let SQLite recover the family, or set orphans aside, and tighten its mode, as the plan says."""
    family = entry.seen.family
    aside = folder_aside(entry, run_id)
    after: Contents | None = None
    if RepairAction.QUARANTINE in entry.actions:
        put_in_quarantine(family, quarantine_folder(family, run_id))
    elif aside is not None:
        set_aside(family, aside)
    elif entry.actions != _ONLY_MODE:
        after = recover(family.target, entry.seen.contents)
    if RepairAction.TIGHTEN_PERMISSIONS in entry.actions:
        set_mode(family.target, family.main, PRIVATE_FILE)
    return Acted(after, aside)


def folder_aside(entry: PlanEntry, run_id: str) -> str | None:
    """Where the run moves files of the family to, noted before it does; None where nothing moves."""
    if RepairAction.SET_ASIDE in entry.actions:
        return aside_folder(entry.seen.family, run_id)
    return quarantine_folder(entry.seen.family, run_id) if _TO_QUARANTINE & set(entry.actions) else None
