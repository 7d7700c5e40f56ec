"""Going on with a `files move` whose sessions gave way and were not packed: the same run, one quarantine, one undo."""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import NamedTuple

from core.session_files.mending.identity import identity_of
from core.session_files.mending.replace import noted_in
from core.session_files.model import RepairAction
from core.session_files.undoing.replaced import bring_back_replaced, is_half_done
from core.state import Change, ChangeStatus, RunHistory, RunRecord


class Unpacked(NamedTuple):
    """A run that did not come to its pack, and those of its changes that were begun or stand."""

    run: RunRecord
    changes: tuple[Change, ...]


def find_unpacked(history: RunHistory, command: str, folders: Collection[str]) -> Unpacked | None:
    """The newest run of the command that ended before its pack was written and moved sessions of these folders."""
    for run in history.unended(command):
        changes = history.changes_of(run.run_id)
        if any(_stands(change) and os.path.realpath(os.path.dirname(change.path)) in folders for change in changes):
            begun = (change for change in changes if change.status is ChangeStatus.STARTED or _stands(change))
            return Unpacked(run, tuple(begun))
    return None


def settle(found: Unpacked, history: RunHistory) -> list[str]:
    """The originals of the sessions that gave way; one that had done so in part is in its place again.

    Raises UndoRefused, SessionFileBusy, StateError.
    """
    gone = []
    for change in found.changes:
        if change.status is ChangeStatus.STARTED and not _is_marked(change):
            bring_back_replaced(change, found.run.run_id)
            history.record([change._replace(status=ChangeStatus.UNDONE)])
            continue
        if change.status is ChangeStatus.STARTED:
            history.record(
                [change._replace(status=ChangeStatus.DONE, after=identity_of(os.path.realpath(change.path)))]
            )
        gone.append(_original(change))
    return gone


def _stands(change: Change) -> bool:
    if change.actions != RepairAction.MOVE.value:
        return False
    if change.status is ChangeStatus.STARTED:
        return is_half_done(change) or _is_marked(change)
    return change.status is ChangeStatus.DONE and os.path.lexists(_original(change))


def _is_marked(change: Change) -> bool:
    """Whether the marker stands in the session's place, so that only the history does not know it."""
    assert change.set_aside is not None
    target = os.path.realpath(change.path)
    noted = noted_in(change.set_aside, target)
    return noted is not None and noted.new is not None and identity_of(target) == noted.new


def _original(change: Change) -> str:
    assert change.set_aside is not None
    return os.path.join(change.set_aside, os.path.basename(os.path.realpath(change.path)))
