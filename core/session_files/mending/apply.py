"""Carrying out a plan: look again, copy the family, act through SQLite, verify, record.

Work goes in batches: all copies of a batch are on disk, and noted in the history, before the first of its sessions is
touched. Whatever goes wrong with one session leaves it as it is and the next one is done.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from typing import NamedTuple

from core.errors import GavatError, PlanOutdated, SessionFileBusy, SessionFileDamaged, SessionFileError, StateError
from core.session_files.looking.holders import own_open_files
from core.session_files.looking.probe import Prober
from core.session_files.mending.act import Act, folder_aside, mend_family
from core.session_files.mending.copies import (
    CopyStore,
    copy_members,
    is_unchanged,
    shelf_name,
)
from core.session_files.mending.permissions import PRIVATE_FOLDER, set_mode
from core.session_files.mending.recovery import recover
from core.session_files.model import (
    COPIES_KEPT,
    EntryResult,
    FolderPlan,
    HeaderKind,
    Outcome,
    PlanEntry,
    RepairAction,
    SessionFamily,
    Usage,
    Verdict,
)
from core.state import Change, ChangeStatus, RunHistory, StateFolder

BATCH = 256
_WORKERS = 4
_PLAYED_BACK = {RepairAction.ROLL_BACK, RepairAction.CHECKPOINT}
_BYTES_STAY = ((RepairAction.TIGHTEN_PERMISSIONS,), (RepairAction.QUARANTINE,), (RepairAction.MOVE,))
"""Actions that write to no file of the family: no copy is made first."""


class _Prepared(NamedTuple):
    """An entry that was looked at again and copied, or the result that ends it before."""

    entry: PlanEntry
    copy: str | None = None
    """Folder of the copy."""
    ended: EntryResult | None = None


class Applier:
    """Carries out plans of one run."""

    def __init__(
        self,
        state: StateFolder,
        history: RunHistory,
        run_id: str,
        copies_kept: int = COPIES_KEPT,
        act: Act = mend_family,
    ) -> None:
        self._copies = CopyStore(state.copies, keep=copies_kept)
        self._scratch = os.path.join(state.copies, ".scratch-" + run_id)
        self._history = history
        self._run_id = run_id
        self._carry_out = act
        self._number = len(history.changes_of(run_id))  # of a run that was killed, and goes on

    def apply(self, plan: FolderPlan, *, stop: Callable[[], bool] = lambda: False) -> Iterator[EntryResult]:
        """Do what the plan says and yield a result for each entry that has actions, in batches.

        `stop()` is asked before each batch; when true, the rest is left alone. Raises StateError when the history
        cannot be written: then nothing more may be changed.
        """
        todo = iter([entry for entry in plan.entries if entry.actions])
        prober = Prober(file_system=plan.folder.file_system, held_here=own_open_files())
        with ThreadPoolExecutor(_WORKERS) as pool:
            while batch := list(islice(todo, BATCH)):
                if stop():
                    return
                yield from self._apply_batch(batch, prober, pool)

    def tighten_folder(self, plan: FolderPlan) -> None:
        """Make the folder of a plan private; raises SessionFileError."""
        mode = set_mode(os.path.realpath(plan.folder.path), None, PRIVATE_FOLDER)
        codes = ",".join(note.code for note in plan.notes)
        change = self._change(plan.folder.path, codes, "set 0700", mode_before=mode)
        self._history.record([change._replace(status=ChangeStatus.DONE)])

    def _apply_batch(
        self, batch: Sequence[PlanEntry], prober: Prober, pool: ThreadPoolExecutor
    ) -> Iterator[EntryResult]:
        prepared = list(pool.map(lambda entry: self._prepare(entry, prober), batch))
        try:
            self._copies.settle()
        except GavatError as error:
            yield from (one.ended or _failed(one.entry, error) for one in prepared)
            return
        yield from (one.ended for one in prepared if one.ended is not None)
        going = [one for one in prepared if one.ended is None]
        changes = self._note_begin(going)
        results = list(pool.map(self._act, going))
        unnoted: StateError | None = None
        try:
            self._history.record(_finished(change, one) for change, one in zip(changes, results, strict=True))
        except StateError as error:
            unnoted = error  # that it was begun, and where the copy lies, is noted
        for result in results:
            if result.copy is not None:
                self._copies.finish(result.copy, verified=result.outcome is Outcome.DONE)
            yield result
        if unnoted is not None:
            raise unnoted

    def _note_begin(self, going: Sequence[_Prepared]) -> list[Change]:
        changes = [self._started(one) for one in going]
        try:
            self._history.record(changes)
        except StateError:
            for one in going:
                self._discard(one.copy)
            raise
        return changes

    def _discard(self, copy: str | None) -> None:
        if copy is not None:
            self._copies.discard(copy)

    def _prepare(self, entry: PlanEntry, prober: Prober) -> _Prepared:
        try:
            if prober.ask(entry.seen.family, read=0).occupancy.usage is not Usage.FREE:
                raise SessionFileBusy("in use since it was looked at", path=entry.seen.family.path)
            family = entry.seen.family
            _refuse_foreign_folder(family)
            if entry.actions in _BYTES_STAY or (family.main is None and not family.sidecars):
                return _Prepared(entry)
            if _needs_rehearsal(entry):
                self._rehearse(entry)
            return _Prepared(entry, self._copies.write(entry.seen.family, self._run_id))
        except GavatError as error:
            return _Prepared(entry, ended=_failed(entry, error))

    def _rehearse(self, entry: PlanEntry) -> None:
        """Try the recovery of a damaged family on a scratch copy; raises what the recovery raises."""
        family = entry.seen.family
        scratch = os.path.join(self._scratch, shelf_name(family))
        try:
            os.makedirs(scratch, mode=0o700)
            copy_members(family, scratch)
            recover(os.path.join(scratch, os.path.basename(family.target)), entry.seen.contents)
        except OSError as error:
            raise SessionFileDamaged(f"recovery could not be tried ({error.strerror})", path=family.path) from error
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
            with suppress(OSError):  # others may be trying theirs beside
                os.rmdir(self._scratch)

    def _started(self, one: _Prepared) -> Change:
        entry = one.entry
        main = entry.seen.family.main
        return self._change(
            entry.seen.family.path,
            ",".join(note.code for note in entry.notes),
            ", ".join(action.value for action in entry.actions),
            copy=one.copy,
            mode_before=main.mode if main else None,
            set_aside=folder_aside(entry, self._run_id),
        )

    def _change(
        self,
        path: str,
        codes: str,
        actions: str,
        *,
        copy: str | None = None,
        mode_before: int | None = None,
        set_aside: str | None = None,
    ) -> Change:
        self._number += 1
        return Change(
            run_id=self._run_id,
            number=self._number,
            path=os.path.abspath(path),
            codes=codes,
            actions=actions,
            copy=copy,
            mode_before=mode_before,
            set_aside=set_aside,
            status=ChangeStatus.STARTED,
            detail="",
        )

    def _act(self, one: _Prepared) -> EntryResult:
        entry, family = one.entry, one.entry.seen.family
        try:
            if not is_unchanged(family):
                raise PlanOutdated("it changed after it was copied", path=family.path)
            acted = self._carry_out(entry, self._run_id)
        except GavatError as error:
            return self._failed_midway(one, error)
        except OSError as error:
            return self._failed_midway(one, SessionFileError(f"{error.strerror}", path=family.path))
        return EntryResult(
            entry,
            Outcome.DONE,
            after=acted.after,
            copy=one.copy,
            set_aside=acted.set_aside,
            summary=acted.summary,
            left=acted.left,
        )

    def _failed_midway(self, one: _Prepared, error: GavatError) -> EntryResult:
        failed = _failed(one.entry, error)
        if is_unchanged(one.entry.seen.family):
            self._discard(one.copy)
            return failed
        return failed._replace(copy=one.copy)


def _refuse_foreign_folder(family: SessionFamily) -> None:
    """Root follows no link into the folder of another user, who could swap names under its hands."""
    if os.geteuid() == 0 and family.path != family.target:
        owner = os.stat(os.path.dirname(family.target)).st_uid
        if owner != 0:
            raise SessionFileError(
                "it is a link into a folder of another user", path=family.path, hint=f"run as that user: uid {owner}"
            )


def _needs_rehearsal(entry: PlanEntry) -> bool:
    damaged = entry.verdict is Verdict.DAMAGED and entry.seen.header.kind is not HeaderKind.EMPTY
    return damaged and bool(_PLAYED_BACK & set(entry.actions))


def _finished(change: Change, result: EntryResult) -> Change:
    done = result.outcome is Outcome.DONE
    return change._replace(
        status=ChangeStatus.DONE if done else ChangeStatus.FAILED,
        copy=result.copy,
        detail=result.detail,
        after=result.left,
    )


def _failed(entry: PlanEntry, error: GavatError) -> EntryResult:
    if isinstance(error, SessionFileBusy | PlanOutdated):
        return EntryResult(entry, Outcome.LEFT_ALONE, str(error), "GV142", error.hint)
    code = "GV120" if isinstance(error, SessionFileDamaged) else "GV150"
    return EntryResult(entry, Outcome.FAILED, str(error), code, error.hint)
