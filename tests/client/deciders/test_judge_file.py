"""Whether a client starts on what was found in its file."""

import pytest

from core.client.judge_file import refusal_of
from core.client.model import FailureKind
from core.session_files.model import (
    Evidence,
    FindingNote,
    Holder,
    Occupancy,
    PlanEntry,
    RepairAction,
    Usage,
    Verdict,
)
from tests.deciders.builders import inspection


def entry(verdict: Verdict, *codes: str, actions: tuple[RepairAction, ...] = ()) -> PlanEntry:
    return PlanEntry(inspection(), verdict, tuple(FindingNote(code, f"about {code}") for code in codes), actions)


@pytest.mark.parametrize(
    "startable",
    [
        entry(Verdict.FINE),
        entry(Verdict.MEND, "GV102", actions=(RepairAction.ROLL_BACK,)),
        entry(Verdict.MEND, "GV111", actions=(RepairAction.TIGHTEN_PERMISSIONS,)),
        entry(Verdict.DAMAGED, "GV120", "GV102", actions=(RepairAction.ROLL_BACK,)),
        entry(Verdict.ATTENTION, "GV107"),
    ],
)
def test_a_session_that_is_or_can_be_made_whole_is_started(startable: PlanEntry) -> None:
    assert refusal_of(startable) is None


@pytest.mark.parametrize(
    ("found", "kind", "retryable"),
    [
        (entry(Verdict.DAMAGED, "GV120"), FailureKind.DAMAGED, False),
        (entry(Verdict.ATTENTION, "GV127"), FailureKind.NOT_LOGGED_IN, False),
        (entry(Verdict.ATTENTION, "GV125"), FailureKind.UNUSABLE, False),
        (entry(Verdict.UNKNOWN, "GV130"), FailureKind.UNUSABLE, True),
        (entry(Verdict.SKIPPED, "GV140"), FailureKind.UNUSABLE, False),
    ],
)
def test_what_cannot_be_started_on_is_refused_by_its_finding(
    found: PlanEntry, kind: FailureKind, retryable: bool
) -> None:
    refusal = refusal_of(found)

    assert refusal is not None
    assert (refusal.failure.kind, refusal.failure.retryable) == (kind, retryable)
    assert refusal.failure.code == found.notes[0].code


def test_a_holder_is_named_with_its_unit() -> None:
    holder = Holder(811, "python bot.py", "bots", None, "shop.service")
    held = Occupancy(Usage.IN_USE, Evidence.OPEN_FILES, "has it open", (holder,))
    refusal = refusal_of(PlanEntry(inspection()._replace(occupancy=held), Verdict.IN_USE))

    assert refusal is not None
    assert "pid 811 (python bot.py) in shop.service" in refusal.failure.reason


def test_a_disk_that_others_may_share_is_left_to_leases_and_locks() -> None:
    shared = Occupancy(Usage.UNKNOWN, Evidence.FILE_SYSTEM, "another machine may have it open")

    assert refusal_of(PlanEntry(inspection()._replace(occupancy=shared), Verdict.UNKNOWN)) is None
