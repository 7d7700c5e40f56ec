"""When nobody is asked any more, and when somebody is again."""

import pytest

from gpt.breaker import CircuitBreaker, CircuitState
from gpt.errors import AuthenticationFailed, CircuitOpen, GptError, ProviderFailed, QuotaExhausted, RequestRefused


@pytest.fixture
def breaker() -> CircuitBreaker:
    return CircuitBreaker(failures=3, rest=60)


def test_an_empty_account_opens_it_at_once(breaker: CircuitBreaker) -> None:
    breaker.admit(0, probe_within=30)

    assert breaker.failed(QuotaExhausted("no money"), 0) is True
    with pytest.raises(CircuitOpen, match="no money") as refused:
        breaker.admit(59, probe_within=30)
    assert refused.value.retry_after == 1


@pytest.mark.parametrize("error", [QuotaExhausted("q"), AuthenticationFailed("a")])
def test_only_one_probe_goes_after_the_rest(breaker: CircuitBreaker, error: GptError) -> None:
    breaker.failed(error, 0)

    breaker.admit(60, probe_within=30)
    assert breaker.state(60) is CircuitState.HALF_OPEN
    with pytest.raises(CircuitOpen):
        breaker.admit(61, probe_within=30)
    breaker.admit(91, probe_within=30)


def test_failures_in_a_row_open_it(breaker: CircuitBreaker) -> None:
    assert [breaker.failed(ProviderFailed("500"), at) for at in range(3)] == [False, False, True]


def test_a_success_between_them_keeps_it_closed(breaker: CircuitBreaker) -> None:
    breaker.failed(ProviderFailed("500"), 0)
    breaker.failed(ProviderFailed("500"), 1)
    breaker.succeeded()

    assert breaker.failed(ProviderFailed("500"), 2) is False
    assert breaker.state(3) is CircuitState.CLOSED


def test_a_refused_request_says_nothing_of_the_provider(breaker: CircuitBreaker) -> None:
    assert [breaker.failed(RequestRefused("400"), at) for at in range(9)] == [False] * 9


def test_a_probe_that_succeeds_closes_it(breaker: CircuitBreaker) -> None:
    breaker.failed(QuotaExhausted("q"), 0)
    breaker.admit(60, probe_within=30)

    assert breaker.succeeded() is True
    breaker.admit(61, probe_within=30)


def test_a_probe_that_fails_starts_the_rest_anew(breaker: CircuitBreaker) -> None:
    breaker.failed(QuotaExhausted("q"), 0)
    breaker.admit(60, probe_within=30)
    breaker.failed(ProviderFailed("500"), 61)

    with pytest.raises(CircuitOpen) as refused:
        breaker.admit(62, probe_within=30)
    assert refused.value.retry_after == 59


def test_a_probe_that_was_cancelled_makes_room_for_another(breaker: CircuitBreaker) -> None:
    breaker.failed(QuotaExhausted("q"), 0)
    breaker.admit(60, probe_within=30)
    breaker.abandoned()

    breaker.admit(60.1, probe_within=30)


def test_another_process_of_it_does_not_wait_for_a_probe_of_its_parent(breaker: CircuitBreaker) -> None:
    breaker.failed(QuotaExhausted("q"), 0)
    breaker.admit(60, probe_within=30)
    breaker.after_fork()

    breaker.admit(60.1, probe_within=30)


def test_in_a_row_means_in_a_row(breaker: CircuitBreaker) -> None:
    """A refused request in between says that the provider is well."""
    ends = [ProviderFailed("500"), ProviderFailed("500"), RequestRefused("400"), ProviderFailed("500")]

    assert [breaker.failed(end, at) for at, end in enumerate(ends)] == [False] * 4
