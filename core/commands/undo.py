"""`cleanup_sessions.py undo RUN-ID`: its arguments; the work is in `core.session_files.undoing.undo`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from core.commands import exit_codes
from core.commands.output import Output
from core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.session_files.undoing.undo import UndoResult
    from core.state import StateFolder

SUMMARY = "Give back the bytes and modes that a run found; a session that was used since is left as it is."
EXAMPLES = """\
  cleanup_sessions.py undo                         list the last runs
  cleanup_sessions.py undo 20261121-084126-3f2a    take that run back

exit codes: 0 all taken back · 3 something could not be taken back (each named) · 2 no such run ·
11 another run is at work · 130 interrupted between two changes; run it again for the rest"""
_LISTED = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "run_id", nargs="?", metavar="RUN-ID", help="as the run printed it; without it, list the last runs"
    )


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Take one run back and say what became of each change; without a name, list the runs."""
    from core.commands.wiring import wire

    state = wire().state
    return _list(state, output) if arguments.run_id is None else _undo(arguments.run_id, state, output)


def _list(state: StateFolder, output: Output) -> int:
    from core.commands.runs_text import run_line
    from core.state import RunHistory, pid_at_work

    history = RunHistory.read(state)
    if history is None:
        raise ConfigError("there is no history of runs", path=state.path, hint="set GAVAT_STATE as the run had it")
    with history:
        runs = history.last_runs(_LISTED)
    if output.json:
        output.document({"schema": {"name": "gavat.runs", "version": 1}, "runs": [one._asdict() for one in runs]})
    else:
        at_work = pid_at_work(state)
        output.lines([run_line(one, at_work=at_work) for one in runs] or ["There is no run yet."])
    return exit_codes.DONE


def _undo(run_id: str, state: StateFolder, output: Output) -> int:
    from core.commands.wiring import UNTOUCHED, WHOLE, interruption
    from core.session_files.undoing.undo import Undoer
    from core.state import RunHistory, new_run_id, run_lock
    from utils.clock import utc_now

    state.make()
    with (
        run_lock(state),
        RunHistory.open(state) as history,
        interruption() as interrupted,
    ):
        if history.run(run_id) is None:
            raise ConfigError(
                f"no run {run_id!r} in the history", path=state.runs, hint="undo alone lists the last runs"
            )
        own_id = new_run_id(utc_now())
        history.begin(own_id, "undo", utc_now(), folders=run_id)
        undoer = Undoer(state, history, own_id)
        changes = history.changes_of(run_id)
        results = [undoer.undo(change) for change in reversed(changes) if not interrupted]
        code = exit_codes.INTERRUPTED if interrupted else _exit_code(results)
        history.end(own_id, "interrupted" if interrupted else f"exit {code}", utc_now())
    if output.json:
        output.document(_document(results, own_id, run_id, code))
    else:
        output.lines(_text(results, run_id, len(changes)))
    if interrupted:
        raise KeyboardInterrupt(WHOLE if results else UNTOUCHED)
    return code


def _exit_code(results: Sequence[UndoResult]) -> int:
    return exit_codes.DONE if all(one.undone for one in results) else exit_codes.NEEDS_ATTENTION


def _document(results: list[UndoResult], own_id: str, run_id: str, code: int) -> dict[str, object]:
    changes = [
        {"path": one.change.path, "undone": one.undone, "detail": one.detail, "hint": one.hint} for one in results
    ]
    return {
        "schema": {"name": "gavat.undo", "version": 1},
        "run_id": own_id,
        "undone_run": run_id,
        "changes": changes,
        "exit_code": code,
    }


def _text(results: list[UndoResult], run_id: str, total: int) -> list[str]:
    from core.commands.sessions_text import plural
    from core.state import ChangeStatus
    from utils.redact import printable

    lines = []
    for one in results:
        already = one.change.status is ChangeStatus.UNDONE
        word = "before" if already else "undone" if one.undone else "left"
        hint = f" · {one.hint}" if one.hint else ""
        lines.append(f"  {word:<6}  {printable(one.change.path)}  {printable(one.detail + hint)}")
    if lines:
        lines.append("")
    if not total:
        return [f"Run {run_id} changed nothing."]
    undone = sum(one.undone and one.change.status is not ChangeStatus.UNDONE for one in results)
    return [*lines, f"Took back {undone} of {plural(total, 'change')} of run {run_id}."]
