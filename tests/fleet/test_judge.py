"""What a failure means for a bot of a fleet."""

from datetime import UTC, datetime, timedelta

import pytest

from core.client.model import LEASE_CODES, FailureKind, Health, HealthState, StartFailure
from core.fleet.judge import judge_end, judge_start
from core.fleet.model import Verdict
from utils.backoff import BackoffPolicy

BACKOFF = BackoffPolicy(first=timedelta(seconds=5), cap=timedelta(minutes=15), jitter=0)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def failure(kind: FailureKind, *, retryable: bool = False, after: timedelta | None = None) -> StartFailure:
    return StartFailure(kind=kind, code="CODE", reason="a reason", retryable=retryable, retry_after=after)


@pytest.mark.parametrize("kind", [FailureKind.BANNED, FailureKind.DAMAGED, FailureKind.NOT_LOGGED_IN])
def test_what_only_a_person_can_change_is_given_up(kind: FailureKind) -> None:
    judged = judge_start(failure(kind), failures=1, backoff=BACKOFF, chance=0)

    assert (judged.verdict, judged.code, judged.reason) == (Verdict.GIVE_UP, "CODE", "a reason")


@pytest.mark.parametrize("kind", [FailureKind.UNREACHABLE, FailureKind.HELD, FailureKind.REVOKED])
def test_what_may_pass_is_tried_again_at_a_growing_distance(kind: FailureKind) -> None:
    waits = [
        judge_start(failure(kind, retryable=True), failures=count, backoff=BACKOFF, chance=0).after.total_seconds()
        for count in (1, 2, 3)
    ]

    assert waits == [5, 10, 20]


def test_telegrams_own_time_is_kept() -> None:
    told = failure(FailureKind.FLOODED, retryable=True, after=timedelta(hours=1))
    judged = judge_start(told, failures=1, backoff=BACKOFF, chance=0)

    assert (judged.after, judged.stops_wave) == (timedelta(hours=1), True)


def test_an_end_with_a_code_is_final_and_one_without_is_not() -> None:
    ended = Health(state=HealthState.STOPPED, since=NOW)
    banned = Health(state=HealthState.STOPPED, since=NOW, code="USER_DEACTIVATED_BAN", detail="banned")

    assert judge_end(ended, failures=2, backoff=BACKOFF, chance=0).after == timedelta(seconds=10)
    assert judge_end(banned, failures=1, backoff=BACKOFF, chance=0).verdict is Verdict.GIVE_UP


@pytest.mark.parametrize("code", LEASE_CODES)
def test_an_end_without_its_lease_is_waited_out(code: str) -> None:
    """Another host may run it now; when that one is gone, this one takes over."""
    ended = Health(state=HealthState.STOPPED, since=NOW, code=code, detail="pid 5 on eu-2 has it now")

    judged = judge_end(ended, failures=1, backoff=BACKOFF, chance=0)

    assert (judged.verdict, judged.code, judged.reason) == (Verdict.START_AGAIN, code, ended.detail)
