"""What the plan does to a free session that can be put right."""

from __future__ import annotations

import pytest

from core.session_files.model import (
    Contents,
    ContentsKind,
    JournalHeat,
    RepairAction,
    Verdict,
)
from tests.deciders.builders import (
    LOGGED_OUT,
    WAL_HEADER,
    codes,
    family,
    file_stat,
    inspection,
    journal,
    plan,
    shm,
    wal,
)

CHECKPOINTED = (RepairAction.CHECKPOINT, RepairAction.SWITCH_TO_DELETE)


def test_a_hot_journal_is_rolled_back() -> None:
    """GV102: SQLite plays it back."""
    planned = plan(inspection(journal()))

    assert (planned.verdict, codes(planned)) == (Verdict.MEND, ["GV102"])
    assert planned.actions == (RepairAction.ROLL_BACK,)
    assert planned.needs_mending


def test_a_cold_journal_is_removed() -> None:
    """GV101: nothing in it is needed."""
    planned = plan(inspection(journal(JournalHeat.COLD, size=512)))

    assert (planned.verdict, codes(planned)) == (Verdict.MEND, ["GV101"])
    assert planned.notes[0].detail == "cold journal of 512 B left behind"
    assert planned.actions == (RepairAction.REMOVE_COLD_JOURNAL,)


@pytest.mark.parametrize(("frames", "words"), [(1, "1 frame waits"), (3, "3 frames wait")])
def test_frames_in_the_wal_are_checkpointed(frames: int, words: str) -> None:
    """GV104: the newest commits are only there."""
    planned = plan(inspection(wal(frames), shm(), header=WAL_HEADER))

    assert (planned.verdict, codes(planned)) == (Verdict.MEND, ["GV104"])
    assert planned.notes[0].detail == f"{words} in the WAL"
    assert planned.actions == CHECKPOINTED


def test_a_wal_with_nothing_committed_goes_with_the_mode() -> None:
    """GV105: SQLite removes it on the way to DELETE mode."""
    planned = plan(inspection(wal(0, size=0), shm(), header=WAL_HEADER))

    assert (planned.verdict, codes(planned)) == (Verdict.MEND, ["GV105"])
    assert planned.actions == (RepairAction.SWITCH_TO_DELETE,)


def test_wal_mode_is_left_for_delete_mode() -> None:
    """GV103: the next kill would leave a login in the -wal."""
    planned = plan(inspection(header=WAL_HEADER))

    assert (planned.verdict, codes(planned)) == (Verdict.MEND, ["GV103"])
    assert planned.actions == (RepairAction.SWITCH_TO_DELETE,)


def test_a_lone_shm_is_removed() -> None:
    """GV105: an index of a log that is not there."""
    planned = plan(inspection(shm()))

    assert (planned.verdict, codes(planned)) == (Verdict.MEND, ["GV105"])
    assert planned.actions == (RepairAction.REMOVE_SHM,)


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        (0o644, "readable by everyone (0644)"),
        (0o640, "readable by its group (0640)"),
        (0o602, "readable by everyone (0602)"),
    ],
)
def test_a_session_that_others_may_read_is_made_private(mode: int, words: str) -> None:
    """GV111: whoever reads it can log in as the bot."""
    planned = plan(inspection(main=file_stat(mode=mode)))

    assert (planned.verdict, codes(planned)) == (Verdict.MEND, ["GV111"])
    assert planned.notes[0].detail == words
    assert planned.actions == (RepairAction.TIGHTEN_PERMISSIONS,)


def test_permissions_come_last() -> None:
    """The work through SQLite is done first, on the file as it was found."""
    planned = plan(inspection(journal(), main=file_stat(mode=0o644)))

    assert codes(planned) == ["GV102", "GV111"]
    assert planned.actions == (RepairAction.ROLL_BACK, RepairAction.TIGHTEN_PERMISSIONS)


@pytest.mark.parametrize(
    ("kind", "code", "needs"),
    [
        (ContentsKind.HALF_CREATED, "GV123", True),
        (ContentsKind.HALF_MIGRATED, "GV124", True),
        (ContentsKind.NEWER, "GV125", False),
    ],
)
def test_a_half_made_or_newer_session_is_for_people(kind: ContentsKind, code: str, needs: bool) -> None:
    """SQLite has nothing to mend there; what Telethon cannot open asks for a person."""
    planned = plan(inspection(contents=Contents(kind, reason="as read")))

    assert (planned.verdict, codes(planned), planned.actions) == (Verdict.ATTENTION, [code], ())
    assert planned.notes[0].detail == "as read"
    assert planned.needs_mending is needs


@pytest.mark.parametrize("kind", [ContentsKind.PYROGRAM, ContentsKind.FOREIGN])
def test_a_database_of_others_is_left_alone(kind: ContentsKind) -> None:
    """GV126, whatever lies beside it and whoever may read it."""
    contents = Contents(kind, reason="not ours")

    planned = plan(inspection(journal(), header=WAL_HEADER, main=file_stat(mode=0o644), contents=contents))

    assert (planned.verdict, codes(planned), planned.actions) == (Verdict.ATTENTION, ["GV126"], ())


def test_a_session_without_a_key_is_told() -> None:
    """GV127: whole, and nobody logged in."""
    planned = plan(inspection(contents=LOGGED_OUT))

    assert (planned.verdict, codes(planned), planned.actions) == (Verdict.ATTENTION, ["GV127"], ())
    assert not planned.needs_mending


def test_several_login_rows_are_told() -> None:
    """GV128: Telethon takes one of them."""
    two = Contents(ContentsKind.TELETHON, 8, logged_in=True, login_rows=2)

    planned = plan(inspection(contents=two))

    assert (planned.verdict, codes(planned)) == (Verdict.ATTENTION, ["GV128"])
    assert planned.notes[0].detail == "2 rows in the table of logins"


def test_a_sidecar_beside_a_link_is_told() -> None:
    """GV107: SQLite never reads it there."""
    planned = plan(inspection(of=family(note="a.session-journal beside the link")))

    assert (planned.verdict, codes(planned)) == (Verdict.ATTENTION, ["GV107"])


def test_mending_comes_before_what_people_should_know() -> None:
    """A logged-out session with a hot journal is mended, and its lack of a key is told as well."""
    planned = plan(inspection(journal(), contents=LOGGED_OUT))

    assert (planned.verdict, codes(planned)) == (Verdict.MEND, ["GV102", "GV127"])
