"""Sessions, holders and what was done to them, as lines for people; worst first, names escaped."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from core.commands.output import Output
from core.session_files.model import (
    EntryResult,
    FolderPlan,
    Holder,
    PlanEntry,
    RepairAction,
    SidecarKind,
    Usage,
    Verdict,
)
from core.session_files.verdicts import (
    FAILED,
    LEFT_ALONE,
    MENDED,
    SET_ASIDE,
    WORST_FIRST,
    FolderReport,
    count_states,
    state_of,
)
from utils.clock import from_epoch
from utils.redact import printable

MOST_LINES = 40
_COLOURS = {
    FAILED: "red",
    Verdict.DAMAGED.value: "red",
    Verdict.UNKNOWN.value: "yellow",
    Verdict.MEND.value: "yellow",
    Verdict.ATTENTION.value: "yellow",
    LEFT_ALONE: "cyan",
    SET_ASIDE: "green",
    MENDED: "green",
    Verdict.SKIPPED.value: "dim",
    Verdict.IN_USE.value: "cyan",
    Verdict.FINE.value: "green",
}
_DONE_WORDS = {
    RepairAction.ROLL_BACK: "rolled back",
    RepairAction.CHECKPOINT: "checkpointed",
    RepairAction.SWITCH_TO_DELETE: "DELETE mode",
    RepairAction.REMOVE_COLD_JOURNAL: "journal removed",
    RepairAction.REMOVE_SHM: "-shm removed",
    RepairAction.SET_ASIDE: "set aside",
    RepairAction.TIGHTEN_PERMISSIONS: "set 0600",
}
_COUNT_WORDS = {Verdict.MEND.value: "to mend", Verdict.ATTENTION.value: "to look at"}


def folder_lines(report: FolderReport, output: Output, *, now: datetime, verbose: bool) -> list[str]:
    """One folder: a headline with counts, then a line for each session that is not simply fine."""
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
        ("mended" if report.folder_tightened else "mend", "(folder)", note.code, note.detail, "set 0700")
        for note in plan.notes
    ]
    shown = sorted(rows, key=lambda row: WORST_FIRST.index(row[0]))
    hidden = 0 if verbose else max(0, len(shown) - MOST_LINES)
    shown = shown[: len(shown) - hidden]
    if shown:
        lines.append("")
        lines += _aligned(shown, output)
    if hidden:
        lines.append(f"  … and {hidden} more; -v lists all")
    return lines


def holder_text(holder: Holder, now: datetime) -> str:
    """`pid 811 python bot.py (shop.service) since 09:14`."""
    unit = f" ({holder.unit})" if holder.unit else ""
    since = f" since {moment_text(from_epoch(holder.since), now)}" if holder.since is not None else ""
    return f"pid {holder.pid} {holder.command or '?'}{unit}{since}"


def moment_text(moment: datetime, now: datetime) -> str:
    """Local time of day for today, with the date before that."""
    local, today = moment.astimezone(), now.astimezone()
    return f"{local:%H:%M}" if local.date() == today.date() else f"{local:%Y-%m-%d %H:%M}"


def size_text(size: int) -> str:
    """Bytes as people read them, decimal units: 4.6 kB."""
    if size < 1000:
        return f"{size} B"
    power = min((len(str(size)) - 1) // 3, 4)
    return f"{size / 1000**power:.1f} {('kB', 'MB', 'GB', 'TB')[power - 1]}"


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


def user_name(uid: int) -> str:
    """A user as `sudo -u` takes one."""
    import pwd

    try:
        return printable(pwd.getpwuid(uid).pw_name)
    except KeyError:
        return f"'#{uid}'"


def _blind_text(plan: FolderPlan) -> str:
    if plan.blind == "GV132":
        kind = plan.folder.file_system or "its file system"
        return f"None could be judged: {kind} may be shared with other machines. Run it on the one that owns the disk."
    owners = {entry.seen.family.main.uid for entry in plan.entries if entry.seen.family.main is not None}
    if plan.blind == "GV131" and len(owners) == 1:
        owner = user_name(owners.pop())
        other = "" if owner == "root" else ", or as root"
        return f"None could be asked: they belong to {owner}. Run as that user: sudo -u {owner} …{other}."
    return "None could be judged; -v names the reasons."


def _row(entry: PlanEntry, result: EntryResult | None, now: datetime) -> tuple[str, str, str, str, str]:
    state = state_of(entry, result)
    name = printable(entry.seen.family.name)
    code = entry.notes[0].code if entry.notes else ""
    found = printable("; ".join(note.detail for note in entry.notes))
    if result is not None and result.detail:
        hint = f" · {result.hint}" if result.hint else ""
        return state, name, result.code or code, f"{found}: {printable(result.detail)}", f"left as it is{hint}"
    if result is not None:
        return state, name, code, found, actions_text(entry, done=True)
    if entry.verdict is Verdict.IN_USE:
        return state, name, code, "; ".join(filter(None, (_in_use_text(entry, now), found))), ""
    return state, name, code, found, _next_step(entry)


def _next_step(entry: PlanEntry) -> str:
    if entry.verdict is Verdict.DAMAGED and not entry.actions:
        return f"left as it is · why: monitor_system.py why {shown_path(entry)}"
    if entry.actions:
        plays_back = entry.verdict is Verdict.DAMAGED and RepairAction.SET_ASIDE not in entry.actions
        tried = " (tried on a copy first)" if plays_back else ""
        return actions_text(entry) + tried
    if entry.verdict is Verdict.UNKNOWN:
        main = entry.seen.family.main
        if entry.notes[0].code == "GV131" and main is not None:
            return f"left alone · run as that user: sudo -u {user_name(main.uid)} …"
        return f"left alone · monitor_system.py explain {entry.notes[0].code}"
    if entry.verdict in (Verdict.ATTENTION, Verdict.SKIPPED):
        return f"left alone · monitor_system.py explain {entry.notes[0].code}"
    return ""


def _in_use_text(entry: PlanEntry, now: datetime) -> str:
    occupancy = entry.seen.occupancy
    who = ", ".join(holder_text(holder, now) for holder in occupancy.holders)
    if not who:
        pid = f"pid {occupancy.lease_pid}" if occupancy.lease_pid else "a process that cannot be seen from here"
        who = f"{pid} {occupancy.reason}"
    beside = [f"{one.kind.value[1:]} {size_text(one.stat.size)}" for one in entry.seen.family.sidecars]
    beside = [
        text for text, one in zip(beside, entry.seen.family.sidecars, strict=True) if one.kind is not SidecarKind.SHM
    ]
    assert occupancy.usage is Usage.IN_USE
    return f"{who}, {', '.join(beside)}: normal" if beside else who


def shown_path(entry: PlanEntry) -> str:
    """The session's path, quoted for a shell and safe to print."""
    import shlex

    return printable(shlex.quote(entry.seen.family.path))


def _aligned(rows: Sequence[tuple[str, str, str, str, str]], output: Output) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    widths[1], widths[3] = min(widths[1], 30), min(widths[3], 48)
    lines = []
    for state, name, code, found, step in rows:
        painted = output.paint(state.ljust(widths[0]), _COLOURS[state])
        text = f"  {painted}  {name:<{widths[1]}}  "
        if state == Verdict.IN_USE.value:
            lines.append(text + (f"{code}  " if code else "") + found)
            continue
        lines.append((text + f"{code:<{widths[2]}}  {found:<{widths[3]}}  {step}").rstrip())
    return lines
