"""Rotation of backups: which stay, for any history."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from core.session_files.backups.rotation import RotationPolicy, staying

START = datetime(2026, 3, 2, tzinfo=UTC)  # a Monday
moments = st.integers(0, 60 * 24 * 400).map(lambda minutes: START + timedelta(minutes=minutes))
histories = st.lists(moments, max_size=60)
policies = st.builds(RotationPolicy, st.integers(1, 6), st.integers(0, 6), st.integers(0, 6))


@given(histories, policies)
def test_the_newest_always_stays(history: list[datetime], policy: RotationPolicy) -> None:
    """And as many of the newest as the policy says."""
    kept = staying(history, policy)

    assert set(sorted(set(history))[-policy.newest :]) <= kept


@given(histories, policies)
def test_no_more_stay_than_the_policy_counts(history: list[datetime], policy: RotationPolicy) -> None:
    """Room on the disk is bounded, and nothing stays that was not there."""
    kept = staying(history, policy)

    assert len(kept) <= policy.newest + policy.daily + policy.weekly
    assert kept <= set(history)


@given(histories, policies)
def test_rotating_twice_is_rotating_once(history: list[datetime], policy: RotationPolicy) -> None:
    """What stayed stays until another backup comes."""
    kept = staying(history, policy)

    assert staying(kept, policy) == kept


@given(histories, policies, st.randoms())
def test_the_order_does_not_matter(history: list[datetime], policy: RotationPolicy, random: object) -> None:
    """A listing may come in any order."""
    shuffled = list(history)
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    assert staying(shuffled, policy) == staying(history, policy)


@given(histories, policies, st.integers(1, 60 * 24 * 40))
def test_a_new_backup_brings_none_back_that_had_to_go(
    history: list[datetime], policy: RotationPolicy, minutes: int
) -> None:
    """So removing at once loses nothing that would be wanted later."""
    new = max(history, default=START) + timedelta(minutes=minutes)

    assert staying([*history, new], policy) - {new} <= staying(history, policy)


@given(histories, policies)
def test_taking_one_after_another_ends_as_rotating_all_at_once(history: list[datetime], policy: RotationPolicy) -> None:
    """What was removed on the way is missed by no later rotation."""
    kept: frozenset[datetime] = frozenset()
    for moment in sorted(history):
        kept = staying([*kept, moment], policy)

    assert kept == staying(history, policy)


@given(histories, policies)
def test_the_last_of_each_recent_day_and_week_stays(history: list[datetime], policy: RotationPolicy) -> None:
    """Days and weeks without a backup are not counted."""
    kept = staying(history, policy)

    days = {moment.date(): moment for moment in sorted(history)}
    weeks = {moment.isocalendar()[:2]: moment for moment in sorted(history)}
    assert set(list(days.values())[::-1][: policy.daily]) <= kept
    assert set(list(weeks.values())[::-1][: policy.weekly]) <= kept


def test_half_a_year_of_hourly_backups_by_default() -> None:
    """Seven of today (a Friday), the last of six days before, and the Sundays of the two weeks before those."""
    history = [START + timedelta(hours=hour) for hour in range(24 * 180)]
    last = history[-1]

    kept = sorted(staying(history, RotationPolicy()), reverse=True)

    assert kept[:7] == [last - timedelta(hours=hour) for hour in range(7)]
    assert [moment.date() for moment in kept[7:13]] == [(last - timedelta(days=day)).date() for day in range(1, 7)]
    assert [moment.isoweekday() for moment in kept[13:]] == [7, 7]


def test_a_day_is_a_day_of_utc() -> None:
    """Whatever zone the caller's moments are in."""
    tokyo = timezone(timedelta(hours=9))
    one, other = (
        datetime(2026, 5, 2, 8, tzinfo=tokyo),
        datetime(2026, 5, 2, 10, tzinfo=tokyo),
    )  # 1 May 23:00, 2 May 01:00

    assert staying([one, other], RotationPolicy(newest=1, daily=2, weekly=0)) == {one, other}
