"""What is finally said of a session after a run: the plan's verdict, or what the work made of it (pure)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from core.session_files.model import (
    Contents,
    ContentsKind,
    EntryResult,
    FolderPlan,
    HeaderKind,
    Outcome,
    PlanEntry,
    RepairAction,
    Verdict,
)

MENDED, LEFT_ALONE, FAILED = Outcome.DONE.value, Outcome.LEFT_ALONE.value, Outcome.FAILED.value
SET_ASIDE = "set aside"
"""Sidecars without a session were moved away: there is nothing to start."""
PRUNED = "pruned"
MOVED = "moved"
"""It was handed to another host; a marker stands in its place."""
QUARANTINED = "quarantined"
"""The whole family was moved away: there is nothing to start."""
WORST_FIRST = (
    FAILED,
    Verdict.DAMAGED.value,
    Verdict.UNKNOWN.value,
    Verdict.MEND.value,
    Verdict.PRUNE.value,
    Verdict.ATTENTION.value,
    LEFT_ALONE,
    SET_ASIDE,
    QUARANTINED,
    MOVED,
    MENDED,
    PRUNED,
    Verdict.SKIPPED.value,
    Verdict.IN_USE.value,
    Verdict.FINE.value,
)
_STATES_BY_ACTION = {
    (RepairAction.PRUNE,): PRUNED,
    (RepairAction.QUARANTINE,): QUARANTINED,
    (RepairAction.MOVE,): MOVED,
}
_REPLACED = ((RepairAction.SALVAGE,), (RepairAction.RESTORE,))
"""Actions after which another file stands there."""
_CANNOT_START = (ContentsKind.HALF_CREATED, ContentsKind.HALF_MIGRATED, ContentsKind.NEWER)


class FolderReport(NamedTuple):
    """A folder's plan and what became of it."""

    plan: FolderPlan
    results: Mapping[str, EntryResult]
    """By path; empty for a dry run."""
    folder_tightened: bool = False

    def result(self, entry: PlanEntry) -> EntryResult | None:
        """What was done to that entry."""
        return self.results.get(entry.seen.family.path)


def state_of(entry: PlanEntry, result: EntryResult | None) -> str:
    """One word of WORST_FIRST for a session."""
    if result is None:
        return entry.verdict.value
    if result.outcome is Outcome.LEFT_ALONE:
        return LEFT_ALONE
    if result.outcome is Outcome.FAILED:
        return Verdict.DAMAGED.value if result.code == "GV120" else FAILED
    return _state_of_done(entry, result.after)


def _state_of_done(entry: PlanEntry, after: Contents | None) -> str:
    if entry.actions in _STATES_BY_ACTION:
        return _STATES_BY_ACTION[entry.actions]
    if entry.actions not in _REPLACED:
        if entry.seen.header.kind is HeaderKind.EMPTY and entry.seen.family.main is not None:
            return Verdict.DAMAGED.value  # its leftovers are gone or aside; it is still empty
        if entry.seen.family.main is None:
            return SET_ASIDE
    if after is not None and (after.kind in _CANNOT_START or after.logged_in is False):
        return Verdict.ATTENTION.value
    return MENDED


def still_needs(entry: PlanEntry, result: EntryResult | None) -> bool:
    """Whether something that needed mending was not mended; decides exit code 3."""
    if result is None:
        return entry.needs_mending
    if result.outcome is Outcome.LEFT_ALONE:
        return False  # somebody uses it since: nothing to mend
    if result.outcome is Outcome.FAILED:
        return True
    if state_of(entry, result) == Verdict.DAMAGED.value:
        return True
    return result.after is not None and result.after.kind in (ContentsKind.HALF_CREATED, ContentsKind.HALF_MIGRATED)


def count_states(reports: Iterable[FolderReport]) -> dict[str, int]:
    """How many sessions are in each state, worst first; states that do not occur are left out."""
    counts = dict.fromkeys(WORST_FIRST, 0)
    for report in reports:
        if not report.results:
            for verdict, count in Counter(entry.verdict for entry in report.plan.entries).items():
                counts[verdict.value] += count
            continue
        for entry in report.plan.entries:
            counts[state_of(entry, report.result(entry))] += 1
    return {state: count for state, count in counts.items() if count}
