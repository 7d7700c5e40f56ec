"""`monitor_system.py report`: the state of all sessions, lock files, copies and runs."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from core.commands import exit_codes
from core.commands.output import Output

if TYPE_CHECKING:
    from datetime import datetime

    from core.errors import GavatError
    from core.monitoring import FleetView

SUMMARY = "Show the state of all sessions, lock files, copies and runs."
EXAMPLES = """\
  monitor_system.py                    report on sessions/
  monitor_system.py report bots/ -v    list every session
  monitor_system.py --json | jq .summary

exit codes: 0 shown · 2 a folder could not be looked at"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("folders", nargs="*", metavar="DIR", help="folder of *.session files (default: sessions/)")
    parser.add_argument("--deep", action="store_true", help="look inside every session that nobody has open")
    parser.add_argument("--recursive", action="store_true", help="sub-folders too")
    parser.add_argument("-v", "--verbose", action="store_true", help="list every session")


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Collect and show."""
    from core.commands.documents import report_document
    from core.commands.wiring import session_folders, wire
    from core.monitoring import collect_fleet
    from core.session_files.looking.inspect import Depth
    from core.session_files.looking.probe import leases_without_signal
    from core.session_files.verdicts import FolderReport
    from utils.clock import utc_now

    wiring = wire()
    now = utc_now()
    folders, wrong = session_folders(wiring, arguments.folders, recursive=arguments.recursive)
    depth = Depth.INSIDE if arguments.deep else Depth.OUTSIDE
    with leases_without_signal():
        view = collect_fleet(folders, wiring.state, depth=depth, now=now)
    reports = [FolderReport(plan, {}) for plan in view.plans]
    problems: list[GavatError] = [*wrong, *view.problems]
    if output.json:
        output.document(report_document(reports, view, now=now, problems=problems))
    else:
        output.lines(_text(view, output, now, wiring.state.copies, verbose=arguments.verbose))
        for problem in problems:
            output.error(problem)
    return exit_codes.USAGE if problems else exit_codes.DONE


def _text(view: FleetView, output: Output, now: datetime, copies_folder: str, *, verbose: bool) -> list[str]:
    from core.commands.sessions_text import folder_lines, plural, size_text
    from core.session_files.model import Usage
    from core.session_files.verdicts import FolderReport
    from utils.redact import printable

    lines: list[str] = []
    for plan in view.plans:
        lines += [*folder_lines(FolderReport(plan, {}), output, now=now, verbose=verbose), ""]
    entries = [entry for plan in view.plans for entry in plan.entries]
    locks = [entry for entry in entries if entry.seen.family.lock is not None]
    held = sum(entry.seen.occupancy.usage is Usage.IN_USE for entry in locks)
    lines.append(f"lock files  {len(locks)}, {held} held; they stay when a bot ends, only a held one means something")
    copies = view.copies
    if copies.copies:
        number = "1 copy" if copies.copies == 1 else f"{copies.copies:,} copies"
        what = f"{number} of {plural(copies.sessions, 'session')}, {size_text(copies.bytes)}"
        lines.append(f"copies      {what}, in {printable(copies_folder)}; each is a login, never run one")
    else:
        lines.append("copies      none")
    for index, run_record in enumerate(view.runs):
        label = "last runs" if index == 0 else ""
        outcome = run_record.outcome or "did not finish"
        lines.append(f"{label:<10}  {run_record.run_id}  {run_record.command}  {outcome}")
    if not view.runs:
        lines.append("last runs   none yet")
    if any(entry.actions for entry in entries):
        lines += ["", "To mend what is marked so: cleanup_sessions.py (with -n first, it shows what it would do)"]
    return lines
