"""What is finally said of a session."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.session_files.model import Contents, ContentsKind, Outcome, PlanEntry, RepairAction, Verdict
from core.session_files.verdicts import WORST_FIRST, count_states, state_of, still_needs
from tests.deciders.builders import (
    LOGGED_OUT,
    TELETHON,
    empty_session,
    entry,
    family,
    inspection,
    journal,
    orphan,
    report,
    result,
)

TO_MEND = entry(Verdict.MEND, inspection(journal()), needs=True)
EMPTY = entry(Verdict.DAMAGED, empty_session(journal()), needs=True)
ORPHAN = entry(Verdict.MEND, orphan(journal()), needs=True)
HANDED_OVER = entry(Verdict.MEND)._replace(actions=(RepairAction.MOVE,))
PRUNABLE = entry(Verdict.PRUNE)._replace(actions=(RepairAction.PRUNE,))
DAMAGED, SALVAGED, RESTORED = (
    entry(Verdict.DAMAGED, needs=True)._replace(actions=(action,))
    for action in (RepairAction.QUARANTINE, RepairAction.SALVAGE, RepairAction.RESTORE)
)


@pytest.mark.parametrize("verdict", Verdict)
def test_without_work_the_verdict_is_what_is_said(verdict: Verdict) -> None:
    """A dry run, or nothing to be done."""
    assert state_of(entry(verdict), None) == verdict.value


@pytest.mark.parametrize("needs", [True, False])
def test_without_work_the_need_is_that_of_the_plan(needs: bool) -> None:
    """Nobody has done anything about it."""
    assert still_needs(entry(Verdict.DAMAGED, needs=needs), None) is needs


@pytest.mark.parametrize(
    ("of", "outcome", "after", "code", "state", "needs"),
    [
        (TO_MEND, Outcome.DONE, TELETHON, None, "mended", False),
        (TO_MEND, Outcome.DONE, None, None, "mended", False),
        (ORPHAN, Outcome.DONE, None, None, "set aside", False),
        (TO_MEND, Outcome.DONE, LOGGED_OUT, None, "look at", False),
        (TO_MEND, Outcome.DONE, Contents(ContentsKind.NEWER, 9, logged_in=True), None, "look at", False),
        (TO_MEND, Outcome.DONE, Contents(ContentsKind.HALF_CREATED), None, "look at", True),
        (TO_MEND, Outcome.DONE, Contents(ContentsKind.HALF_MIGRATED), None, "look at", True),
        (EMPTY, Outcome.DONE, None, None, "damaged", True),
        (PRUNABLE, Outcome.DONE, None, None, "pruned", False),
        (DAMAGED, Outcome.DONE, None, None, "quarantined", False),
        (SALVAGED, Outcome.DONE, TELETHON, None, "mended", False),
        (RESTORED, Outcome.DONE, TELETHON, None, "mended", False),
        (SALVAGED, Outcome.DONE, LOGGED_OUT, None, "look at", False),
        (HANDED_OVER, Outcome.DONE, None, None, "moved", False),
        (TO_MEND, Outcome.LEFT_ALONE, None, "GV142", "left alone", False),
        (EMPTY, Outcome.LEFT_ALONE, None, "GV142", "left alone", False),
        (TO_MEND, Outcome.FAILED, None, "GV150", "failed", True),
        (TO_MEND, Outcome.FAILED, None, "GV120", "damaged", True),
    ],
    ids=[
        "mended",
        "mode only",
        "orphan set aside",
        "no key inside",
        "newer schema inside",
        "half-created inside",
        "half-migrated inside",
        "still empty",
        "entities pruned",
        "moved to quarantine",
        "salvaged",
        "restored",
        "salvaged without its login",
        "handed over",
        "in use since",
        "empty, in use since",
        "failed",
        "found damaged",
    ],
)
def test_what_the_work_made_of_it_is_said(
    of: PlanEntry, outcome: Outcome, after: Contents | None, code: str | None, state: str, needs: bool
) -> None:
    """Mended is only what can be started; what failed or cannot start still needs somebody."""
    done = result(of, outcome, after=after, code=code)

    assert (state_of(of, done), still_needs(of, done)) == (state, needs)


def test_states_are_counted_worst_first() -> None:
    """Those that do not occur are left out; results count where there are some."""
    fine = entry(Verdict.FINE, inspection(of=family(name="fine")))
    damaged = entry(Verdict.DAMAGED, inspection(of=family(name="damaged")))
    worked_on = entry(Verdict.MEND, inspection(of=family(name="worked_on")))

    counts = count_states([report([fine, worked_on, damaged], [result(worked_on, Outcome.FAILED)]), report([fine])])

    assert list(counts.items()) == [("failed", 1), ("damaged", 1), ("fine", 2)]


def test_every_state_that_can_be_said_is_in_the_order() -> None:
    """Verdicts and outcomes, each once: nothing else is ever said."""
    assert sorted(WORST_FIRST) == sorted(
        [one.value for one in Verdict]
        + [one.value for one in Outcome]
        + ["set aside", "pruned", "quarantined", "moved"]
    )
    assert WORST_FIRST[0] == "failed"
    assert WORST_FIRST[-1] == "fine"


@given(
    st.builds(entry, st.sampled_from(Verdict), st.sampled_from([inspection(journal()), empty_session(), orphan()])),
    st.sampled_from(Outcome),
    st.none() | st.builds(Contents, st.sampled_from(ContentsKind), logged_in=st.sampled_from([None, True, False])),
    st.sampled_from([None, "GV120", "GV142", "GV150"]),
)
def test_what_is_called_fine_or_mended_needs_nothing(
    of: PlanEntry, outcome: Outcome, after: Contents | None, code: str | None
) -> None:
    """Whoever starts the sessions that are fine or mended starts nothing that is not whole."""
    done = result(of, outcome, after=after, code=code)

    if state_of(of, done) in ("fine", "mended"):
        assert not still_needs(of, done)
