"""What a run of `files`, or of one of its verbs, tells at its end: table, closing line, JSON, log lines."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from core.commands import exit_codes
from core.commands.output import Output
from core.commands.sessions_text import folder_lines, plural
from core.errors import GavatError
from core.session_files.model import Outcome
from core.session_files.verdicts import FolderReport
from utils.redact import printable


class Words(NamedTuple):
    """How a chore is spoken of."""

    verb: str = "mend"
    done: str = "Mended"
    nothing: str = "Nothing to mend among {sessions}."
    """`{sessions}`: how many were looked at."""
    stuck: str = "Nothing that could be mended."
    """Said where something is wrong and this chore cannot help."""


class Ending(NamedTuple):
    """A run at its end, and what it is to tell."""

    reports: Sequence[FolderReport]
    problems: Sequence[GavatError]
    run_id: str | None
    """None for a dry run."""
    code: int
    now: datetime
    seconds: float
    copies_folder: str
    words: Words
    said: Sequence[str] = ()
    """Lines of the chore's own, before the closing one."""

    @property
    def has_work(self) -> bool:
        """Whether anything is to be done, or should be."""
        return has_work(self.reports)


def tell(ending: Ending, output: Output, *, quiet: bool, verbose: bool) -> None:
    """Write the JSON document, or the tables and one line on stderr for each problem."""
    if output.json:
        from core.commands.documents import files_document

        output.document(
            files_document(
                ending.reports,
                run_id=ending.run_id,
                exit_code=ending.code,
                problems=ending.problems,
                seconds=ending.seconds,
            )
        )
        return
    well = ending.code == exit_codes.DONE and not (ending.run_id is None and ending.has_work)
    if ending.reports and not (quiet and well):
        lines: list[str] = []
        for report in ending.reports:
            lines += [*folder_lines(report, output, now=ending.now, verbose=verbose), ""]
        output.lines([*lines, *ending.said, _closing_line(ending)])
    for problem in ending.problems:
        output.error(problem)


def log(ending: Ending, style: str) -> None:
    """One log line for each change, each session that needs a person, and each problem; `style`: `text` or `json`."""
    from core.commands.logs import RunLog

    assert ending.run_id is not None
    run_log = RunLog(ending.run_id, style)
    for report in ending.reports:
        for entry in report.plan.entries:
            result = report.result(entry)
            if result is not None:
                run_log.result(result)
            elif entry.needs_mending:
                run_log.left(entry)
        if report.folder_tightened:
            run_log.tightened(report.plan)
    for problem in ending.problems:
        run_log.problem(problem)


def has_work(reports: Sequence[FolderReport]) -> bool:
    """Whether anything in these folders is to be done, or should be."""
    return any(
        report.plan.tighten_folder or any(entry.actions or entry.needs_mending for entry in report.plan.entries)
        for report in reports
    )


def has_changed(report: FolderReport) -> bool:
    """Whether the run changed something in this folder, or copied and tried: then there is something to take back."""
    return report.folder_tightened or any(
        result.outcome is Outcome.DONE or result.copy is not None for result in report.results.values()
    )


def _closing_line(ending: Ending) -> str:
    reports, words = ending.reports, ending.words
    total = sum(len(report.plan.entries) for report in reports)
    planned = sum(bool(entry.actions) for report in reports for entry in report.plan.entries)
    tightened = any(report.plan.tighten_folder for report in reports)
    if not planned and not tightened:
        return _nothing(ending, total)
    if ending.run_id is None:
        folders = " and a folder's mode" if tightened else ""
        would = f"Would {words.verb} {planned:,} of {total:,}{folders}."
        return f"{would} Nothing was changed; run without -n to do it, undo takes it back."
    from core.commands.pastable import command_line

    results = [result for report in reports for result in report.results.values()]
    done = sum(result.outcome is Outcome.DONE for result in results)
    copied = sum(result.copy is not None for result in results)
    copies = "1 copy" if copied == 1 else f"{copied:,} copies"
    kept = f"; {copies} of before in {printable(ending.copies_folder)}" if copied else ""
    line = f"{words.done} {done:,} of {total:,} in {ending.seconds:.2f} s{kept}."
    if not any(map(has_changed, reports)):
        return line
    return f"{line}\nTake it back: {command_line('cleanup_sessions.py', 'undo', ending.run_id)}"


def _nothing(ending: Ending, total: int) -> str:
    if any(entry.needs_mending for report in ending.reports for entry in report.plan.entries):
        return ending.words.stuck
    return ending.words.nothing.format(sessions=plural(total, "session"))
