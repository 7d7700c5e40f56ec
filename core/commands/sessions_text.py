"""Sessions, holders and what was done to them, as lines for people; worst first, names escaped."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from core.commands.output import Output
from core.commands.table import Row, table
from core.session_files.model import (
    EntryResult,
    Evidence,
    FolderPlan,
    Holder,
    Outcome,
    PlanEntry,
    RepairAction,
    SidecarKind,
    Usage,
    Verdict,
)
from core.session_files.verdicts import (
    FAILED,
    WORST_FIRST,
    FolderReport,
    count_states,
    state_of,
)
from utils.clock import from_epoch
from utils.redact import printable
from utils.units import size_text
from utils.users import user_name

MOST_LINES = 40
_FOLDED_FROM = 4
_DONE_WORDS = {
    RepairAction.ROLL_BACK: "rolled back",
    RepairAction.CHECKPOINT: "checkpointed",
    RepairAction.SWITCH_TO_DELETE: "DELETE mode",
    RepairAction.REMOVE_COLD_JOURNAL: "journal removed",
    RepairAction.REMOVE_SHM: "-shm removed",
    RepairAction.SET_ASIDE: "moved",
    RepairAction.TIGHTEN_PERMISSIONS: "set 0600",
    RepairAction.PRUNE: "pruned",
    RepairAction.REPAIR_SCHEMA: "schema repaired",
    RepairAction.SALVAGE: "salvaged",
    RepairAction.QUARANTINE: "moved",
    RepairAction.RESTORE: "restored",
    RepairAction.LOGIN: "logged in anew",
    RepairAction.MOVE: "marked as moved",
}
_GAVE_WAY = {RepairAction.RESTORE, RepairAction.SALVAGE, RepairAction.MOVE}
"""Actions that put something in the place of what was there."""
_FURTHER = (FAILED, Verdict.DAMAGED.value, Verdict.UNKNOWN.value, Verdict.ATTENTION.value)
"""States of which a reader wants to know more."""
_MOST_FURTHER = 3
_COUNT_WORDS = {Verdict.MEND.value: "to mend", Verdict.PRUNE.value: "to prune", Verdict.ATTENTION.value: "to look at"}


def folder_lines(report: FolderReport, output: Output, *, now: datetime, verbose: bool) -> list[str]:
    """One folder: a headline with counts, then the sessions that are not simply fine, a line for each finding."""
    plan = report.plan
    counts = count_states([report])
    total = sum(counts.values())
    counted = ", ".join(f"{number:,} {_COUNT_WORDS.get(state, state)}" for state, number in reversed(counts.items()))
    lines = [f"{printable(plan.folder.path)}/ · {plural(total, 'session')}{': ' + counted if counted else ''}"]
    if plan.blind:
        lines += ["", "  " + output.paint(_blind_text(plan), "yellow")]
        if not verbose:
            return lines  # every line would say the same
    fine = Verdict.FINE if not verbose else None
    rows = [_row(entry, report.result(entry), now) for entry in plan.entries if entry.verdict is not fine]
    rows += [
        Row("mended" if report.folder_tightened else "mend", "(folder)", ((note.code, note.detail),), "set 0700")
        for note in plan.notes
    ]
    rows.sort(key=lambda row: WORST_FIRST.index(row.state))
    rows = rows if verbose else _folded(rows)
    hidden = 0 if verbose else max(0, len(rows) - MOST_LINES)
    shown = rows[: len(rows) - hidden]
    if shown:
        lines += ["", *table(shown, output)]
    if hidden:
        lines.append(f"  … and {hidden} more; -v lists all")
    further = _further(shown)
    return [*lines, "", *further] if further else lines


def holder_text(holder: Holder, now: datetime) -> str:
    """`pid 811 python bot.py (shop.service) since 09:14`."""
    unit = f" ({holder.unit})" if holder.unit else ""
    since = f" since {moment_text(from_epoch(holder.since), now)}" if holder.since is not None else ""
    return f"pid {holder.pid} {holder.command or '?'}{unit}{since}"


def who_text(entry: PlanEntry, now: datetime) -> str:
    """The processes that have a session open, as far as they can be seen."""
    occupancy = entry.seen.occupancy
    if occupancy.holders:
        return ", ".join(holder_text(holder, now) for holder in occupancy.holders)
    return f"pid {occupancy.lease_pid}" if occupancy.lease_pid else "a process that cannot be seen from here"


def usage_text(entry: PlanEntry, now: datetime) -> str:
    """Who has a session open and how that is known: `pid 811 python bot.py since 09:14, has it open (write lease)`."""
    occupancy = entry.seen.occupancy
    if occupancy.usage is Usage.FREE:
        return f"nobody ({occupancy.evidence.value})"
    asked = occupancy.evidence.value
    known = occupancy.reason or ", ".join(note.detail for note in entry.notes) or "not asked"
    if occupancy.evidence is not Evidence.NONE and asked not in known:
        known = f"{known} ({asked})"
    return f"{who_text(entry, now)}, {known}" if occupancy.usage is Usage.IN_USE else printable(known)


def moment_text(moment: datetime, now: datetime) -> str:
    """Local time of day for today, with the date before that."""
    local, today = moment.astimezone(), now.astimezone()
    return f"{local:%H:%M}" if local.date() == today.date() else f"{local:%Y-%m-%d %H:%M}"


def plural(number: int, noun: str) -> str:
    """`1 session`, `12 sessions`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def actions_text(entry: PlanEntry, *, done: bool = False) -> str:
    """What will be done, or was, in order."""
    words = [_DONE_WORDS[action] if done else action.value for action in entry.actions]
    if RepairAction.ROLL_BACK in entry.actions and RepairAction.SWITCH_TO_DELETE not in entry.actions:
        words.insert(
            words.index(_DONE_WORDS[RepairAction.ROLL_BACK] if done else RepairAction.ROLL_BACK.value) + 1,
            "DELETE mode",
        )
    return ", ".join(words) if done else ", then ".join(words)


def done_text(result: EntryResult) -> str:
    """What was done, and where what was set aside lies."""
    done = result.summary or actions_text(result.entry, done=True)
    if result.set_aside is None:
        return done
    where = os.path.join(*result.set_aside.split(os.sep)[-2:])
    gave_way = not _GAVE_WAY.isdisjoint(result.entry.actions)
    return printable(f"{done}; what was there is in {where}" if gave_way else f"{done} to {where}")


def _blind_text(plan: FolderPlan) -> str:
    if plan.blind == "GV132":
        kind = plan.folder.file_system or "its file system"
        return f"None could be judged: {kind} may be shared with other machines. Run it on the one that owns the disk."
    owners = {entry.seen.family.main.uid for entry in plan.entries if entry.seen.family.main is not None}
    if plan.blind == "GV131" and len(owners) == 1:
        owner = user_name(owners.pop())
        from core.commands.pastable import as_user

        return f"None could be asked: they belong to {owner}. Run as that user: {as_user(owner)}"
    return "None could be judged; -v names the reasons."


def _row(entry: PlanEntry, result: EntryResult | None, now: datetime) -> Row:
    state, name = state_of(entry, result), printable(entry.seen.family.name)
    found = tuple((note.code, printable(note.detail)) for note in entry.notes)
    if result is not None and result.outcome is not Outcome.DONE:
        hint = f" · {result.hint}" if result.hint else ""
        why = (result.code or "", printable(result.detail))
        now_it_is = "left as it is" if result.copy is None else "changed in part; undo takes it back"
        return Row(state, name, (why, *found), f"{now_it_is}{hint}", entry)
    if result is not None:
        return Row(state, name, found, done_text(result), entry)
    if entry.verdict is Verdict.IN_USE:
        return Row(state, name, (("", _in_use_text(entry, now)), *found), entry=entry)
    return Row(state, name, found, _next_step(entry), entry)


def _folded(rows: Sequence[Row]) -> list[Row]:
    """The same rows, but one for all sessions that one process has open and of which there is nothing else to say."""
    alike = Counter(row.found for row in rows if row.state == Verdict.IN_USE.value)
    shown: list[Row] = []
    for row in rows:
        number = alike[row.found] if row.state == Verdict.IN_USE.value else 0
        if number < _FOLDED_FROM:
            shown.append(row)
        elif row.found not in (one.found for one in shown):
            shown.append(row._replace(name=plural(number, "session"), entry=None))
    return shown


def _next_step(entry: PlanEntry) -> str:
    if entry.actions:
        plays_back = not {RepairAction.ROLL_BACK, RepairAction.CHECKPOINT}.isdisjoint(entry.actions)
        tried = " (tried on a copy first)" if plays_back and entry.verdict is Verdict.DAMAGED else ""
        return actions_text(entry) + tried
    if entry.verdict is Verdict.DAMAGED:
        return "left as it is"
    return "" if entry.verdict is Verdict.FINE else "left alone"


def _further(rows: Sequence[Row]) -> list[str]:
    """For the worst rows, one of each kind: the command that tells more, or that would know more."""
    first_of_kind: dict[str, Row] = {}
    for row in rows:
        if row.state in _FURTHER and row.entry is not None:
            first_of_kind.setdefault(row.found[0][0], row)
    lines = []
    for code, row in list(first_of_kind.items())[:_MOST_FURTHER]:
        from core.commands.pastable import as_user, command_line

        assert row.entry is not None
        family = row.entry.seen.family
        if code == "GV131" and family.main is not None and family.main.uid != os.geteuid():
            lines.append(f"More can be known of {row.name} by its owner: {as_user(user_name(family.main.uid))}")
        else:
            lines.append(f"More on {row.name}: {command_line('monitor_system.py', 'why', family.path)}")
    return lines


def _in_use_text(entry: PlanEntry, now: datetime) -> str:
    occupancy = entry.seen.occupancy
    assert occupancy.usage is Usage.IN_USE
    who = who_text(entry, now)
    who = who if occupancy.holders else f"{who} {occupancy.reason}"
    sidecars = [one for one in entry.seen.family.sidecars if one.kind is not SidecarKind.SHM]
    beside = ", ".join(f"{one.kind.value[1:]} {size_text(one.stat.size)}" for one in sidecars)
    return f"{who}, {beside}: normal" if beside else who
