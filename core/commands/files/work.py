"""The work of `cleanup_sessions.py files` and of its verbs: inspect → plan → apply → report."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from core.commands import exit_codes
from core.commands.files.reporting import Ending, Words, has_changed, has_work, log, tell
from core.commands.output import Output
from core.commands.wiring import UNTOUCHED, WHOLE, Target, Wiring, interruption, session_folders
from core.errors import ConfigError, FolderReadOnly, GavatError, RunUnfinished, SessionFileError, StateError
from core.session_files.looking.inspect import Depth, FolderInspection, inspect_again, inspect_folder
from core.session_files.model import EntryResult, FileInspection, FolderPlan, FolderStat, Outcome, PlanEntry
from core.session_files.plan import plan_file, plan_folder, plan_quarantine
from core.session_files.verdicts import FolderReport, still_needs
from core.settings import parse_duration
from utils.clock import utc_now
from utils.redact import printable
from utils.users import user_name

if TYPE_CHECKING:
    from core.session_files.mending.act import Act
    from core.session_files.mending.apply import Applier
    from core.state import RunHistory


class FilesWork:
    """One call of the command that mends; the verbs derive from it and plan or act otherwise."""

    command = "files"

    def __init__(self, arguments: argparse.Namespace, output: Output, wiring: Wiring) -> None:
        self._wiring = wiring
        self._arguments = arguments
        self._output = output
        self._began = time.monotonic()
        self._now = utc_now()
        self._targets, problems = self._find_targets()
        self._problems: list[GavatError] = [*problems]

    def run(self) -> int:
        """Do it, or with `-n` only show it; returns the exit code."""
        return self._look() if self._arguments.dry_run else self._work()

    def _look(self) -> int:
        reports = [FolderReport(plan, {}) for plan in self._plans()]
        found = any(report.plan.tighten_folder or any(e.actions for e in report.plan.entries) for report in reports)
        code = exit_codes.DONE
        if self._arguments.exit_code:
            code = exit_codes.FOUND_WORK if found else self._exit_code(reports)
        if self._problems:
            code = exit_codes.USAGE
        self._tell(reports, None, code)
        return code

    def _work(self) -> int:
        if not self._targets:
            self._tell([], None, exit_codes.USAGE)
            return exit_codes.USAGE
        from core.session_files.mending.apply import Applier
        from core.state import RunHistory, run_lock

        state = self._wiring.state
        state.make()
        with (
            run_lock(state),
            RunHistory.open(state) as history,
            interruption() as interrupted,
        ):
            run_id = self._begin(history)
            self._name_unfinished(history)
            applier = Applier(state, history, run_id, self._wiring.files.copies_kept, self._act())
            reports = [self._apply(applier, plan, interrupted) for plan in self._plans()]
            said = [] if interrupted else self._finish(reports, run_id)
            code = exit_codes.INTERRUPTED if interrupted else self._exit_code(reports)
            self._end(history, run_id, "interrupted" if interrupted else f"exit {code}")
        self._tell(reports, run_id, code, said)
        if interrupted:
            raise KeyboardInterrupt(WHOLE if any(map(has_changed, reports)) else UNTOUCHED)
        return code

    @property
    def _words(self) -> Words:
        hint = "" if self._arguments.deep else " --deep looks inside as well."
        return Words(nothing=f"Nothing to mend among {{sessions}}.{hint}")

    def _find_targets(self) -> tuple[list[Target], list[ConfigError]]:
        return session_folders(self._wiring, self._arguments.folders, recursive=self._arguments.recursive)

    def _inspect(self, target: Target) -> FolderInspection:
        depth = Depth.INSIDE if self._arguments.deep else Depth.OUTSIDE
        return inspect_folder(target.folder, depth=depth, only=target.only, on_file=self._progress_of(target))

    def _plan_folder(self, seen: FolderInspection) -> FolderPlan:
        plan = plan_folder(seen.folder, seen.files, now=self._now, min_age=self._wiring.files.min_age)
        if not self._quarantines:
            return plan
        return plan._replace(entries=tuple(map(plan_quarantine, plan.entries)))

    def _plan_file(self, seen: FileInspection, folder: FolderStat) -> PlanEntry:
        entry = plan_file(seen, now=self._now, min_age=self._wiring.files.min_age, folder_owner=folder.uid)
        return plan_quarantine(entry) if self._quarantines else entry

    @property
    def _quarantines(self) -> bool:
        return bool(self._arguments.quarantine)

    def _act(self) -> Act:
        from core.session_files.mending.act import mend_family

        return mend_family

    def _begin(self, history: RunHistory) -> str:
        """Note that the run has begun and return its name."""
        from core.state import new_run_id

        run_id = new_run_id(self._now)
        history.begin(run_id, self.command, self._now, folders=self._folders_text)
        return run_id

    @property
    def _folders_text(self) -> str:
        return " ".join(printable(target.folder) for target in self._targets)

    def _name_unfinished(self, history: RunHistory) -> None:
        """Sessions of which a killed run moved a part: SQLite must not open them before they are whole again."""
        from core.commands.pastable import command_line
        from core.session_files.undoing.replaced import is_half_done
        from core.session_files.undoing.unpacked import is_half_unpacked

        folders = {os.path.realpath(target.folder) for target in self._targets}
        for change in history.begun():
            if os.path.realpath(os.path.dirname(change.path)) not in folders:
                continue
            undo = command_line("cleanup_sessions.py", "undo", change.run_id)
            if is_half_done(change):
                message, hint = f"run {change.run_id} was killed while it moved this session", "bring it back first"
            elif is_half_unpacked(change):
                message, hint = f"run {change.run_id} was killed while it unpacked this session", "take it back first"
            else:
                continue
            self._problems.append(RunUnfinished(message, path=change.path, hint=f"{hint}: {undo}"))

    def _finish(self, _reports: Sequence[FolderReport], _run_id: str) -> list[str]:
        """What a chore does when all its sessions are done; returns lines to be said."""
        return []

    def _plans(self) -> list[FolderPlan]:
        plans = []
        for target in self._targets:
            try:
                seen = self._inspect(target)
            except OSError as error:
                hint = "run as the user who owns it, or as root"
                self._problems.append(ConfigError(f"cannot be read ({error.strerror})", path=target.folder, hint=hint))
                continue
            plans.append(self._plan_folder(seen))
        return plans

    def _end(self, history: RunHistory, run_id: str, outcome: str) -> None:
        try:
            history.end(run_id, outcome, utc_now())
        except StateError as error:
            if not self._state_failed:
                self._problems.append(error)

    def _why_not_changed(self, plan: FolderPlan) -> FolderReadOnly | None:
        """Why nothing may be changed in a folder.

        Root does not work in a folder of another user, who could swap names under its hands.
        """
        folder = plan.folder
        from core.commands.pastable import as_user

        message, hint = "", None
        if os.geteuid() == 0 and folder.uid != 0:
            message = "belongs to another user: nothing was changed"
            hint = f"run as that user: {as_user(user_name(folder.uid))} (-n and reports work as root)"
        elif os.geteuid() == 0 and folder.mode & 0o002:
            message = "everybody may write this folder: nothing was changed"
            hint = "move the sessions to a folder of their own"
        elif not os.access(folder.path, os.W_OK | os.X_OK):
            message = "this user may not write in the folder: nothing was changed"
            hint = f"run as its owner: {as_user(user_name(folder.uid))}, or see whether the disk is read-only"
        return FolderReadOnly(message, path=folder.path, hint=hint) if message else None

    def _progress_of(self, target: Target) -> Callable[[int, int], None] | None:
        if not self._output.shows_progress:
            return None
        folder = printable(target.folder)
        return lambda done, total: self._output.progress(f"{folder}: looked at {done:,} of {total:,}")

    def _apply(self, applier: Applier, plan: FolderPlan, interrupted: list[int]) -> FolderReport:
        why_not = self._why_not_changed(plan)
        if why_not is not None and has_work([FolderReport(plan, {})]):
            self._problems.append(why_not)
        if why_not is not None or interrupted or self._state_failed:
            return FolderReport(plan, {})
        results: dict[str, EntryResult] = {}
        total = sum(bool(entry.actions) for entry in plan.entries)
        tightened = False
        try:
            for result in applier.apply(plan, stop=lambda: bool(interrupted)):
                results[result.entry.seen.family.path] = result
                self._output.progress(
                    f"{printable(plan.folder.path)}: {self._words.verb} {len(results):,} of {total:,}"
                )
            if not interrupted:
                plan = self._settle_unfinished(applier, plan, results)
                tightened = self._tighten(applier, plan)
        except StateError as error:  # what is not noted could not be undone, so nothing more is changed
            self._problems.append(error)
        return FolderReport(plan, results, tightened)

    def _tighten(self, applier: Applier, plan: FolderPlan) -> bool:
        if not plan.tighten_folder:
            return False
        try:
            applier.tighten_folder(plan)
        except SessionFileError as error:
            self._problems.append(error)
            return False
        return True

    @property
    def _state_failed(self) -> bool:
        return any(isinstance(problem, StateError) for problem in self._problems)

    def _settle_unfinished(self, applier: Applier, plan: FolderPlan, results: dict[str, EntryResult]) -> FolderPlan:
        """Look again at what was not done: a bot may have healed or taken it, or crashed anew, in the same moment.

        `results` loses what is no longer true and gains what a second try did; the returned plan shows the files as
        they are now.
        """
        unfinished = [result for result in results.values() if result.outcome is not Outcome.DONE]
        if not unfinished:
            return plan
        now = {result.entry.seen.family.path: self._plan_again(plan, result) for result in unfinished}
        for path, entry in now.items():
            if not entry.actions and results[path].copy is None:
                del results[path]
        left = {one.entry.seen.family.path for one in unfinished if one.outcome is Outcome.LEFT_ALONE}
        again = plan._replace(entries=tuple(entry for path, entry in now.items() if path in left))
        for result in applier.apply(again):
            results[result.entry.seen.family.path] = result
        return plan._replace(entries=tuple(now.get(entry.seen.family.path, entry) for entry in plan.entries))

    def _plan_again(self, plan: FolderPlan, result: EntryResult) -> PlanEntry:
        seen = inspect_again(result.entry.seen.family.path, file_system=plan.folder.file_system)
        return self._plan_file(seen, plan.folder)

    def _exit_code(self, reports: Sequence[FolderReport]) -> int:
        if self._state_failed:
            return exit_codes.FAILED
        if any(isinstance(problem, ConfigError) for problem in self._problems):
            return exit_codes.USAGE
        if any(isinstance(problem, RunUnfinished) for problem in self._problems):
            return exit_codes.NEEDS_ATTENTION
        needing = any(still_needs(entry, report.result(entry)) for report in reports for entry in report.plan.entries)
        return exit_codes.NEEDS_ATTENTION if needing else exit_codes.DONE

    def _tell(self, reports: Sequence[FolderReport], run_id: str | None, code: int, said: Sequence[str] = ()) -> None:
        ending = Ending(
            reports,
            self._problems,
            run_id,
            code,
            self._now,
            time.monotonic() - self._began,
            self._wiring.state.copies,
            self._words,
            said,
        )
        if run_id is not None and self._wiring.log.format:
            log(ending, self._wiring.log.format)
        tell(ending, self._output, quiet=self._arguments.quiet, verbose=self._arguments.verbose)


def parsed_age(text: str | None) -> timedelta | None:
    """The value of `--min-age`; raises ConfigError."""
    try:
        return None if text is None else parse_duration(text)
    except ValueError as error:
        raise ConfigError(f"argument --min-age: {error}") from None
