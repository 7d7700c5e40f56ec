"""`cleanup_sessions.py undo RUN-ID`: its arguments; the work is in `core.session_files.mending.undo`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from core.commands import exit_codes
from core.commands.output import Output
from core.errors import ConfigError

if TYPE_CHECKING:
    from core.session_files.mending.undo import UndoResult

SUMMARY = "Give back the bytes and modes that a run found; a session that was used since is left as it is."
EXAMPLES = """\
  cleanup_sessions.py undo                         list the last runs
  cleanup_sessions.py undo 20261121-084126-3f2a    take that run back

exit codes: 0 all taken back · 3 something could not be taken back (each named) · 2 no such run"""
_LISTED = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "run_id", nargs="?", metavar="RUN-ID", help="as the run printed it; without it, list the last runs"
    )


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Take one run back and say what became of each change."""
    from core.commands.wiring import wire
    from core.state import RunHistory

    state = wire().state
    if arguments.run_id is None:
        history = RunHistory.read(state)
        if history is None:
            raise ConfigError("there is no history of runs", path=state.path, hint="set GAVAT_STATE as the run had it")
        with history:
            runs = history.last_runs(_LISTED)
        if output.json:
            output.document({"schema": {"name": "gavat.runs", "version": 1}, "runs": [one._asdict() for one in runs]})
        else:
            output.lines([f"{one.run_id}  {one.command:<6} {one.outcome or 'did not finish'}" for one in runs])
        return exit_codes.DONE
    return _undo(arguments.run_id, output)


def _undo(run_id: str, output: Output) -> int:
    from core.commands.wiring import wire
    from core.session_files.looking.probe import leases_without_signal
    from core.session_files.mending.undo import Undoer
    from core.state import RunHistory, new_run_id, run_lock
    from utils.clock import utc_now

    state = wire().state
    state.make()
    with leases_without_signal(), run_lock(state), RunHistory.open(state) as history:
        if history.run(run_id) is None:
            raise ConfigError(
                f"no run {run_id!r} in the history", path=state.runs, hint="undo alone lists the last runs"
            )
        own_id = new_run_id(utc_now())
        history.begin(own_id, "undo", utc_now())
        undoer = Undoer(state, history, own_id)
        results = [undoer.undo(change) for change in reversed(history.changes_of(run_id))]
        refused = [one for one in results if not one.undone]
        code = exit_codes.NEEDS_ATTENTION if refused else exit_codes.DONE
        history.end(own_id, f"exit {code}", utc_now())
    if output.json:
        output.document(_document(results, own_id, run_id, code))
    else:
        output.lines(_text(results, run_id))
    return code


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


def _text(results: list[UndoResult], run_id: str) -> list[str]:
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
    if not results:
        return [f"Run {run_id} changed nothing."]
    undone = sum(one.undone and one.change.status is not ChangeStatus.UNDONE for one in results)
    return [*lines, f"Took back {undone} of {len(results)} changes of run {run_id}."]
