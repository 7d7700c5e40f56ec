"""Connections that end young are tried again at a growing distance."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from core.client.pace import SETTLED, ReconnectPace
from utils.backoff import BackoffPolicy

POLICY = BackoffPolicy(first=timedelta(seconds=1), factor=2, cap=timedelta(seconds=30), jitter=0.5)


def test_the_first_connection_comes_at_once() -> None:
    assert ReconnectPace(POLICY).delay(0.0, chance=0) == timedelta(0)


def test_after_a_settled_connection_the_next_comes_at_once() -> None:
    pace = ReconnectPace(POLICY)
    pace.began(0.0)

    assert pace.delay(SETTLED.total_seconds(), chance=0) == timedelta(0)


def test_short_lives_are_met_with_growing_waits_up_to_the_cap() -> None:
    pace, waits = ReconnectPace(POLICY), []
    for now in range(8):
        pace.began(float(now))
        waits.append(pace.delay(now + 0.5, chance=0).total_seconds())

    assert waits == [1, 2, 4, 8, 16, 30, 30, 30]


@given(st.integers(0, 10**6), st.floats(0, 1, exclude_max=True))
def test_a_wait_is_never_longer_than_the_cap_nor_shorter_than_jitter_allows(failures: int, chance: float) -> None:
    wait = POLICY.delay(failures, chance=chance)

    assert timedelta(0) <= wait <= POLICY.cap
    assert failures == 0 or wait >= POLICY.first / 2
