"""What the plan says of a folder."""

from __future__ import annotations

import pytest

from core.session_files.model import EntryKind, Evidence, FileInspection, FolderPlan, FolderStat
from core.session_files.plan import plan_folder
from tests.deciders.builders import (
    NOW,
    OWNER,
    file_stat,
    folder,
    held,
    inspection,
    journal,
    not_a_session,
    unknowable,
)


def planned(of: FolderStat, *files: FileInspection) -> FolderPlan:
    return plan_folder(of, files, now=NOW)


def test_entries_keep_the_order_of_the_files() -> None:
    """One entry a file, in place."""
    files = (inspection(journal()), inspection(), not_a_session(EntryKind.LOOP))

    plan = planned(folder(), *files)

    assert tuple(entry.seen for entry in plan.entries) == files
    assert (plan.notes, plan.tighten_folder, plan.blind) == ((), False, "")


@pytest.mark.parametrize(
    ("mode", "words"), [(0o755, "readable by everyone (0755)"), (0o750, "readable by its group (0750)")]
)
def test_a_folder_of_sessions_that_others_may_enter_is_made_private(mode: int, words: str) -> None:
    """GV112 once for the folder, not once a session."""
    plan = planned(folder(mode), inspection(), not_a_session(EntryKind.ALIAS))

    assert [(note.code, note.detail) for note in plan.notes] == [("GV112", words)]
    assert plan.tighten_folder


@pytest.mark.parametrize(
    ("of", "files"),
    [
        (folder(0o700), (inspection(),)),
        (folder(0o1777), (inspection(),)),
        (folder(0o755, dedicated=False), (inspection(),)),
        (folder(0o755), ()),
        (folder(0o755), (inspection(main=file_stat(uid=OWNER + 1)),)),
        (folder(0o755), (inspection(), inspection(occupancy=unknowable()))),
    ],
    ids=["private", "sticky", "other things in it", "no sessions", "sessions of others", "something unknown"],
)
def test_a_folder_that_others_may_need_keeps_its_mode(of: FolderStat, files: tuple[FileInspection, ...]) -> None:
    """Only a folder for sessions alone, all of its owner and all judged, is closed to others."""
    plan = planned(of, *files)

    assert (plan.notes, plan.tighten_folder) == ((), False)


def test_a_folder_whose_sessions_all_hide_one_way_says_why() -> None:
    """One reason for all: it is said once, for the folder."""
    unasked = inspection(occupancy=unknowable(Evidence.FILE_SYSTEM))

    plan = planned(folder(), unasked, unasked, not_a_session(EntryKind.DANGLING))

    assert plan.blind == "GV132"


def test_a_folder_whose_sessions_hide_in_several_ways_names_the_holder() -> None:
    """Different reasons come down to this: who holds them cannot be known."""
    files = [inspection(occupancy=unknowable(one)) for one in (Evidence.FILE_SYSTEM, Evidence.NONE)]

    plan = planned(folder(), *files)

    assert plan.blind == "GV131"


@pytest.mark.parametrize(
    "files",
    [
        (),
        (not_a_session(EntryKind.NOT_REGULAR),),
        (inspection(), inspection(occupancy=unknowable())),
        (inspection(occupancy=held(41)),),
    ],
    ids=["empty", "no session", "one judged", "in use"],
)
def test_a_folder_with_anything_judged_is_not_blind(files: tuple[FileInspection, ...]) -> None:
    """An answer about one session is an answer."""
    plan = planned(folder(), *files)

    assert plan.blind == ""
