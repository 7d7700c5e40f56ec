"""When nobody is asked any more, and when somebody is again."""

import pytest

from gpt.breaker import Admission, CircuitBreaker, CircuitState
from gpt.errors import (
    AuthenticationFailed,
    CircuitOpen,
    DeadlineExceeded,
    GptError,
    HelperClosed,
    ProviderFailed,
    QuotaExhausted,
    RateLimited,
    RequestRefused,
)


@pytest.fixture
def breaker() -> CircuitBreaker:
    return CircuitBreaker(failures=3, rest=60)


@pytest.fixture
def early(breaker: CircuitBreaker) -> Admission:
    """Of a request that was sent before anything happened."""
    return breaker.admit(0, probe_within=30)


@pytest.fixture
def opened(breaker: CircuitBreaker, early: Admission) -> CircuitBreaker:
    """By an empty account, at 0."""
    breaker.failed(QuotaExhausted("no money"), 0, early)
    return breaker


def probe(breaker: CircuitBreaker, at: float) -> Admission:
    return breaker.admit(at, probe_within=30)


def test_an_empty_account_opens_it_at_once(breaker: CircuitBreaker, early: Admission) -> None:
    assert breaker.failed(QuotaExhausted("no money"), 0, early) is True
    with pytest.raises(CircuitOpen, match="no money") as refused:
        breaker.admit(59, probe_within=30)
    assert refused.value.retry_after == 1


@pytest.mark.parametrize("error", [QuotaExhausted("q"), AuthenticationFailed("a")])
def test_only_one_probe_goes_after_the_rest(breaker: CircuitBreaker, early: Admission, error: GptError) -> None:
    breaker.failed(error, 0, early)

    probe(breaker, 60)
    assert breaker.state(60) is CircuitState.HALF_OPEN
    with pytest.raises(CircuitOpen):
        probe(breaker, 61)
    probe(breaker, 91)


def test_failures_in_a_row_open_it(breaker: CircuitBreaker, early: Admission) -> None:
    assert [breaker.failed(ProviderFailed("500"), at, early) for at in range(3)] == [False, False, True]


def test_a_success_between_them_keeps_it_closed(breaker: CircuitBreaker, early: Admission) -> None:
    breaker.failed(ProviderFailed("500"), 0, early)
    breaker.failed(ProviderFailed("500"), 1, early)
    breaker.succeeded(early)

    assert breaker.failed(ProviderFailed("500"), 2, early) is False
    assert breaker.state(3) is CircuitState.CLOSED


def test_a_refused_request_says_nothing_of_the_provider(breaker: CircuitBreaker, early: Admission) -> None:
    assert [breaker.failed(RequestRefused("400"), at, early) for at in range(9)] == [False] * 9


def test_a_probe_that_succeeds_closes_it(opened: CircuitBreaker) -> None:
    assert opened.succeeded(probe(opened, 60)) is True
    opened.admit(61, probe_within=30)


def test_a_probe_that_fails_starts_the_rest_anew(opened: CircuitBreaker) -> None:
    """Also by a failure of which it would take three."""
    assert opened.failed(ProviderFailed("500"), 61, probe(opened, 60)) is False

    with pytest.raises(CircuitOpen) as refused:
        probe(opened, 62)
    assert refused.value.retry_after == 59


def test_a_probe_that_was_cancelled_makes_room_for_another(opened: CircuitBreaker) -> None:
    opened.abandoned(probe(opened, 60))

    probe(opened, 60.1)


@pytest.mark.parametrize("end", [DeadlineExceeded("late"), HelperClosed("closed")])
def test_an_end_of_the_askers_own_is_no_answer(opened: CircuitBreaker, end: GptError) -> None:
    assert opened.failed(end, 61, probe(opened, 60)) is False

    assert opened.state(61) is CircuitState.OPEN
    probe(opened, 61)


def test_another_process_of_it_does_not_wait_for_a_probe_of_its_parent(opened: CircuitBreaker) -> None:
    probe(opened, 60)
    opened.after_fork()

    probe(opened, 60.1)


def test_in_a_row_means_in_a_row(breaker: CircuitBreaker, early: Admission) -> None:
    """A refused request in between says that the provider is well."""
    ends = [ProviderFailed("500"), ProviderFailed("500"), RequestRefused("400"), ProviderFailed("500")]

    assert [breaker.failed(end, at, early) for at, end in enumerate(ends)] == [False] * 4


@pytest.mark.parametrize("end", [RateLimited("429"), RequestRefused("400")])
def test_no_late_answer_closes_what_has_opened_since(opened: CircuitBreaker, early: Admission, end: GptError) -> None:
    assert opened.failed(end, 1, early) is False
    assert opened.succeeded(early) is False

    assert opened.state(1) is CircuitState.OPEN


def test_no_late_failure_puts_off_the_probe(opened: CircuitBreaker, early: Admission) -> None:
    for at in (10, 30, 59):
        assert opened.failed(QuotaExhausted("no money"), at, early) is False

    probe(opened, 60)


def test_no_late_end_makes_room_for_a_second_probe(opened: CircuitBreaker, early: Admission) -> None:
    probe(opened, 60)
    opened.abandoned(early)
    opened.failed(ProviderFailed("500"), 61, early)

    assert opened.state(61) is CircuitState.HALF_OPEN
    with pytest.raises(CircuitOpen):
        probe(opened, 61)


def test_a_probe_that_was_lost_says_nothing_of_the_next(opened: CircuitBreaker) -> None:
    lost = probe(opened, 60)
    probe(opened, 91)
    opened.abandoned(lost)

    assert (opened.succeeded(lost), opened.state(92)) == (False, CircuitState.HALF_OPEN)


def test_who_was_admitted_before_asks_again_after_a_wait(breaker: CircuitBreaker, early: Admission) -> None:
    assert breaker.admit(5, probe_within=30, held=early) == early

    breaker.failed(QuotaExhausted("no money"), 6, early)
    with pytest.raises(CircuitOpen):
        breaker.admit(7, probe_within=30, held=early)
    held = probe(breaker, 66)
    assert breaker.admit(67, probe_within=30, held=held) == held
    breaker.succeeded(held)
    assert breaker.admit(68, probe_within=30, held=early) not in (early, held)
