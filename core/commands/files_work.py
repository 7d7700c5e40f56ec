"""The work of `cleanup_sessions.py files`: inspect → plan → apply → report."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from core.commands import exit_codes
from core.commands.output import Output
from core.commands.sessions_text import folder_lines, plural, user_name
from core.commands.wiring import interruption, session_folders, wire
from core.errors import ConfigError, FolderReadOnly, GavatError, SessionFileError, StateError
from core.session_files.looking.inspect import Depth, inspect_again, inspect_folder
from core.session_files.looking.probe import leases_without_signal
from core.session_files.model import EntryResult, FolderPlan, Outcome, PlanEntry
from core.session_files.plan import plan_file, plan_folder
from core.session_files.verdicts import FolderReport, still_needs
from core.settings import parse_duration
from utils.clock import utc_now
from utils.redact import printable

if TYPE_CHECKING:
    from core.session_files.mending.apply import Applier
    from core.state import RunHistory


class FilesWork:
    """One call of the command."""

    def __init__(self, arguments: argparse.Namespace, output: Output) -> None:
        wiring = wire({"min_age": _parsed_age(arguments.min_age)})
        self._wiring = wiring
        self._arguments = arguments
        self._output = output
        self._depth = Depth.INSIDE if arguments.deep else Depth.OUTSIDE
        self._began = time.monotonic()
        self._now = utc_now()
        self._folders, problems = session_folders(wiring, arguments.folders, recursive=arguments.recursive)
        self._problems: list[GavatError] = [*problems]

    def look(self) -> int:
        """The dry run: inspect, plan, report; returns the exit code."""
        with leases_without_signal():
            reports = [FolderReport(plan, {}) for plan in self._plans()]
        found = any(report.plan.tighten_folder or any(e.actions for e in report.plan.entries) for report in reports)
        code = exit_codes.DONE
        if self._arguments.exit_code:
            code = exit_codes.FOUND_WORK if found else self._exit_code(reports)
        if self._problems:
            code = exit_codes.USAGE
        self._tell(reports, None, code)
        return code

    def mend(self) -> int:
        """The real run, recorded in the history; returns the exit code."""
        if not self._folders:
            return self._tell_problems()
        from core.session_files.mending.apply import Applier
        from core.state import RunHistory, new_run_id, run_lock

        state = self._wiring.state
        state.make()
        with (
            leases_without_signal(),
            run_lock(state),
            RunHistory.open(state) as history,
            interruption() as interrupted,
        ):
            run_id = new_run_id(self._now)
            history.begin(run_id, "files", self._now, folders=" ".join(map(printable, self._folders)))
            applier = Applier(state, history, run_id, self._wiring.files.copies_kept)
            reports = [self._apply(applier, plan, interrupted) for plan in self._plans()]
            code = exit_codes.INTERRUPTED if interrupted else self._exit_code(reports)
            self._end(history, run_id, "interrupted" if interrupted else f"exit {code}")
        self._log(reports, run_id)
        self._tell(reports, run_id, code)
        if interrupted:
            raise KeyboardInterrupt
        return code

    def _end(self, history: RunHistory, run_id: str, outcome: str) -> None:
        try:
            history.end(run_id, outcome, utc_now())
        except StateError as error:
            if not self._state_failed:
                self._problems.append(error)

    def _tell_problems(self) -> int:
        self._tell([], None, exit_codes.USAGE)
        return exit_codes.USAGE

    def _plans(self) -> list[FolderPlan]:
        plans = []
        for folder in self._folders:
            shown = printable(folder)
            try:
                seen = inspect_folder(
                    folder,
                    depth=self._depth,
                    on_file=self._progress_of(shown) if self._output.shows_progress else None,
                )
            except OSError as error:
                hint = "run as the user who owns it, or as root"
                self._problems.append(ConfigError(f"cannot be read ({error.strerror})", path=folder, hint=hint))
                continue
            plans.append(plan_folder(seen.folder, seen.files, now=self._now, min_age=self._wiring.files.min_age))
        return plans

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

    def _progress_of(self, folder: str) -> Callable[[int], None]:
        return lambda count: self._output.progress(f"{folder}: looked at {count}")

    def _apply(self, applier: Applier, plan: FolderPlan, interrupted: list[int]) -> FolderReport:
        why_not = self._why_not_changed(plan)
        if why_not is not None and _has_work([FolderReport(plan, {})]):
            self._problems.append(why_not)
        if why_not is not None or interrupted or self._state_failed:
            return FolderReport(plan, {})
        results: dict[str, EntryResult] = {}
        tightened = False
        try:
            for result in applier.apply(plan, stop=lambda: bool(interrupted)):
                results[result.entry.seen.family.path] = result
                self._output.progress(f"{printable(plan.folder.path)}: mended {len(results)}")
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
        minimum = self._wiring.files.min_age
        return plan_file(seen, now=self._now, min_age=minimum, folder_owner=plan.folder.uid)

    def _exit_code(self, reports: Sequence[FolderReport]) -> int:
        if self._state_failed:
            return exit_codes.FAILED
        if any(isinstance(problem, ConfigError) for problem in self._problems):
            return exit_codes.USAGE
        needing = any(still_needs(entry, report.result(entry)) for report in reports for entry in report.plan.entries)
        return exit_codes.NEEDS_ATTENTION if needing else exit_codes.DONE

    def _log(self, reports: Sequence[FolderReport], run_id: str) -> None:
        if not self._wiring.log.format:
            return
        from core.commands.logs import RunLog

        log = RunLog(run_id, self._wiring.log.format)
        for report in reports:
            for entry in report.plan.entries:
                result = report.result(entry)
                if result is not None:
                    log.result(result)
                elif entry.needs_mending:
                    log.left(entry)
        for problem in self._problems:
            log.problem(problem)

    def _tell(self, reports: Sequence[FolderReport], run_id: str | None, code: int) -> None:
        seconds = time.monotonic() - self._began
        if self._output.json:
            from core.commands.documents import files_document

            document = files_document(reports, run_id=run_id, exit_code=code, problems=self._problems, seconds=seconds)
            self._output.document(document)
            return
        self._output.lines(self._text(reports, run_id, code, seconds))
        for problem in self._problems:
            self._output.error(problem)

    def _text(self, reports: Sequence[FolderReport], run_id: str | None, code: int, seconds: float) -> list[str]:
        if self._arguments.quiet and code == exit_codes.DONE and not (run_id is None and _has_work(reports)):
            return []
        lines: list[str] = []
        for report in reports:
            lines += folder_lines(report, self._output, now=self._now, verbose=self._arguments.verbose)
            lines.append("")
        if not reports:
            return []
        deep, copies = self._depth is Depth.INSIDE, self._wiring.state.copies
        return [*lines, _closing_line(reports, run_id, seconds, copies, looked_inside=deep)]


def _has_work(reports: Sequence[FolderReport]) -> bool:
    return any(
        report.plan.tighten_folder or any(entry.actions or entry.needs_mending for entry in report.plan.entries)
        for report in reports
    )


def _closing_line(
    reports: Sequence[FolderReport], run_id: str | None, seconds: float, copies_folder: str, *, looked_inside: bool
) -> str:
    total = sum(len(report.plan.entries) for report in reports)
    planned = sum(bool(entry.actions) for report in reports for entry in report.plan.entries)
    if not planned and not any(report.plan.tighten_folder for report in reports):
        hint = "" if looked_inside else " --deep looks inside as well."
        needing = any(entry.needs_mending for report in reports for entry in report.plan.entries)
        return (
            "Nothing that could be mended." if needing else f"Nothing to mend among {plural(total, 'session')}.{hint}"
        )
    if run_id is None:
        folders = " and a folder's mode" if any(report.plan.tighten_folder for report in reports) else ""
        would = f"Would mend {planned:,} of {total:,}{folders}."
        return f"{would} Nothing was changed; run without -n to do it, undo takes it back."
    from core.commands.pastable import command_line

    results = [result for report in reports for result in report.results.values()]
    done = sum(result.outcome is Outcome.DONE for result in results)
    copied = sum(result.copy is not None for result in results)
    copies = "1 copy" if copied == 1 else f"{copied} copies"
    kept = f"; {copies} of before in {printable(copies_folder)}" if copied else ""
    undo = command_line("cleanup_sessions.py", "undo", run_id)
    return f"Mended {done:,} of {total:,} in {seconds:.2f} s{kept}.\nTake it back: {undo}"


def _parsed_age(text: str | None) -> timedelta | None:
    try:
        return None if text is None else parse_duration(text)
    except ValueError as error:
        raise ConfigError(f"argument --min-age: {error}") from None
