"""What the plan says of files that are damaged, empty or too young to judge."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.session_files.model import (
    Contents,
    ContentsKind,
    JournalHeat,
    RepairAction,
    Sidecar,
    Verdict,
)
from tests.deciders.builders import (
    NO_HEADER,
    PAGE,
    TELETHON,
    UNREAD_HEADER,
    WAL_HEADER,
    codes,
    empty_session,
    file_stat,
    inspection,
    journal,
    plan,
    wal,
)

DAMAGED_INSIDE = Contents(ContentsKind.DAMAGED, reason="page 5 cannot be read: it is no b-tree page")


def test_missing_pages_are_damage() -> None:
    """GV120 names the first page that the file ends before."""
    planned = plan(inspection(main=file_stat(4 * PAGE), contents=None))

    assert (planned.verdict, codes(planned), planned.actions) == (Verdict.DAMAGED, ["GV120"], ())
    assert planned.notes[0].detail == "page 5 cannot be read: the file ends before it"
    assert planned.needs_mending


def test_missing_pages_that_a_journal_brings_back_are_no_damage() -> None:
    """A transaction that shrank the file leaves it short until its hot journal is played back."""
    planned = plan(inspection(journal(), main=file_stat(4 * PAGE)))

    assert (planned.verdict, planned.actions) == (Verdict.MEND, (RepairAction.ROLL_BACK,))


def test_a_page_that_does_not_fit_is_damage() -> None:
    """GV120 with what was read."""
    planned = plan(inspection(contents=DAMAGED_INSIDE))

    assert (planned.verdict, codes(planned), planned.actions) == (Verdict.DAMAGED, ["GV120"], ())
    assert planned.notes[0].detail == DAMAGED_INSIDE.reason


def test_recovery_of_a_damaged_session_is_tried() -> None:
    """Its journal may be the cure, so the verdict stands and the playing back is planned."""
    planned = plan(inspection(journal(), contents=DAMAGED_INSIDE, main=file_stat(mode=0o644)))

    assert (planned.verdict, codes(planned)) == (Verdict.DAMAGED, ["GV120", "GV102"])
    assert planned.actions == (RepairAction.ROLL_BACK,)


def test_a_damaged_session_with_nothing_to_play_back_is_left_as_it_is() -> None:
    """WAL mode without a -wal is no cure: what cannot be read is not rewritten, it may be another library's."""
    planned = plan(inspection(header=WAL_HEADER, contents=DAMAGED_INSIDE))

    assert (planned.verdict, planned.actions) == (Verdict.DAMAGED, ())


@pytest.mark.parametrize(
    ("age", "verdict"), [(timedelta(seconds=5), Verdict.UNKNOWN), (timedelta(hours=1), Verdict.DAMAGED)]
)
def test_missing_pages_of_a_file_in_wal_mode_are_damage_too(age: timedelta, verdict: Verdict) -> None:
    """Only a journal or a -wal could bring them; a young file may still be arriving."""
    planned = plan(inspection(header=WAL_HEADER, main=file_stat(4 * PAGE, age=age)))

    assert (planned.verdict, planned.actions) == (verdict, ())


def test_a_file_that_is_no_database_is_damaged() -> None:
    """GV121 from its first bytes."""
    planned = plan(inspection(header=NO_HEADER, contents=DAMAGED_INSIDE))

    assert (planned.verdict, codes(planned), planned.actions) == (Verdict.DAMAGED, ["GV121"], ())
    assert planned.needs_mending


def test_a_torn_header_that_a_journal_mends_is_no_damage() -> None:
    """What the pages hold with the journal laid over them counts, not the first bytes of today."""
    planned = plan(inspection(journal(), header=NO_HEADER, contents=TELETHON))

    assert (planned.verdict, planned.actions) == (Verdict.MEND, (RepairAction.ROLL_BACK,))


def test_a_file_whose_first_bytes_cannot_be_read_says_so() -> None:
    """GV143: an unreadable file is not accused of being no database."""
    planned = plan(inspection(header=UNREAD_HEADER, contents=None))

    assert (codes(planned), planned.actions) == (["GV143"], ())


def test_an_empty_session_is_damaged() -> None:
    """GV122: Telethon would silently make it a new one."""
    planned = plan(empty_session())

    assert (planned.verdict, codes(planned), planned.actions) == (Verdict.DAMAGED, ["GV122"], ())
    assert planned.needs_mending


@pytest.mark.parametrize("sidecar", [journal(), wal()], ids=["hot journal", "frames"])
def test_what_lies_beside_an_empty_session_is_set_aside(sidecar: Sidecar) -> None:
    """SQLite deletes the sidecars of an empty database at its next open, so they go first."""
    planned = plan(empty_session(sidecar))

    assert (planned.verdict, codes(planned)) == (Verdict.DAMAGED, ["GV122", "GV106"])
    assert planned.actions == (RepairAction.SET_ASIDE,)


def test_needless_sidecars_of_an_empty_session_are_removed() -> None:
    """A cold journal holds nothing, beside an empty file as well."""
    planned = plan(empty_session(journal(JournalHeat.COLD, size=0)))

    assert (planned.verdict, codes(planned)) == (Verdict.DAMAGED, ["GV122", "GV101"])
    assert planned.actions == (RepairAction.REMOVE_COLD_JOURNAL,)


@pytest.mark.parametrize("seconds", [0, 5, 59, -2])
def test_what_was_written_moments_ago_is_not_called_damaged(seconds: int) -> None:
    """GV130: it may be a copy that is still arriving."""
    planned = plan(empty_session(age=timedelta(seconds=seconds)))

    assert (planned.verdict, codes(planned), planned.actions) == (Verdict.UNKNOWN, ["GV130"], ())
    assert planned.notes[0].detail == f"0 B, but written {seconds} s ago"
    assert not planned.needs_mending


@pytest.mark.parametrize("seconds", [60, 3600, -3600], ids=["a minute", "an hour", "in the future"])
def test_an_old_or_future_time_excuses_nothing(seconds: int) -> None:
    """The guard ends at a minute, and a clock that ran ahead does not lengthen it."""
    planned = plan(empty_session(age=timedelta(seconds=seconds)))

    assert planned.verdict is Verdict.DAMAGED


def test_min_age_lengthens_the_guard_and_never_shortens_it() -> None:
    """Ten minutes when asked for; at least the minute otherwise."""
    young = empty_session(age=timedelta(minutes=5))
    fresh = empty_session(age=timedelta(seconds=30))

    assert plan(young, min_age=timedelta(minutes=10)).verdict is Verdict.UNKNOWN
    assert plan(young).verdict is Verdict.DAMAGED
    assert plan(fresh, min_age=timedelta(seconds=1)).verdict is Verdict.UNKNOWN
