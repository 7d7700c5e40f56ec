"""Whether a client may start on a session, by what was found in its file (pure)."""

from __future__ import annotations

from core.client.judge_failure import SALVAGE
from core.client.model import FailureKind
from core.client.refusal import Refused
from core.session_files.model import Evidence, PlanEntry, RepairAction, Usage, Verdict

_RECOVERS = {RepairAction.ROLL_BACK, RepairAction.CHECKPOINT}
_BY_CODE = {
    "GV120": (FailureKind.DAMAGED, SALVAGE),
    "GV121": (FailureKind.DAMAGED, SALVAGE),
    "GV122": (FailureKind.DAMAGED, "an empty file holds no login: cleanup_sessions.py files restore brings a backup"),
    "GV116": (FailureKind.UNUSABLE, "it runs on the host it was moved to; starting it here would end both"),
    "GV123": (FailureKind.UNUSABLE, "complete it: cleanup_sessions.py files repair-schema"),
    "GV124": (FailureKind.UNUSABLE, "complete it: cleanup_sessions.py files repair-schema"),
    "GV125": (FailureKind.UNUSABLE, "use the Telethon that wrote it, or make a copy: files repair-schema --downgrade"),
    "GV126": (FailureKind.UNUSABLE, "it is no session of Telethon: convert it, or log in anew"),
    "GV127": (FailureKind.NOT_LOGGED_IN, "log in: python -m core login NAME"),
    "GV128": (FailureKind.UNUSABLE, "Telethon would take any of them: bring a backup back, or log in anew"),
    "GV130": (FailureKind.UNUSABLE, "it may be a copy on its way: try again in a minute"),
}
_RETRYABLE = {"GV130", "GV142"}
_STARTABLE = {"GV107"}
"""Worth telling, and no reason not to start."""


def refusal_of(entry: PlanEntry) -> Refused | None:
    """Why the start must not go on, or None; `entry` is the plan for a session whose lease is held here."""
    occupancy = entry.seen.occupancy
    if occupancy.usage is Usage.IN_USE:
        return _held(entry)
    if occupancy.usage is Usage.UNKNOWN and occupancy.evidence is Evidence.FILE_SYSTEM:
        # Another machine may have it open; on a disk that knows locks, its lease and SQLite's locks would say so
        return None
    if entry.verdict is Verdict.DAMAGED and _RECOVERS & set(entry.actions):
        return None  # recovery is tried on a copy first
    stopping = [note for note in entry.notes if note.code in _BY_CODE or _is_verdict_alone(entry)]
    if not stopping:
        return None
    note = stopping[0]
    kind, hint = _BY_CODE.get(note.code, (FailureKind.UNUSABLE, f"monitor_system.py explain {note.code}"))
    return Refused(kind, note.code, note.detail, retryable=note.code in _RETRYABLE, hint=hint)


def _is_verdict_alone(entry: PlanEntry) -> bool:
    """Nothing is to be done and yet it is not fine: unknown, or no session at all."""
    return entry.verdict in (Verdict.UNKNOWN, Verdict.SKIPPED) and entry.notes[0].code not in _STARTABLE


def _held(entry: PlanEntry) -> Refused:
    holders = entry.seen.occupancy.holders
    names = "; ".join(f"pid {one.pid} ({one.command})" + (f" in {one.unit}" if one.unit else "") for one in holders)
    who = names or entry.seen.occupancy.reason
    return Refused(
        FailureKind.HELD,
        "FILE_OPEN",
        f"the session file is open elsewhere: {who}",
        retryable=True,
        hint="stop that process, or wait until it ends",
    )
