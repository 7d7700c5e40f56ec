"""The rate limit: its windows, its headers, its 429."""

import openai
import pytest
from openai import OpenAI

from tests.openai_server import Kind, OpenAIServer
from tests.openai_server.asking import ask
from tests.openai_server.conftest import MODEL
from tests.openai_server.limits import Limiter, Rule, go_duration


def admitted(limiter: Limiter, *moments: float) -> list[bool]:
    return [limiter.admit(1, now=moment) is None for moment in moments]


def test_a_fixed_window_begins_with_its_first_request() -> None:
    """Twice the limit fits around its edge."""
    limiter = Limiter(Rule(requests=2, window=10))

    assert admitted(limiter, 100, 109, 109.9, 110, 110.1, 119.9, 120) == [True, True, False, True, True, False, True]


def test_a_sliding_window_is_full_until_its_oldest_leaves() -> None:
    limiter = Limiter(Rule(requests=2, window=10, kind=Kind.SLIDING))

    assert admitted(limiter, 100, 109, 109.9, 110, 110.1, 119, 120) == [True, True, False, True, False, True, True]


def test_tokens_are_limited_too() -> None:
    limiter = Limiter(Rule(requests=100, window=10, tokens=50))

    assert limiter.admit(40, now=0) is None
    refusal = limiter.admit(20, now=4)
    assert refusal is not None
    assert refusal.error is not None
    assert (refusal.error["type"], refusal.error["code"]) == ("tokens", "rate_limit_exceeded")
    assert limiter.admit(10, now=5) is None
    assert limiter.headers(5)["x-ratelimit-remaining-tokens"] == "0"


def test_a_reset_is_when_the_whole_limit_is_free_again() -> None:
    fixed = Limiter(Rule(requests=3, window=60))
    sliding = Limiter(Rule(requests=3, window=60, kind=Kind.SLIDING))
    for limiter in (fixed, sliding):
        admitted(limiter, 100, 130)

    assert fixed.headers(130)["x-ratelimit-reset-requests"] == "30s"
    assert sliding.headers(130)["x-ratelimit-reset-requests"] == "1m0s"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *[(0, "0s"), (0.0121, "13ms"), (0.012, "12ms"), (1, "1s"), (1.5, "1.5s"), (59.97, "59.97s")],
        *[(60, "1m0s"), (360, "6m0s"), (61.25, "1m1.25s"), (3600, "1h0m0s"), (86400, "24h0m0s")],
    ],
)
def test_a_duration_reads_as_in_go(seconds: float, text: str) -> None:
    assert go_duration(seconds) == text


def test_the_sdk_sees_the_limit(server: OpenAIServer, client: OpenAI) -> None:
    server.limit(2, 60, retry_after=True)

    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=[{"role": "user", "content": "a b"}])
    ask(client)
    with pytest.raises(openai.RateLimitError, match="Limit 2") as caught:
        ask(client)

    assert raw.headers["x-ratelimit-limit-requests"] == "2"
    assert raw.headers["x-ratelimit-remaining-requests"] == "1"
    assert raw.headers["x-ratelimit-reset-requests"] == "1m0s"
    assert caught.value.code == "rate_limit_exceeded"
    assert 50 < float(caught.value.response.headers["retry-after"]) <= 60
    assert (server.rate_limited, server.counts) == (1, {200: 2, 429: 1})


def test_a_limit_can_keep_quiet(server: OpenAIServer, client: OpenAI) -> None:
    server.limit(1, 60, kind="sliding", headers=False)

    ask(client)
    with pytest.raises(openai.RateLimitError) as caught:
        ask(client)

    named = [name for name in caught.value.response.headers if name.startswith(("x-ratelimit", "retry-after"))]
    assert named == []


def test_a_limit_can_be_lifted(server: OpenAIServer, client: OpenAI) -> None:
    server.limit(1, 60)
    ask(client)

    server.unlimit()

    assert ask(client).choices
