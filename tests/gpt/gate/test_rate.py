"""What a rate promises, before anything waits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt.errors import GptSettingsError
from gpt.gate import Rate


def test_a_least_gap_gets_four_percent_more_and_may_be_late_by_them() -> None:
    rate = Rate.of(min_request_interval=5.0)

    assert (rate.interval, rate.late, rate.token_interval) == (5.2, 0.2, 0.0)


def test_requests_a_minute_are_spread_over_it() -> None:
    """Half of what is left of the window is for the way to the server."""
    rate = Rate.of(min_request_interval=0, requests_per_minute=60)

    assert (rate.interval, rate.late) == (1.04, 1.2)


def test_the_slower_of_both_counts_and_both_promises_hold() -> None:
    by_gap = Rate.of(min_request_interval=5.0, requests_per_minute=60)
    by_window = Rate.of(min_request_interval=5.0, requests_per_minute=6)

    assert (by_gap.interval, by_gap.late) == (5.2, 0.2)
    assert (by_window.interval, by_window.late) == (10.4, 1.2)


def test_no_limit_is_no_limit() -> None:
    assert Rate.of(min_request_interval=0) == Rate(interval=0, late=0, token_interval=0)


def test_tokens_a_minute_are_spread_too() -> None:
    rate = Rate.of(min_request_interval=0, tokens_per_minute=60_000)

    assert rate.interval == 0
    assert rate.token_interval == pytest.approx(0.00104)


def test_an_interval_is_rounded_up_to_whole_microseconds() -> None:
    """Rounded down, 490 in a window had been 491."""
    assert Rate.per_window(490, 1.0).interval == 0.002123
    assert Rate.per_window(7, 0.000_001).interval == 0.000_001


@pytest.mark.parametrize("late", [-1.0, float("nan"), float("inf")])
def test_a_rate_that_cannot_be_is_refused(late: float) -> None:
    with pytest.raises(GptSettingsError, match="late"):
        Rate(interval=1.0, late=late)
    with pytest.raises(GptSettingsError, match="per"):
        Rate.per_window(0, 1.0)


@given(requests=st.integers(1, 5000), window=st.floats(0.05, 3600))
def test_sends_as_late_as_allowed_keep_the_window(requests: int, window: float) -> None:
    """The last `late` seconds of sends before a window may slip into it."""
    rate = Rate.per_window(requests, window)

    assert requests * rate.interval >= window + rate.late


@given(gap=st.floats(0.001, 600), minute=st.one_of(st.none(), st.integers(1, 5000)))
def test_a_late_send_and_a_punctual_one_are_never_nearer_than_the_gap(gap: float, minute: int | None) -> None:
    rate = Rate.of(min_request_interval=gap, requests_per_minute=minute)

    assert rate.interval - rate.late >= gap - 1e-9
    assert minute is None or minute * rate.interval >= 60 + rate.late - 1e-6
