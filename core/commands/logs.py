"""What a run changed or could not mend as log lines on stderr, for journald and whatever ships logs from there.

Off unless `GAVAT_LOG_FORMAT` is `text` or `json`: on a terminal and in cron's mail the report says it already. The
lines come on top of the report, so a unit sets the variable together with `-q` or sends stdout away.
"""

from __future__ import annotations

import logging
import os
import sys

from core.commands.log_lines import line_formatter
from core.errors import GavatError
from core.session_files.model import EntryResult, FolderPlan, Outcome, PlanEntry

_LOGGER = "gavatcore.files"
_LEVELS = {Outcome.DONE: logging.INFO, Outcome.LEFT_ALONE: logging.INFO, Outcome.FAILED: logging.ERROR}


class RunLog:
    """The log of one run; each line carries run id, path and code."""

    def __init__(self, run_id: str, style: str) -> None:
        """`style`: `text` or `json`."""
        self._run_id = run_id
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(line_formatter(style))
        self._logger = logging.getLogger(_LOGGER)
        self._logger.handlers = [handler]
        self._logger.setLevel(logging.INFO)
        self._logger.propagate = False

    def result(self, result: EntryResult) -> None:
        """One session that was worked on: INFO when it was mended or left alone, ERROR when that failed."""
        from core.commands.sessions_text import done_text

        code = result.code or ",".join(note.code for note in result.entry.notes)
        message = result.detail or done_text(result)
        self._write(_LEVELS[result.outcome], result.entry.seen.family.path, code, f"{result.outcome.value}: {message}")

    def left(self, entry: PlanEntry) -> None:
        """One session that needs mending and was not worked on: it needs a person."""
        code = ",".join(note.code for note in entry.notes)
        detail = "; ".join(note.detail for note in entry.notes)
        self._write(logging.ERROR, entry.seen.family.path, code, f"{entry.verdict.value}: {detail}")

    def tightened(self, plan: FolderPlan) -> None:
        """A folder that was made private."""
        code = ",".join(note.code for note in plan.notes)
        self._write(logging.INFO, plan.folder.path, code, f"{Outcome.DONE.value}: set 0700, was {plan.folder.mode:04o}")

    def problem(self, problem: GavatError) -> None:
        """A folder or a file of state that could not be used."""
        self._write(logging.ERROR, problem.path or "", "", str(problem))

    def _write(self, level: int, path: str, code: str, message: str) -> None:
        about = {"run_id": self._run_id, "path": os.path.abspath(path) if path else "", "code": code}
        self._logger.log(level, "%s", message, extra=about)
