"""What holds of every plan, whatever was seen."""

from __future__ import annotations

from datetime import timedelta
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from core.findings import FINDINGS
from core.session_files.model import (
    FREE,
    Contents,
    ContentsKind,
    EntryKind,
    Evidence,
    FileInspection,
    FileStat,
    FolderStat,
    HeaderKind,
    JournalHeat,
    Occupancy,
    RepairAction,
    SidecarKind,
    Usage,
    Verdict,
)
from core.session_files.plan import plan_folder
from tests.deciders.builders import NOW, folder, inspection, plan
from tests.deciders.strategies import NO_SESSIONS, inspections, stats

thorough = settings(max_examples=100, deadline=None)
folders = st.builds(folder, st.sampled_from([0o700, 0o750, 0o755, 0o1777]), dedicated=st.booleans())
sessions = inspections(st.just(EntryKind.SESSION))
ages = st.sampled_from([timedelta(0), timedelta(minutes=5), timedelta(days=2)])
foreign = st.sampled_from([ContentsKind.PYROGRAM, ContentsKind.FOREIGN])


@thorough
@given(folders, st.lists(inspections(), max_size=6), st.randoms(use_true_random=False))
def test_the_order_of_the_files_does_not_matter(of: FolderStat, files: list[FileInspection], chance: Random) -> None:
    """Each entry, the folder's notes and the reason for blindness are the same however the folder was read."""
    shuffled = list(files)
    chance.shuffle(shuffled)

    plan_one = plan_folder(of, tuple(files), now=NOW)
    plan_two = plan_folder(of, tuple(shuffled), now=NOW)

    assert {id(one.seen): one for one in plan_one.entries} == {id(one.seen): one for one in plan_two.entries}
    assert (plan_one.notes, plan_one.tighten_folder, plan_one.blind) == (
        plan_two.notes,
        plan_two.tighten_folder,
        plan_two.blind,
    )


@thorough
@given(folders, st.lists(inspections(), max_size=6), ages)
def test_planning_twice_is_equal(of: FolderStat, files: list[FileInspection], min_age: timedelta) -> None:
    """A plan is a value of what was seen and of the moment."""
    once = plan_folder(of, tuple(files), now=NOW, min_age=min_age)
    again = plan_folder(of, tuple(files), now=NOW, min_age=min_age)

    assert once == again


@thorough
@given(inspections())
def test_only_a_free_session_gets_actions(seen: FileInspection) -> None:
    """In use and unknown mean hands off; what is no session is never touched."""
    planned = plan(seen)

    if planned.actions:
        assert seen.occupancy.usage is Usage.FREE
        assert seen.family.kind not in NO_SESSIONS


@thorough
@given(sessions, st.sampled_from([Usage.IN_USE, Usage.UNKNOWN]), st.sampled_from(Evidence))
def test_a_session_in_use_or_unknown_never_has_actions(seen: FileInspection, usage: Usage, evidence: Evidence) -> None:
    """However broken it looks: what a bot is writing always looks broken."""
    planned = plan(seen._replace(occupancy=Occupancy(usage, evidence, "asked")))

    assert planned.actions == ()
    assert planned.verdict in (Verdict.IN_USE, Verdict.UNKNOWN)


@thorough
@given(sessions, st.integers(2, 9))
def test_a_hard_linked_session_never_has_actions(seen: FileInspection, links: int) -> None:
    """The journal of its other name cannot be seen from here."""
    assert seen.family.main is not None
    main = seen.family.main._replace(links=links)

    planned = plan(seen._replace(family=seen.family._replace(main=main)))

    assert planned.actions == ()


@thorough
@given(inspections(), ages)
def test_min_age_never_delays_a_recovery(seen: FileInspection, min_age: timedelta) -> None:
    """What would be done at once is done at once, whatever age is asked for."""
    at_once = plan(seen)
    later = plan(seen, min_age=min_age)

    assert later.actions == at_once.actions
    if at_once.actions:
        assert later == at_once


@thorough
@given(sessions, foreign)
def test_a_foreign_database_never_gets_actions(seen: FileInspection, kind: ContentsKind) -> None:
    """Another library's file is its own, WAL, modes and all; only an empty file has no library."""
    contents = Contents(kind, reason="not ours")

    planned = plan(seen._replace(occupancy=FREE, contents=contents))

    if seen.header.kind is not HeaderKind.EMPTY:
        assert planned.actions == ()


@given(stats)
def test_a_whole_private_session_is_fine_at_any_age(main: FileStat) -> None:
    """Age alone is never a finding."""
    whole = main._replace(size=20 * 4096, mode=0o600, links=1)

    planned = plan(inspection(main=whole))

    assert (planned.verdict, planned.notes, planned.actions) == (Verdict.FINE, (), ())


@thorough
@given(inspections())
def test_every_entry_says_why(seen: FileInspection) -> None:
    """Only a fine session and one in use need no word; each code is one that `explain` knows."""
    planned = plan(seen)

    assert planned.notes or planned.verdict in (Verdict.FINE, Verdict.IN_USE)
    assert {note.code for note in planned.notes} <= FINDINGS.keys()


@thorough
@given(inspections())
def test_what_is_to_be_done_needed_doing(seen: FileInspection) -> None:
    """Actions come with a need, and a verdict of MEND comes with actions."""
    planned = plan(seen)

    if planned.actions:
        assert planned.needs_mending
        assert planned.verdict in (Verdict.MEND, Verdict.DAMAGED)
    if planned.verdict is Verdict.MEND:
        assert planned.actions


@thorough
@given(sessions)
def test_a_hot_journal_is_only_ever_played_back_or_set_aside(seen: FileInspection) -> None:
    """No plan removes what a rollback needs."""
    found = seen.family.sidecar(SidecarKind.JOURNAL)

    planned = plan(seen._replace(occupancy=FREE))

    if found is not None and found.heat is JournalHeat.HOT:
        assert RepairAction.REMOVE_COLD_JOURNAL not in planned.actions
