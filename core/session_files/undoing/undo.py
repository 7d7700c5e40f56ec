"""Giving back the bytes and modes that a run found.

A session that was used since is not overwritten: what a bot wrote after the run is worth more than what was there
before. The state that undo replaces is copied first, like before any change.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

from core.errors import GavatError, UndoRefused
from core.session_files.mending.copies import CopyStore, copy_members, copy_privately, shelf_name
from core.session_files.mending.permissions import set_mode
from core.session_files.mending.recovery import recover
from core.session_files.mending.replace import beside, quarantine_folder, replace
from core.session_files.mending.set_aside import hold_session_lease, move_back
from core.session_files.model import RepairAction, SessionFamily
from core.session_files.moving.unpack import UNPACK
from core.session_files.undoing.put_back import holds_the_bytes_of, put_back, same_pages
from core.session_files.undoing.replaced import bring_back_replaced, free_family, refuse_used, return_to_its_place
from core.session_files.undoing.unpacked import put_away
from core.session_files.upkeep.prune import give_back
from core.session_files.upkeep.repair_schema import repair
from core.state import Change, ChangeStatus, RunHistory, StateFolder

_REPLACED = {one.value for one in (RepairAction.SALVAGE, RepairAction.RESTORE, RepairAction.MOVE, RepairAction.LOGIN)}
"""What puts another file in the session's place."""


class UndoResult(NamedTuple):
    """What became of one change."""

    change: Change
    undone: bool
    detail: str
    hint: str | None = None


def _copy_of(change: Change) -> str:
    if change.copy is None or not os.path.isdir(change.copy):
        raise UndoRefused("its copy is gone (only the newest are kept)", path=change.path)
    return change.copy


def _with_its_mode(family: SessionFamily, change: Change) -> str:
    if change.mode_before is not None:
        set_mode(family.target, family.main, change.mode_before)
    return "its bytes are those of before"


def _refuse_in_foreign_folder(change: Change) -> None:
    """Root does not work in a folder of another user, who could have put a link where the session was."""
    owner = os.stat(os.path.dirname(change.path)).st_uid
    if os.geteuid() == 0 and owner != 0:
        hint = f"run as that user: sudo -u '#{owner}' …"
        raise UndoRefused("its folder belongs to another user", path=change.path, hint=hint)


class Undoer:
    """Takes back the changes of one run; the copies made on the way belong to the undo's own run."""

    def __init__(self, state: StateFolder, history: RunHistory, run_id: str) -> None:
        self._copies = CopyStore(state.copies)
        self._scratch = os.path.join(state.copies, ".scratch-" + run_id)
        self._history = history
        self._run_id = run_id

    def undo(self, change: Change) -> UndoResult:
        """Take one change back, or say why not; nothing is lost either way."""
        if change.status is ChangeStatus.UNDONE:
            return UndoResult(change, True, "was undone already")
        try:
            _refuse_in_foreign_folder(change)
            detail = self._undo(change)
        except GavatError as error:
            return UndoResult(change, False, str(error), error.hint)
        except OSError as error:
            return UndoResult(change, False, f"{error.strerror}: nothing was changed")
        self._history.record([change._replace(status=ChangeStatus.UNDONE)])
        return UndoResult(change, True, detail)

    def _undo(self, change: Change) -> str:
        kind = change.actions
        if kind == RepairAction.PRUNE.value:
            return self._give_rows_back(change)
        if kind == RepairAction.REPAIR_SCHEMA.value:
            return self._restore_repaired(change)
        if kind in _REPLACED:
            return bring_back_replaced(change, self._run_id)
        if kind == RepairAction.QUARANTINE.value:
            return return_to_its_place(change)
        if kind == UNPACK:
            return put_away(change, self._run_id)
        if change.set_aside is not None:
            moved = move_back(change.set_aside, os.path.realpath(change.path))
            return "sidecars moved back" if moved else "nothing had been moved"
        if change.copy is None:
            assert change.mode_before is not None
            set_mode(os.path.realpath(change.path), None, change.mode_before)
            return f"mode {change.mode_before:04o} again"
        return self._restore_mended(change)

    def _restore_mended(self, change: Change) -> str:
        family, copy = free_family(change), _copy_of(change)
        if holds_the_bytes_of(family, copy):
            return _with_its_mode(family, change)
        kept = self._keep(family)
        with self._mended_again(family, copy) as mended, hold_session_lease(family):
            put_back(family, copy, mode=change.mode_before, mended=mended)
        return f"bytes of before are back; those of now are in {kept}"

    def _restore_repaired(self, change: Change) -> str:
        family, copy = free_family(change), _copy_of(change)
        if holds_the_bytes_of(family, copy):
            return _with_its_mode(family, change)
        if change.after is None:  # the run was killed: what it began is rolled back, or what it finished is known again
            self._refuse_what_a_repair_did_not_write(family, copy)
            recover(family.target, None)
            family = free_family(change)
            if same_pages(family.target, os.path.join(copy, os.path.basename(family.target))):
                return _with_its_mode(family, change)
        else:
            refuse_used(change, change.after, f"the bytes of before are in {copy}")
        kept, new = self._keep(family), beside(family)
        with suppress(FileNotFoundError):
            os.unlink(new)  # of an undo that was killed
        copy_privately(os.path.join(copy, os.path.basename(family.target)), new)
        replace(family, new, quarantine_folder(family, self._run_id))
        return f"bytes of before are back; those of now are in {kept}"

    def _refuse_what_a_repair_did_not_write(self, family: SessionFamily, copy: str) -> None:
        scratch = os.path.join(self._scratch, shelf_name(family))
        name = os.path.basename(family.target)
        try:
            os.makedirs(scratch, mode=0o700)
            copy_members(family, scratch)
            recover(f"{scratch}/{name}", None)
            shutil.copyfile(f"{copy}/{name}", f"{scratch}/repaired")
            repair(f"{scratch}/repaired")
            known = any(same_pages(f"{scratch}/{name}", one) for one in (f"{copy}/{name}", f"{scratch}/repaired"))
        finally:
            shutil.rmtree(self._scratch, ignore_errors=True)
        if not known:
            hint = f"the bytes of before are in {copy}"
            raise UndoRefused("it was used since; undo would lose what was written after", path=family.path, hint=hint)

    def _give_rows_back(self, change: Change) -> str:
        family, copy = free_family(change), _copy_of(change)
        kept = self._keep(family)
        rows = give_back(family.target, os.path.join(copy, os.path.basename(family.target)))
        return f"{rows:,} entities are back beside what is newer; the bytes of now are in {kept}"

    def _keep(self, family: SessionFamily) -> str:
        kept = self._copies.write(family, self._run_id)
        self._copies.settle()
        return kept

    @contextmanager
    def _mended_again(self, family: SessionFamily, copy: str) -> Iterator[str]:
        """Mend a copy of the copy: the session must look like that, or a bot has written to it since."""
        scratch = os.path.join(self._scratch, shelf_name(family))
        try:
            shutil.copytree(copy, scratch)
            mended = os.path.join(scratch, os.path.basename(family.target))
            recover(mended, None)
            yield mended
        finally:
            shutil.rmtree(self._scratch, ignore_errors=True)
