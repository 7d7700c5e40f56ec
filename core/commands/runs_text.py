"""Runs of the past as lines for people."""

from __future__ import annotations

from datetime import datetime

from core.commands.sessions_text import plural
from core.state import RunRecord

_LONGEST_FOLDERS = 40


def run_line(run: RunRecord, *, at_work: int | None) -> str:
    """`20261121-084126-3f2a  2026-11-21 08:41  files sessions/  3 changes  exit 0`; `at_work`: `pid_at_work()`."""
    began = datetime.fromisoformat(run.started_at).astimezone()
    folders = run.folders if len(run.folders) <= _LONGEST_FOLDERS else f"{run.folders[: _LONGEST_FOLDERS - 1]}…"
    what = f"{run.command} {folders}".strip()
    return f"{run.run_id}  {began:%Y-%m-%d %H:%M}  {what}  {plural(run.changes, 'change')}  {_ended(run, at_work)}"


def _ended(run: RunRecord, at_work: int | None) -> str:
    if run.outcome is not None:
        return run.outcome
    return "at work" if run.pid == at_work else "did not finish; run it again"
