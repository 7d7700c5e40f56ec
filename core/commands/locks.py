"""`monitor_system.py locks`: who holds what, and by which evidence."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from core.commands import exit_codes
from core.commands.output import Output

if TYPE_CHECKING:
    from datetime import datetime

    from core.errors import GavatError
    from core.session_files.model import PlanEntry

SUMMARY = "Show which sessions are held, by whom and by which evidence, and what lies beside the others."
EXAMPLES = """\
  monitor_system.py locks
  monitor_system.py locks bots/ --json

exit codes: 0 shown · 2 a folder could not be looked at"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("folders", nargs="*", metavar="DIR", help="folder of *.session files (default: sessions/)")
    parser.add_argument("--recursive", action="store_true", help="sub-folders too")


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Collect and show."""
    from core.commands.documents import locks_document
    from core.commands.wiring import session_folders, wire
    from core.monitoring import collect_fleet
    from core.session_files.looking.inspect import Depth
    from utils.clock import utc_now

    wiring = wire()
    now = utc_now()
    targets, wrong = session_folders(wiring, arguments.folders, recursive=arguments.recursive)
    folders = [target.folder for target in targets]
    view = collect_fleet(folders, wiring.state, depth=Depth.OUTSIDE, now=now)
    problems: list[GavatError] = [*wrong, *view.problems]
    entries = [entry for plan in view.plans for entry in plan.entries]
    if output.json:
        output.document(locks_document(entries, now=now, problems=problems))
    else:
        output.lines(_text(entries, now, output))
        for problem in problems:
            output.error(problem)
    return exit_codes.USAGE if problems else exit_codes.DONE


def _text(entries: list[PlanEntry], now: datetime, output: Output) -> list[str]:
    from core.commands.sessions_text import plural, usage_text
    from core.session_files.model import Usage
    from utils.redact import printable

    told = [entry for entry in entries if entry.seen.occupancy.usage is not Usage.FREE or _beside(entry)]
    told.sort(key=lambda entry: (entry.seen.occupancy.usage is Usage.FREE, entry.seen.family.name))
    held = sum(entry.seen.occupancy.usage is Usage.IN_USE for entry in entries)
    unknown = sum(entry.seen.occupancy.usage is Usage.UNKNOWN for entry in entries)
    lines = [f"{plural(len(entries), 'session')}: {held} held, {unknown} unknown, {len(entries) - held - unknown} free"]
    if told:
        lines.append("")
    width = min(30, max((len(printable(entry.seen.family.name)) for entry in told), default=0))
    for entry in told:
        start = f"  {entry.seen.occupancy.usage.value:<7}  {printable(entry.seen.family.name):<{width}}  "
        beside = _beside(entry)
        text = usage_text(entry, now) + (f"; beside it: {beside}" if beside else "")
        first, *more = output.wrapped(text, indent=len(start))
        lines += [start + first, *more]
    return lines


def _beside(entry: PlanEntry) -> str:
    from utils.units import size_text

    family = entry.seen.family
    names = [f"{one.kind.value} {size_text(one.stat.size)}" for one in family.sidecars]
    return ", ".join(["lock file"] * (family.lock is not None) + names)
