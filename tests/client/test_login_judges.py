"""What a login decides without a disk or a network: where it may begin, and what an answer of Telegram's means."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.client.judge_login import Ground, ground_of, refusal_of_telegrams, replacing
from core.client.model import FailureKind
from core.client.refusal import Refused
from core.session_files.model import EntryKind, FileInspection, JournalHeat, RepairAction
from tests.deciders.builders import (
    LOGGED_OUT,
    NO_HEADER,
    empty_session,
    file_stat,
    held,
    inspection,
    journal,
    not_a_session,
    orphan,
    plan,
    unknowable,
)
from utils.telegram_errors import classify_name


@pytest.mark.parametrize(
    ("seen", "ground"),
    [
        (orphan(), Ground.NOTHING),
        (inspection(), Ground.SESSION),
        (inspection(contents=LOGGED_OUT), Ground.SESSION),
        (inspection(journal()), Ground.SESSION),
        (empty_session(), Ground.EMPTY),
        (empty_session(age=timedelta(0)), Ground.EMPTY),
        (empty_session(journal(JournalHeat.COLD)), Ground.EMPTY),
    ],
)
def test_a_login_may_begin_here(seen: FileInspection, ground: Ground) -> None:
    assert ground_of(plan(seen)) is ground


@pytest.mark.parametrize(
    ("seen", "code"),
    [
        (orphan(journal()), "GV106"),
        (empty_session(journal()), "GV122"),
        (inspection(header=NO_HEADER, contents=None), "GV121"),
        (inspection(occupancy=held(42)), "FILE_OPEN"),
        (inspection(occupancy=unknowable()), "GV131"),
        (not_a_session(EntryKind.NOT_REGULAR), "GV140"),
    ],
)
def test_a_login_must_not_begin_here(seen: FileInspection, code: str) -> None:
    with pytest.raises(Refused) as refused:
        ground_of(plan(seen))

    assert refused.value.failure.code == code
    assert refused.value.hint


@pytest.mark.parametrize("seen", [inspection(), inspection(journal()), inspection(header=NO_HEADER, contents=None)])
def test_whatever_is_free_may_be_replaced(seen: FileInspection) -> None:
    assert replacing(plan(seen)).actions == (RepairAction.LOGIN,)


@pytest.mark.parametrize(
    ("seen", "code"),
    [
        (inspection(occupancy=held(42)), "FILE_OPEN"),
        (inspection(occupancy=unknowable()), "GV131"),
        (inspection(main=file_stat(links=2)), "GV113"),
    ],
)
def test_what_others_may_use_is_not_replaced(seen: FileInspection, code: str) -> None:
    with pytest.raises(Refused) as refused:
        replacing(plan(seen))

    assert refused.value.failure.code == code
    assert refused.value.hint


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("FLOOD_WAIT_45", "45 s"),
        ("FLOOD_WAIT_60", "1 min"),
        ("FLOOD_WAIT_61", "2 min"),
        ("FLOOD_WAIT_3600", "1 h"),
        ("FLOOD_WAIT_83400", "23 h 10 min"),
    ],
)
def test_a_wait_is_told_in_words_and_never_too_short(name: str, said: str) -> None:
    refused = refusal_of_telegrams(classify_name(name), "A wait is required")

    assert str(refused) == f"Telegram asks to wait {said} before the next try"
    assert refused.failure.kind is FailureKind.FLOODED


def test_an_answer_without_words_of_ours_keeps_telegrams() -> None:
    refused = refusal_of_telegrams(classify_name("UPDATE_APP_TO_LOGIN"), "It is required to update")

    assert (str(refused), refused.failure.code) == ("It is required to update", "UPDATE_APP_TO_LOGIN")
    assert refused.hint
