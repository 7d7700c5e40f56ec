"""`monitor_system.py report`: the state of all sessions, lock files, copies, runs, and what is around them."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from core.commands import exit_codes
from core.commands.output import Output
from core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from core.commands.surroundings import Surroundings
    from core.errors import GavatError
    from core.monitoring import CopiesView, FleetView, SetAsideView
    from core.monitoring.live import LiveView
    from core.state import StateFolder

SUMMARY = "Show the state of all sessions and running bots, of lock files, copies, runs, processes and log files."
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
    parser.add_argument(
        "--logs",
        action="append",
        default=[],
        metavar="DIR",
        help="folder of *.log files (default: logs/ and the current folder); may be given again",
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="list every session and bot")


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Collect and show."""
    from core.commands.documents import report_document
    from core.commands.gpt_text import gpt_block
    from core.commands.live_documents import gpt_document, live_document
    from core.commands.surroundings import surroundings_document, surroundings_text
    from core.commands.wiring import session_folders, wire
    from core.monitoring import collect_fleet, collect_live
    from core.monitoring.completions import add_up
    from core.session_files.looking.inspect import Depth
    from core.session_files.verdicts import FolderReport
    from utils.clock import utc_now

    wiring = wire()
    now = utc_now()
    targets, wrong = session_folders(wiring, arguments.folders, recursive=arguments.recursive)
    if arguments.folders and not targets and not output.json:
        for one in wrong:
            output.error(one)
        return exit_codes.USAGE
    folders = [target.folder for target in targets]
    depth = Depth.INSIDE if arguments.deep else Depth.OUTSIDE
    view = collect_fleet(folders, wiring.state, depth=depth, now=now)
    families = (entry.seen.family for plan in view.plans for entry in plan.entries)
    live = collect_live(families, wiring.state, wiring.redis.url, now=now)
    asked = add_up(live.statuses.processes, now=now)
    around = _look_around(view, arguments.logs)
    reports = [FolderReport(plan, {}) for plan in view.plans]
    problems: list[GavatError] = [*wrong, *view.problems]
    if output.json:
        more = {"live": live_document(live), "gpt": gpt_document(asked), **surroundings_document(around)}
        output.document(report_document(reports, view, more, now=now, problems=problems))
    else:
        lines = _sessions(view, output, now, verbose=arguments.verbose)
        lines += _bots(live, output, now, verbose=arguments.verbose)
        lines += _kept(view, output, wiring.state)
        lines += gpt_block(asked, live.statuses, output, verbose=arguments.verbose)
        lines += [line for name, value in surroundings_text(around, now) for line in _fact(name, value, output)]
        output.lines([*lines, *_next_step(view, arguments.folders or wiring.files.sessions, arguments.recursive)])
        for problem in problems:
            output.error(problem)
    return exit_codes.USAGE if problems else exit_codes.DONE


def _sessions(view: FleetView, output: Output, now: datetime, *, verbose: bool) -> list[str]:
    from core.commands.sessions_text import folder_lines
    from core.session_files.verdicts import FolderReport

    lines: list[str] = []
    for plan in view.plans:
        lines += [*folder_lines(FolderReport(plan, {}), output, now=now, verbose=verbose), ""]
    return lines


def _bots(live: LiveView, output: Output, now: datetime, *, verbose: bool) -> list[str]:
    from core.commands.live_text import bots_block

    return bots_block(live, output, now, verbose=verbose)


def _kept(view: FleetView, output: Output, state: StateFolder) -> list[str]:
    from core.session_files.model import Usage

    locks = [entry for plan in view.plans for entry in plan.entries if entry.seen.family.lock is not None]
    held = sum(entry.seen.occupancy.usage is Usage.IN_USE for entry in locks)
    found = sum(plan.folder.lock_files for plan in view.plans)
    facts = [
        ("lock files", f"{found}, {held} held; they stay when a bot ends, only a held one means something"),
        ("copies", _logins(view.copies, state.copies, "copy", "copies")),
        ("backups", _logins(view.backups, state.backups, "backup", "backups")),
        *_set_aside(view.set_aside),
    ]
    return [line for name, value in [*facts, *_runs(view)] for line in _fact(name, value, output)]


def _fact(name: str, value: str, output: Output) -> list[str]:
    first, *more = output.wrapped(value, indent=12)
    return [f"{name:<12}{first}", *more]


def _look_around(view: FleetView, named: Sequence[str]) -> Surroundings:
    """Processes and logs; raises ConfigError for a named folder of logs that is none."""
    from core.commands.surroundings import Surroundings
    from core.monitoring.log_files import look_at_logs
    from core.monitoring.processes import find_processes

    for folder in named:
        if not os.path.isdir(folder):
            raise ConfigError("there is no such folder of logs", path=folder)
    folders = tuple(named) or ("logs", ".")
    mains = (entry.seen.family.main for plan in view.plans for entry in plan.entries)
    sessions = {(main.device, main.inode) for main in mains if main is not None}
    return Surroundings(find_processes(view.plans), look_at_logs(folders, sessions=sessions), folders)


def _logins(copies: CopiesView, folder: str, one: str, many: str) -> str:
    from core.commands.sessions_text import plural
    from utils.redact import printable
    from utils.units import size_text

    if not copies.readable:
        return f"{printable(folder)} cannot be read by this user"
    if not copies.copies:
        return "none"
    number = f"1 {one}" if copies.copies == 1 else f"{copies.copies:,} {many}"
    what = f"{number} of {plural(copies.sessions, 'session')}, {size_text(copies.bytes)}"
    return f"{what}, in {printable(folder)}; each is a login, never run one"


def _set_aside(aside: SetAsideView) -> list[tuple[str, str]]:
    from core.commands.sessions_text import plural
    from utils.redact import printable

    told = []
    if aside.files:
        first, others = printable(aside.folders[0]), len(aside.folders) - 1
        where = f"{first} and {plural(others, 'other folder')}" if others else first
        told.append(f"{plural(aside.files, 'file')} of {plural(aside.sessions, 'session')} in {where}")
    if not aside.readable:
        told.append("a set-aside folder cannot be read by this user")
    return [("set aside", "; ".join(told))] if told else []


def _runs(view: FleetView) -> list[tuple[str, str]]:
    from core.commands.runs_text import run_line

    if view.runs is None:
        return [("last runs", "cannot be read")]
    texts = [run_line(run, at_work=view.pid_at_work) for run in view.runs] or ["none yet"]
    return [("" if index else "last runs", text) for index, text in enumerate(texts)]


def _next_step(view: FleetView, folders: Sequence[str], recursive: bool) -> list[str]:
    if not any(entry.actions for plan in view.plans for entry in plan.entries):
        return []
    from core.commands.pastable import command_line

    words = ["--recursive", *folders] if recursive else folders
    return ["", f"What would be mended, and how: {command_line('cleanup_sessions.py', '-n', *words)}"]
