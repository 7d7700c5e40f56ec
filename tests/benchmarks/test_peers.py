"""The peers do what is said of them, at a real server: a peer that is worse than the original would flatter us."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import openai
import pytest
import pytest_asyncio
from openai import AsyncOpenAI

from benchmarks.peers.bare_gpt import BareGpt
from benchmarks.peers.older_gpt_rule import APOLOGY, OlderGptRule
from tests.openai_server import Answer, Hint, OpenAIServer, Wait, answer_to

AT_ONCE = Wait(0.001, Hint.MILLISECONDS)


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as running:
        yield running


@pytest_asyncio.fixture
async def client(server: OpenAIServer) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(api_key="sk-peer", base_url=server.base_url) as opened:
        yield opened


def rule(client: AsyncOpenAI, **numbers: float) -> OlderGptRule:
    values = {"min_request_interval": 0.0, "base_delay": 0.0, **numbers}
    return OlderGptRule(client=client, model="m", **values)  # type: ignore[arg-type]  # max_retries is left alone


@pytest.mark.asyncio
async def test_the_older_rule_keeps_replies_by_prompt_and_persona(server: OpenAIServer, client: AsyncOpenAI) -> None:
    older = rule(client)

    texts = [await older.ask(prompt, system=system) for prompt, system in [("a", "x"), ("a", "x"), ("a", "y")]]

    assert texts == [answer_to("a")] * 3
    assert len(server.requests) == 2


@pytest.mark.asyncio
async def test_the_older_rule_forgets_replies(server: OpenAIServer, client: AsyncOpenAI) -> None:
    older = rule(client, cache_ttl=0.0)

    for _turn in range(2):
        await older.ask("a", system="x")

    assert len(server.requests) == 2


@pytest.mark.asyncio
async def test_the_older_rule_spaces_only_what_comes_one_by_one(server: OpenAIServer, client: AsyncOpenAI) -> None:
    """Whoever comes while others wait reads the same last time, and goes with them."""
    older = rule(client, min_request_interval=0.3)
    await older.ask("first", system="x")

    await asyncio.gather(*(older.ask(f"{number}", system="x") for number in range(5)))

    first, *others = (request.at for request in server.requests)
    assert min(others) - first > 0.25
    assert max(others) - min(others) < 0.9  # in turns it would be 1.2


@pytest.mark.asyncio
async def test_the_older_rule_tries_twice_and_apologises(server: OpenAIServer, client: AsyncOpenAI) -> None:
    """Two attempts, of each the SDK makes three."""
    server.answer(Answer.rate_limited(wait=AT_ONCE))

    assert await rule(client).ask("a", system="x") == APOLOGY
    assert server.counts == {429: 6}


@pytest.mark.asyncio
async def test_the_bare_sdk_keeps_nothing_and_raises(server: OpenAIServer, client: AsyncOpenAI) -> None:
    bare = BareGpt(client, "m")

    texts = [await bare.ask("a", system="x") for _turn in range(2)]
    server.answer(Answer.rate_limited(wait=AT_ONCE))
    with pytest.raises(openai.RateLimitError):
        await bare.ask("b", system="x")

    assert texts == [answer_to("a")] * 2
    assert server.counts == {200: 2, 429: 3}
