"""`monitor_system.py why FILE`: all that is known of one session, and what would be done."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from core.commands import exit_codes
from core.commands.output import Output

if TYPE_CHECKING:
    from datetime import datetime

    from core.monitoring import SessionView

SUMMARY = (
    "Tell all that is known of one session: who holds it, what lies beside it, what is inside, what would be done."
)
EXAMPLES = """\
  monitor_system.py why sessions/shop_03
  monitor_system.py why sessions/shop_03.session --json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("file", metavar="FILE", help="the session, with or without .session")


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Collect and show."""
    from core.commands.documents import why_document
    from core.commands.wiring import wire
    from core.monitoring import collect_session
    from core.session_files.looking.probe import leases_without_signal
    from utils.clock import utc_now

    now = utc_now()
    with leases_without_signal():
        view = collect_session(arguments.file, wire().state, now=now)
    if output.json:
        output.document(why_document(view))
    else:
        output.lines(_text(view, now))
    return exit_codes.DONE


def _text(view: SessionView, now: datetime) -> list[str]:
    from core.commands.sessions_text import actions_text, shown_path
    from core.session_files.model import RepairAction

    entry = view.entry
    lines = [f"{shown_path(entry)}: {entry.verdict.value}", "", *_facts(view, now)]
    for note, finding in zip(entry.notes, view.findings, strict=True):
        lines += [
            "",
            f"{note.code} {finding.title}: {note.detail}",
            f"  {finding.meaning}",
            f"  Danger: {finding.danger}",
        ]
        lines.append(f"  What to do: {finding.remedy}")
    if entry.actions:
        first = " (after a copy of the family)" if entry.actions != (RepairAction.TIGHTEN_PERMISSIONS,) else ""
        lines += ["", f"cleanup_sessions.py would: {actions_text(entry)}{first}"]
    elif not entry.notes:
        lines += ["", "Nothing to do."]
    if view.changes:
        lines += ["", "Done to it before:"]
        lines += [f"  {one.run_id}  {one.codes}  {one.actions}: {one.status.value}" for one in view.changes]
    return lines


def _facts(view: SessionView, now: datetime) -> list[str]:
    from core.commands.sessions_text import holder_text, moment_text, size_text
    from core.session_files.model import Usage
    from utils.clock import from_epoch
    from utils.redact import printable

    seen = view.entry.seen
    family, occupancy = seen.family, seen.occupancy
    facts = []
    if family.target != family.path:
        facts.append(("leads to", printable(family.target)))
    if family.main is not None:
        written = moment_text(from_epoch(family.main.modified_ns / 1e9), now)
        size = size_text(family.main.size)
        facts.append(("file", f"{size}, mode {family.main.mode:04o}, uid {family.main.uid}, written {written}"))
        facts.append(("journal", f"{seen.header.journal_mode.value} mode (header)"))
    for one in family.sidecars:
        found = f"{size_text(one.stat.size)}, written {moment_text(from_epoch(one.stat.modified_ns / 1e9), now)}"
        heat = f", {one.heat.value}" if one.heat else ""
        frames = f", {one.pending_frames} frames wait" if one.pending_frames is not None else ""
        facts.append((one.kind.value, found + heat + frames))
    if family.lock is not None:
        facts.append(("lock file", "held" if occupancy.evidence.value == "lock file" else "free (it stays)"))
    who = "; ".join(holder_text(holder, now) for holder in occupancy.holders)
    asked = f"asked: {occupancy.evidence.value}"
    told = (
        occupancy.usage.value
        if occupancy.usage is Usage.FREE
        else f"{occupancy.usage.value}: {who or occupancy.reason}"
    )
    facts.append(("used", f"{told} ({asked})"))
    if seen.contents is not None:
        facts.append(("inside", _inside(view)))
    return [f"  {name:<9} {value}" for name, value in facts]


def _inside(view: SessionView) -> str:
    contents = view.entry.seen.contents
    assert contents is not None
    parts = [contents.kind.value]
    if contents.schema_version is not None:
        parts.append(f"schema {contents.schema_version}")
    if contents.logged_in is not None:
        parts.append("logged in" if contents.logged_in else "not logged in")
    return ", ".join(parts)
