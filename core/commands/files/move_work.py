"""The chore of `files move`: all sessions or none, markers first, then the pack of what gave way."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.commands import exit_codes
from core.commands.files.move_continued import find_unpacked, settle
from core.commands.files.reporting import Words
from core.commands.files.upkeep_work import UpkeepWork
from core.commands.output import Output
from core.commands.pastable import command_line
from core.commands.wiring import Wiring
from core.errors import ConfigError, CopyFailed, GavatError, RunUnfinished, SessionFileError
from core.session_files.looking.listing import SUFFIX
from core.session_files.model import FileInspection, FolderPlan, FolderStat, Outcome, PlanEntry, Verdict
from core.session_files.moving.leave import leave_marker, plan_move
from core.session_files.moving.pack import PackUnusable, may_be_packed, write_pack
from core.session_files.verdicts import FolderReport
from utils.redact import printable
from utils.units import size_text

if TYPE_CHECKING:
    from core.session_files.mending.act import Act, Acted
    from core.state import RunHistory


class _NoneMoves(SessionFileError):
    """A session cannot be handed over now, so none is."""


class MoveWork(UpkeepWork):
    """Handing over."""

    command = "files move"

    def __init__(self, arguments: argparse.Namespace, output: Output, wiring: Wiring) -> None:
        super().__init__(arguments, output, wiring)
        _refuse_place(arguments.to)
        self._gone: list[str] = []
        """The sessions that gave way, where they lie now."""
        self._continued: str | None = None
        """The run that this one goes on with."""
        self._packed = False

    @property
    def _words(self) -> Words:
        nothing = "Nothing to move among {sessions}."
        if self._continued is not None:
            undo = command_line("cleanup_sessions.py", "undo", self._continued)
            nothing = f"Went on with run {self._continued}; all of {{sessions}} had given way. Take it back: {undo}"
        return Words("move", "Moved", nothing, "Nothing was moved.")

    def _look(self) -> int:
        _refuse_taken(self._arguments.to)
        return super()._look()

    def _begin(self, history: RunHistory) -> str:
        """Go on with a run that was not packed, if there is one to the same pack; a new one never follows on it."""
        found = find_unpacked(history, self.command, {os.path.realpath(target.folder) for target in self._targets})
        if found is not None and found.run.folders.endswith(self._to_text):
            self._gone = settle(found, history)
            self._continued = found.run.run_id
            history.resume(self._continued)
            return self._continued
        _refuse_taken(self._arguments.to)
        if found is not None:
            message = f"run {found.run.run_id} did not finish moving {found.run.folders}"
            undo = command_line("cleanup_sessions.py", "undo", found.run.run_id)
            hint = f"move to the same pack to go on with it, or bring its sessions back first: {undo}"
            self._problems.append(RunUnfinished(message, hint=hint))
        return super()._begin(history)

    @property
    def _folders_text(self) -> str:
        return super()._folders_text + self._to_text

    @property
    def _to_text(self) -> str:
        return f" --to {printable(os.path.abspath(self._arguments.to))}"

    def _plan_file(self, seen: FileInspection, folder: FolderStat) -> PlanEntry:
        return plan_move(super()._plan_file(seen, folder))

    def _plans(self) -> list[FolderPlan]:
        plans = super()._plans()
        entries = [entry for plan in plans for entry in plan.entries if entry.verdict is not Verdict.SKIPPED]
        problem = self._why_none_moves(entries)
        if problem is not None:
            self._problems.append(problem)
        elif not self._is_stuck:
            return plans
        return [plan._replace(entries=tuple(entry._replace(actions=()) for entry in plan.entries)) for plan in plans]

    def _why_none_moves(self, entries: Sequence[PlanEntry]) -> GavatError | None:
        names = [os.path.basename(path) for path in (*self._gone, *(entry.seen.family.target for entry in entries))]
        stuck = [entry for entry in entries if not entry.actions]
        if stuck:
            what = f"{len(stuck)} of {len(entries)} sessions cannot be moved now, so none is"
            return _NoneMoves(what, hint="stop their bots, mend them, or name the others")
        if not all(map(may_be_packed, names)):
            return ConfigError("a session whose name begins with a dot cannot be packed")
        if len(set(names)) < len(names):
            return ConfigError("two sessions have one name", hint="move their folders one by one")
        return None

    @property
    def _is_stuck(self) -> bool:
        return any(isinstance(problem, _NoneMoves | ConfigError | RunUnfinished) for problem in self._problems)

    def _act(self) -> Act:
        return self._leave_marker

    def _leave_marker(self, entry: PlanEntry, run_id: str) -> Acted:
        acted = leave_marker(entry, run_id)
        assert acted.set_aside is not None
        self._gone.append(os.path.join(acted.set_aside, os.path.basename(entry.seen.family.target)))
        return acted

    def _exit_code(self, reports: Sequence[FolderReport]) -> int:
        if any(isinstance(problem, CopyFailed | PackUnusable) for problem in self._problems):
            return exit_codes.FAILED
        left = any(one.outcome is not Outcome.DONE for report in reports for one in report.results.values())
        return exit_codes.NEEDS_ATTENTION if left else super()._exit_code(reports)

    def _finish(self, _reports: Sequence[FolderReport], run_id: str) -> list[str]:
        """Pack what gave way; where that fails, the same command tries again, and undo of the run puts it back."""
        if not self._gone or self._is_stuck:
            return []
        try:
            packed = write_pack(sorted(self._gone), self._arguments.to)
        except GavatError as error:
            again = f"the sessions gave way already: run the same again, or undo {run_id} puts them back"
            error.hint = f"{error.hint}; {again}" if error.hint else again
            self._problems.append(error)
            return []
        self._packed = True
        size = size_text(sum(one.bytes for one in packed))
        return [f"{printable(self._arguments.to)}: {len(packed):,} packed, {size}, read back whole. Each is a login."]

    def _end(self, history: RunHistory, run_id: str, outcome: str) -> None:
        """Leave the run open as long as what gave way is not packed: the next one goes on with it."""
        if self._packed or not self._gone:
            super()._end(history, run_id, outcome)


def _refuse_place(pack: str) -> None:
    """Refuse a name for the pack before any session gives way to a marker; raises ConfigError."""
    folder = os.path.dirname(os.path.abspath(pack))
    if not os.path.isdir(folder) or not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError("no file can be made in that folder", path=folder, hint="name a folder that you may write")
    if SUFFIX in os.path.basename(pack):
        raise ConfigError("a pack is no session: its name is taken for one", path=pack, hint="name it fleet.pack")


def _refuse_taken(pack: str) -> None:
    if os.path.lexists(pack):
        raise ConfigError("is there already", path=pack, hint="name a new file for the pack")
