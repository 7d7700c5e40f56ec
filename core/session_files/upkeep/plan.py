"""Deciding which sessions a chore of upkeep may change (pure): only whole ones that nobody has open."""

from __future__ import annotations

from typing import NamedTuple

from core.session_files.model import (
    ContentsKind,
    FindingNote,
    PlanEntry,
    RepairAction,
    Usage,
    Verdict,
)
from utils.units import size_text

_OLDEST_WITH_DATES = 7
"""Schema that brought `entities.date`; an older file is upgraded by Telethon at its next start."""
_HALF = {ContentsKind.HALF_CREATED: "GV123", ContentsKind.HALF_MIGRATED: "GV124"}


class PruneRule(NamedTuple):
    """Which entities go: those last seen before a moment, and the oldest beyond a number."""

    older_than: int | None = None
    """Seconds since 1970; rows whose date is not known are never too old."""
    keep: int | None = None
    """How many of the newest rows stay; those that never go stay however old they are."""
    indexes: bool = False
    """Add an index for lookups by user name, phone and name, which Telethon does without one."""


class PruneSurvey(NamedTuple):
    """What a rule would do to one session."""

    rows: int
    going: int | None
    """None where it was only found that some go, which is much quicker."""
    named: int
    """Of those that go, rows that can be looked up by a name or number; the next lookup asks Telegram."""
    free_bytes: int
    """Bytes in pages that hold nothing already."""
    missing_indexes: int
    """Indexes that would be added."""

    @property
    def worth_it(self) -> bool:
        """Whether anything would change."""
        return self.going is None or bool(self.going or self.free_bytes or self.missing_indexes)


def may_be_pruned(entry: PlanEntry) -> bool:
    """Whether the plan for mending leaves nothing to be done before, and the session has dates."""
    contents = entry.seen.contents
    return (
        entry.seen.occupancy.usage is Usage.FREE
        and not entry.actions
        and entry.verdict in (Verdict.FINE, Verdict.ATTENTION)
        and contents is not None
        and contents.kind is ContentsKind.TELETHON
        and (contents.schema_version or 0) >= _OLDEST_WITH_DATES
    )


def plan_prune(entry: PlanEntry, found: PruneSurvey) -> PlanEntry:
    """The entry of a session that may be pruned, with what pruning would do."""
    if not found.worth_it:
        return PlanEntry(entry.seen, Verdict.FINE)
    return PlanEntry(entry.seen, Verdict.PRUNE, (FindingNote("GV161", prune_text(found)),), (RepairAction.PRUNE,))


def leave_unpruned(entry: PlanEntry) -> PlanEntry:
    """The entry of a session that may not be pruned: in use, or with something to be mended first."""
    if entry.seen.occupancy.usage is not Usage.FREE or not entry.notes:
        return entry._replace(actions=(), needs_mending=False)
    return PlanEntry(entry.seen, Verdict.SKIPPED, entry.notes)


def prune_text(found: PruneSurvey) -> str:
    """`940 of 1,003 entities can go, 470 of them with a name; 12.3 kB are free already`."""
    parts = []
    if found.going is None:
        parts.append(f"some of {found.rows:,} entities can go")
    elif found.going:
        named = f", {found.named:,} of them with a name" if found.named else ""
        parts.append(f"{found.going:,} of {found.rows:,} entities can go{named}")
    if found.free_bytes:
        parts.append(f"{size_text(found.free_bytes)} hold nothing")
    if found.missing_indexes:
        parts.append("no index for names")
    return "; ".join(parts)


def plan_schema_repair(entry: PlanEntry, statements: tuple[str, ...]) -> PlanEntry:
    """The entry of a half-created or half-migrated session, with the repair of its tables."""
    assert entry.seen.contents is not None
    code = _HALF[entry.seen.contents.kind]
    detail = f"{entry.seen.contents.reason}; {repair_text(statements)}"
    return PlanEntry(
        entry.seen, Verdict.MEND, (FindingNote(code, detail),), (RepairAction.REPAIR_SCHEMA,), needs_mending=True
    )


def is_half_made(entry: PlanEntry) -> bool:
    """Whether its tables are what Telethon left when it was stopped, with nothing to be mended before."""
    contents = entry.seen.contents
    free = entry.seen.occupancy.usage is Usage.FREE and not entry.actions
    return free and entry.verdict is Verdict.ATTENTION and contents is not None and contents.kind in _HALF


def repair_text(statements: tuple[str, ...]) -> str:
    """What a repair adds: `adds the tables entities, sent_files; version 8`."""
    tables = [one.split()[2] for one in statements if one.startswith("CREATE TABLE")]
    columns = [f"{one.split()[2]}.{one.split()[5]}" for one in statements if one.startswith("ALTER TABLE")]
    versions = [one.split("(")[1].rstrip(")") for one in statements if one.startswith("INSERT INTO version")]
    parts = []
    if tables:
        parts.append(f"table {', '.join(tables)} to be added")
    if columns:
        parts.append(f"column {', '.join(columns)} to be added")
    if versions:
        parts.append(f"version row to be {versions[0]}")
    return "; ".join(parts)
