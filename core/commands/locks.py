"""`monitor_system.py locks`: who holds what, and by which evidence."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from core.commands import exit_codes
from core.commands.output import Output

if TYPE_CHECKING:
    from datetime import datetime

    from core.errors import GavatError
    from core.monitoring.live import LiveView
    from core.session_files.model import PlanEntry

SUMMARY = (
    "Show which sessions are held, by whom and by which evidence, how their bots are, and what lies beside others."
)
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
    from core.commands.live_documents import live_document
    from core.commands.live_text import elsewhere_lines
    from core.commands.wiring import session_folders, wire
    from core.monitoring import collect_fleet, collect_live
    from core.session_files.looking.inspect import Depth
    from utils.clock import utc_now

    wiring = wire()
    now = utc_now()
    targets, wrong = session_folders(wiring, arguments.folders, recursive=arguments.recursive)
    folders = [target.folder for target in targets]
    view = collect_fleet(folders, wiring.state, depth=Depth.OUTSIDE, now=now)
    problems: list[GavatError] = [*wrong, *view.problems]
    entries = [entry for plan in view.plans for entry in plan.entries]
    families = (entry.seen.family for entry in entries)
    live = collect_live(families, wiring.state, wiring.redis.url, now=now)
    if output.json:
        output.document(locks_document(entries, live_document(live, live.joined), now=now, problems=problems))
    else:
        output.lines([*_text(entries, live, now, output), *elsewhere_lines(live, output, now)])
        for problem in problems:
            output.error(problem)
    return exit_codes.USAGE if problems else exit_codes.DONE


def _text(entries: list[PlanEntry], live: LiveView, now: datetime, output: Output) -> list[str]:
    from core.commands.live_text import bot_text
    from core.commands.sessions_text import plural, usage_text
    from core.session_files.model import Usage
    from utils.redact import printable

    told = [
        entry
        for entry in entries
        if entry.seen.occupancy.usage is not Usage.FREE or _beside(entry) or live.of(entry.seen.family.path)
    ]
    told.sort(key=lambda entry: (entry.seen.occupancy.usage is Usage.FREE, entry.seen.family.name))
    held = sum(entry.seen.occupancy.usage is Usage.IN_USE for entry in entries)
    unknown = sum(entry.seen.occupancy.usage is Usage.UNKNOWN for entry in entries)
    lines = [
        f"{plural(len(entries), 'session')}: {held} in use, {unknown} unknown, {len(entries) - held - unknown} free"
    ]
    if told:
        lines.append("")
    width = min(30, max((len(printable(entry.seen.family.name)) for entry in told), default=0))
    for entry in told:
        start = f"  {entry.seen.occupancy.usage.value:<7}  {printable(entry.seen.family.name):<{width}}  "
        beside = _beside(entry)
        text = usage_text(entry, now) + (f"; beside it: {beside}" if beside else "")
        text += "".join(f"; its bot: {bot_text(one, now)}" for one in live.of(entry.seen.family.path))
        first, *more = output.wrapped(text, indent=len(start))
        lines += [start + first, *more]
    return lines


def _beside(entry: PlanEntry) -> str:
    """Its sidecars; not its lock file, which every session that ever ran has, and which means nothing when free."""
    from utils.units import size_text

    family = entry.seen.family
    return ", ".join(f"{one.kind.value} {size_text(one.stat.size)}" for one in family.sidecars)
