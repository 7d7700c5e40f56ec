"""Which sessions may be pruned, repaired or moved away, and how that is said."""

from __future__ import annotations

import pytest

from core.session_files.database.schema import schema_repairs
from core.session_files.model import Contents, ContentsKind, PlanEntry, RepairAction, Verdict
from core.session_files.plan import plan_quarantine
from core.session_files.upkeep.plan import (
    PruneSurvey,
    is_half_made,
    leave_unpruned,
    may_be_pruned,
    plan_prune,
    plan_schema_repair,
    prune_text,
    repair_text,
)
from tests.deciders.builders import TELETHON, entry, held, inspection, unknowable

NOTHING = PruneSurvey(rows=10, going=0, named=0, free_bytes=0, missing_indexes=0)


def _with(contents: Contents | None, verdict: Verdict = Verdict.FINE) -> PlanEntry:
    return entry(verdict, inspection()._replace(contents=contents))


@pytest.mark.parametrize(
    ("of", "may"),
    [
        (_with(TELETHON), True),
        (_with(TELETHON, Verdict.ATTENTION), True),
        (_with(TELETHON._replace(schema_version=7)), True),
        (_with(TELETHON._replace(schema_version=6)), False),
        (_with(TELETHON._replace(schema_version=None)), False),
        (_with(None), False),
        (_with(Contents(ContentsKind.NEWER, 9)), False),
        (_with(TELETHON, Verdict.DAMAGED), False),
        (_with(TELETHON, Verdict.MEND)._replace(actions=(RepairAction.ROLL_BACK,)), False),
        (entry(Verdict.IN_USE, inspection(occupancy=held(1))), False),
        (entry(Verdict.UNKNOWN, inspection(occupancy=unknowable())), False),
    ],
)
def test_only_a_whole_free_session_with_dates_is_pruned(of: PlanEntry, may: bool) -> None:
    assert may_be_pruned(of) is may


def test_a_session_with_something_to_prune_says_what() -> None:
    planned = plan_prune(entry(), NOTHING._replace(going=4, named=1))

    assert (planned.verdict, planned.actions) == (Verdict.PRUNE, (RepairAction.PRUNE,))
    assert [note.code for note in planned.notes] == ["GV161"]
    assert not planned.needs_mending


def test_a_session_with_nothing_to_prune_is_fine() -> None:
    assert plan_prune(entry(Verdict.ATTENTION), NOTHING) == PlanEntry(entry().seen, Verdict.FINE)


def test_what_needs_mending_first_is_skipped_with_its_reason_and_what_is_in_use_stays_that() -> None:
    mend = entry(Verdict.MEND, needs=True)._replace(actions=(RepairAction.ROLL_BACK,))
    used = entry(Verdict.IN_USE, inspection(occupancy=held(1)), needs=True)

    assert leave_unpruned(mend) == PlanEntry(mend.seen, Verdict.SKIPPED, mend.notes)
    assert leave_unpruned(used) == used._replace(needs_mending=False)
    assert leave_unpruned(mend._replace(notes=())).verdict is Verdict.MEND


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (NOTHING, ""),
        (NOTHING._replace(going=3), "3 of 10 entities can go"),
        (NOTHING._replace(going=3, named=2), "3 of 10 entities can go, 2 of them with a name"),
        (NOTHING._replace(free_bytes=4096), "4.1 kB hold nothing"),
        (NOTHING._replace(going=None), "some of 10 entities can go"),
        (NOTHING._replace(going=1, missing_indexes=3), "1 of 10 entities can go; no index for names"),
    ],
)
def test_what_pruning_would_do_is_said(found: PruneSurvey, text: str) -> None:
    assert prune_text(found) == text
    assert found.worth_it is bool(text)


@pytest.mark.parametrize("kind", ContentsKind)
def test_only_half_made_sessions_are_repaired(kind: ContentsKind) -> None:
    half = kind in (ContentsKind.HALF_CREATED, ContentsKind.HALF_MIGRATED)

    assert is_half_made(_with(Contents(kind), Verdict.ATTENTION)) is half
    assert not is_half_made(_with(Contents(kind))._replace(actions=(RepairAction.ROLL_BACK,)))
    assert not is_half_made(_with(None))


@pytest.mark.parametrize(
    ("kind", "code"), [(ContentsKind.HALF_CREATED, "GV123"), (ContentsKind.HALF_MIGRATED, "GV124")]
)
def test_the_repair_of_a_half_made_session_is_planned_with_its_finding(kind: ContentsKind, code: str) -> None:
    planned = plan_schema_repair(_with(Contents(kind, reason="cut short")), schema_repairs({}, []))

    assert [note.code for note in planned.notes] == [code]
    assert planned.notes[0].detail.startswith("cut short; table version, sessions, entities")
    assert (planned.actions, planned.needs_mending) == ((RepairAction.REPAIR_SCHEMA,), True)


@pytest.mark.parametrize(
    ("statements", "text"),
    [
        ((), ""),
        (("ALTER TABLE entities ADD COLUMN date integer",), "column entities.date to be added"),
        (("DELETE FROM version", "INSERT INTO version VALUES (7)"), "version row to be 7"),
        (("CREATE TABLE update_state (id)",), "table update_state to be added"),
    ],
)
def test_what_a_repair_adds_is_said(statements: tuple[str, ...], text: str) -> None:
    assert repair_text(statements) == text


def test_only_what_nothing_can_heal_moves_to_quarantine() -> None:
    damaged = entry(Verdict.DAMAGED, needs=True)
    healable = damaged._replace(actions=(RepairAction.ROLL_BACK,))

    assert plan_quarantine(damaged).actions == (RepairAction.QUARANTINE,)
    assert plan_quarantine(healable) == healable
    assert plan_quarantine(entry()) == entry()
