"""The worst of what is wrong, and since when."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.client.judge_health import (
    LOCKED_AFTER,
    OFFLINE_AFTER,
    WAITING_AFTER,
    Signs,
    Trouble,
    is_final,
    judge_health,
)
from core.client.model import HealthState

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LONG_AGO = NOW - timedelta(hours=1)
WELL = Signs(started_at=LONG_AGO)
BANNED = Trouble(state=HealthState.BANNED, since=LONG_AGO, code="USER_DEACTIVATED_BAN")
ALL_WRONG = replace(
    WELL,
    account=BANNED,
    disconnected_since=LONG_AGO,
    behind_since=LONG_AGO,
    save_failing_since=LONG_AGO,
    flooded_since=LONG_AGO,
    flooded_until=NOW + timedelta(hours=1),
)


def test_nothing_wrong_is_alive_since_the_start_or_the_last_trouble() -> None:
    assert judge_health(WELL, now=NOW) == Trouble(state=HealthState.ALIVE, since=LONG_AGO)
    recovered = judge_health(replace(WELL, recovered_at=NOW), now=NOW)
    assert recovered.since == NOW


@pytest.mark.parametrize(
    ("mended", "worst"),
    [
        ({}, HealthState.BANNED),
        ({"account": None}, HealthState.OFFLINE),
        ({"account": None, "disconnected_since": None}, HealthState.DEAF),
        ({"account": None, "disconnected_since": None, "behind_since": None}, HealthState.LOCKED_OUT),
        (
            {"account": None, "disconnected_since": None, "behind_since": None, "save_failing_since": None},
            HealthState.FLOODED,
        ),
    ],
)
def test_the_worst_comes_first(mended: dict[str, Any], worst: HealthState) -> None:
    assert judge_health(replace(ALL_WRONG, **mended), now=NOW).state is worst


@pytest.mark.parametrize(
    ("sign", "after"),
    [
        ("disconnected_since", OFFLINE_AFTER),
        ("save_failing_since", LOCKED_AFTER),
        ("updates_wait_since", WAITING_AFTER),
    ],
)
def test_what_passes_by_itself_is_no_trouble_yet(sign: str, after: timedelta) -> None:
    changed: dict[str, Any] = {sign: NOW}
    signs = replace(WELL, **changed)

    assert judge_health(signs, now=NOW + after / 2).state is HealthState.ALIVE
    assert judge_health(signs, now=NOW + after).state is not HealthState.ALIVE


@pytest.mark.parametrize(
    ("sign", "state"), [("unanswered_since", HealthState.OFFLINE), ("stopped_since", HealthState.DEAF)]
)
def test_what_does_not_pass_by_itself_is_told_at_once(sign: str, state: HealthState) -> None:
    changed: dict[str, Any] = {sign: NOW}
    judged = judge_health(replace(WELL, **changed), now=NOW)

    assert (judged.state, judged.since) == (state, NOW)


def test_only_the_accounts_own_troubles_are_final() -> None:
    final = {state for state in HealthState if is_final(state)}

    assert final == {HealthState.BANNED, HealthState.REVOKED, HealthState.DUPLICATED, HealthState.FROZEN}


def test_a_flood_wait_ends_at_its_end() -> None:
    signs = replace(WELL, flooded_since=LONG_AGO, flooded_until=NOW, flooded_by="FLOOD_WAIT")

    assert judge_health(signs, now=NOW - timedelta(seconds=1)).state is HealthState.FLOODED
    assert judge_health(signs, now=NOW).state is HealthState.ALIVE


@given(st.integers(0, 10**6))
def test_a_final_state_stays(seconds: int) -> None:
    signs = replace(WELL, account=BANNED)

    assert judge_health(signs, now=NOW + timedelta(seconds=seconds)) == BANNED
