"""`monitor_system.py why FILE`: all that is known of one session, and what would be done."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from core.commands import exit_codes
from core.commands.output import Output

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from core.monitoring import CopyView, SessionView
    from core.monitoring.live import LiveView
    from core.session_files.model import Contents, FileInspection, PlanEntry
    from core.state import Change

SUMMARY = (
    "Tell all that is known of one session: who holds it, how its bot is, what lies beside it, what is inside, "
    "what would be done."
)
EXAMPLES = """\
  monitor_system.py why shop_03                      in the sessions folder (GAVAT_SESSIONS)
  monitor_system.py why sessions/shop_03.session     a file
  monitor_system.py why shop_03 --json"""
_CURED_BY_A_COPY = ("GV120", "GV121", "GV122", "GV123", "GV124", "GV128")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "file", metavar="SESSION", help="a name in the sessions folder, or a file, with or without .session"
    )


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Collect and show."""
    from core.commands.documents import why_document
    from core.commands.live_documents import live_document
    from core.commands.wiring import in_session_folders, wire
    from core.monitoring import collect_live, collect_session
    from utils.clock import utc_now

    wiring = wire()
    now = utc_now()
    view = collect_session(in_session_folders(arguments.file, wiring), wiring.state, now=now)
    live = collect_live([view.entry.seen.family], wiring.state, wiring.redis.url, now=now)
    if output.json:
        output.document(why_document(view, live_document(live, live.joined)))
    else:
        output.lines(_text(view, live, output, now))
    return exit_codes.DONE


def _text(view: SessionView, live: LiveView, output: Output, now: datetime) -> list[str]:
    from core.session_files.verdicts import state_of
    from utils.redact import printable

    entry = view.entry
    shown = printable(entry.seen.family.path)
    lines = [
        f"{shown}: {state_of(entry, view.result)}",
        "",
        *_labelled([*_facts(view, now), *_live(live, view, now)], output),
    ]
    for note, finding in zip(entry.notes, view.findings, strict=True):
        told = [
            ("found", printable(note.detail)),
            ("meaning", finding.meaning),
            ("danger", finding.danger),
            ("remedy", finding.remedy),
        ]
        lines += ["", f"{note.code} {finding.title}", *_labelled(told, output)]
    if _needs_a_copy(view):
        lines += ["", *_copies(view, now)]
    if entry.actions:
        lines += ["", *_would(entry)]
    elif not entry.notes and view.result is None:
        lines += ["", _nothing_to_mend(live, view)]
    if view.changes:
        lines += ["", "Done to it before:", *map(_change, view.changes)]
    return lines


def _nothing_to_mend(live: LiveView, view: SessionView) -> str:
    from core.monitoring.live import WELL

    bots = live.of(view.entry.seen.family.path)
    if not bots:
        return "Nothing to mend in the file."
    is_well = all(one.bot.state in WELL for one in bots)
    return "Nothing to do." if is_well else "Nothing to mend in the file; how its bot is stands above."


def _live(live: LiveView, view: SessionView, now: datetime) -> list[tuple[str, str]]:
    from core.commands.live_text import bot_facts, unknown_lines

    shown = [*live.of(view.entry.seen.family.path), *live.namesakes]
    facts = [fact for one in shown for fact in bot_facts(one, now)]
    return [*facts, *(("bots", line) for line in unknown_lines(live.statuses))]


def _would(entry: PlanEntry) -> list[str]:
    import os

    from core.commands.pastable import command_line
    from core.commands.sessions_text import actions_text
    from core.session_files.model import RepairAction

    first = " (after a copy of the family)" if entry.actions != (RepairAction.TIGHTEN_PERMISSIONS,) else ""
    folder = os.path.dirname(entry.seen.family.path) or "."
    return [
        f"cleanup_sessions.py would: {actions_text(entry)}{first}",
        f"To do so in all of its folder: {command_line('cleanup_sessions.py', folder)}",
    ]


def _labelled(facts: Sequence[tuple[str, str]], output: Output) -> list[str]:
    lines = []
    for name, value in facts:
        start = f"  {name:<9} "
        first, *more = output.wrapped(value, indent=len(start))
        lines += [start + first, *more]
    return lines


def _change(change: Change) -> str:
    from utils.redact import printable

    aside = f", in {printable(change.set_aside)}" if change.set_aside else ""
    return f"  {change.run_id}  {change.codes}  {change.actions}: {change.status.value}{aside}"


def _needs_a_copy(view: SessionView) -> bool:
    from core.session_files.model import Verdict

    return view.entry.verdict is Verdict.DAMAGED or any(note.code in _CURED_BY_A_COPY for note in view.entry.notes)


def _copies(view: SessionView, now: datetime) -> list[str]:
    from core.commands.sessions_text import moment_text
    from utils.redact import printable
    from utils.units import size_text

    if view.copies is None:
        return ["Copies of it: cannot be looked at by this user."]
    if not view.copies:
        return ["Copies of it: there is none."]
    lines = ["Copies of it, from before each run, newest first:"]
    for copy in view.copies:
        when = moment_text(copy.at, now) if copy.at else copy.run_id
        proof = "verified: mended, it was whole" if copy.verified else "not verified"
        lines.append(f"  {when}  {size_text(copy.bytes):>8}  {proof}  {printable(copy.path)}")
    verified = next((copy for copy in view.copies if copy.verified), None)
    if verified is None:
        return [*lines, "None of them is verified: each may be damaged too."]
    return [
        *lines,
        "To put the newest verified one in its place, with its bot stopped:",
        f"  {_put_back(view, verified, now)}",
    ]


def _put_back(view: SessionView, copy: CopyView, now: datetime) -> str:
    """Commands for a shell: what is there moves to `set-aside/`, then the copy's files come back; all or nothing."""
    import os

    from core.commands.pastable import quoted
    from core.session_files.looking.listing import SET_ASIDE_FOLDER
    from core.session_files.model import SidecarKind

    family = view.entry.seen.family
    folder = os.path.dirname(family.target) or "."
    aside = os.path.join(folder, SET_ASIDE_FOLDER, f"damaged-{now:%Y%m%d-%H%M%S}")
    there = [family.target, *(one.path for one in family.sidecars)]
    back = [os.path.join(copy.path, name) for name in copy.files if not name.endswith(SidecarKind.SHM.value)]
    return " && ".join(
        " ".join(map(quoted, words))
        for words in (["mkdir", "-p", "-m", "700", aside], ["mv", *there, aside], ["cp", "-p", *back, folder])
    )


def _facts(view: SessionView, now: datetime) -> list[tuple[str, str]]:
    from core.commands.sessions_text import moment_text, usage_text
    from core.session_files.model import Usage
    from utils.clock import from_epoch
    from utils.redact import printable
    from utils.units import size_text

    seen = view.entry.seen
    family = seen.family
    if view.result is not None and view.result.set_aside is not None:
        return [("file", f"not there; its sidecars were set aside into {printable(view.result.set_aside)}")]
    facts = []
    if family.target != family.path:
        facts.append(("leads to", printable(family.target)))
    if family.main is not None:
        written = moment_text(from_epoch(family.main.modified_ns / 1e9), now)
        size = size_text(family.main.size)
        facts.append(("file", f"{size}, mode {family.main.mode:04o}, uid {family.main.uid}, written {written}"))
        facts.append(("journal", _journal_text(seen)))
    for one in family.sidecars:
        found = f"{size_text(one.stat.size)}, written {moment_text(from_epoch(one.stat.modified_ns / 1e9), now)}"
        heat = f", {one.heat.value}" if one.heat else ""
        frames = f", {one.pending_frames} frames wait" if one.pending_frames is not None else ""
        facts.append((one.kind.value, found + heat + frames))
    if family.lock is not None:
        facts.append(("lock file", "held" if seen.occupancy.evidence.value == "lock file" else "free (it stays)"))
    unknown = "cannot be known: " if seen.occupancy.usage is Usage.UNKNOWN else ""
    facts.append(("holder", unknown + usage_text(view.entry, now)))
    if seen.contents is not None:
        facts.append(("inside", _inside(seen.contents)))
    return facts


def _journal_text(seen: FileInspection) -> str:
    from core.session_files.model import HeaderKind, JournalMode, Usage

    if seen.header.kind is HeaderKind.UNREAD and seen.occupancy.usage is Usage.IN_USE:
        return "mode not read while in use"
    mode = seen.header.journal_mode
    return "mode not known" if mode is JournalMode.UNKNOWN else f"{mode.value} mode (header)"


def _inside(contents: Contents) -> str:
    parts = [contents.kind.value]
    if contents.schema_version is not None:
        parts.append(f"schema {contents.schema_version}")
    if contents.logged_in is not None:
        # A key may be that of a login which was never finished, or was ended since
        parts.append("has a key (Telegram was not asked)" if contents.logged_in else "not logged in")
    return ", ".join(parts)
