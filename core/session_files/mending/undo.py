"""Giving back the bytes and modes that a run found.

A session that was used since is not overwritten: what a bot wrote after the run is worth more than what was there
before. The state that undo replaces is copied first, like before any change.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from core.errors import GavatError, SessionFileBusy, UndoRefused
from core.session_files.looking.filesystem import file_system_of
from core.session_files.looking.inspect import inspect_again
from core.session_files.mending.copies import CopyStore, shelf_name
from core.session_files.mending.permissions import set_mode
from core.session_files.mending.put_back import holds_the_bytes_of, put_back
from core.session_files.mending.recovery import recover
from core.session_files.mending.set_aside import hold_session_lease, move_back
from core.session_files.model import EntryKind, SessionFamily, Usage
from core.state import Change, ChangeStatus, RunHistory, StateFolder


class UndoResult(NamedTuple):
    """What became of one change."""

    change: Change
    undone: bool
    detail: str
    hint: str | None = None


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
        if change.set_aside is not None:
            moved = move_back(change.set_aside, os.path.realpath(change.path))
            return "sidecars moved back" if moved else "nothing had been moved"
        if change.copy is None:
            assert change.mode_before is not None
            set_mode(os.path.realpath(change.path), None, change.mode_before)
            return f"mode {change.mode_before:04o} again"
        return self._restore(change, change.copy)

    def _restore(self, change: Change, copy: str) -> str:
        if not os.path.isdir(copy):
            raise UndoRefused("its copy is gone (only the newest are kept)", path=change.path)
        now = inspect_again(change.path, file_system=file_system_of(os.path.dirname(change.path)))
        if now.family.kind is not EntryKind.SESSION:
            raise UndoRefused("the session file is not there any more", path=change.path)
        if now.occupancy.usage is not Usage.FREE:
            raise SessionFileBusy(f"{now.occupancy.usage.value}: {now.occupancy.reason}", path=change.path)
        if holds_the_bytes_of(now.family, copy):
            if change.mode_before is not None:
                set_mode(now.family.target, now.family.main, change.mode_before)
            return "its bytes are those of before"
        kept = self._copies.write(now.family, self._run_id)
        self._copies.settle()
        with self._mended_again(now.family, copy) as mended, hold_session_lease(now.family):
            put_back(now.family, copy, mode=change.mode_before, mended=mended)
        return f"bytes of before are back; those of now are in {kept}"

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
