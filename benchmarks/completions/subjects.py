"""Who is asked: our helper, the older rule, the bare SDK. Each with its usual numbers, all times scaled alike."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from openai import AsyncOpenAI, OpenAIError

from benchmarks.completions.trace import Question
from benchmarks.peers.bare_gpt import BareGpt
from benchmarks.peers.older_gpt_rule import APOLOGY, OlderGptRule
from gpt.openai_utils import GptError, GptHelper, GptSettings

MODEL = "gpt-loopback"
KEY = "sk-benchmark"
LIMIT = 12
"""Requests that the provider lets through in each minute."""
MINUTE = 60.0

Ask = Callable[[Question], Awaitable[str | None]]
"""Gives the model's text, or None where there is none: an error, or a canned text."""
Subject = Callable[[str, float], AbstractAsyncContextManager[Ask]]
"""Takes the server's base URL and the scale: 1 / 60 makes a minute a second."""


def helper_at(base_url: str, **settings: Any) -> GptHelper:
    """Our own; its limits are off unless the settings say otherwise."""
    values = {"model": MODEL, "temperature": None, "min_request_interval": 0.0, **settings}
    return GptHelper(api_key=KEY, base_url=base_url, settings=GptSettings(**values))


def sdk_at(base_url: str) -> AsyncOpenAI:
    """The SDK as it comes: two retries, with its own waits between them, which are not scaled."""
    return AsyncOpenAI(api_key=KEY, base_url=base_url)


@asynccontextmanager
async def ours(base_url: str, scale: float) -> AsyncIterator[Ask]:
    """The helper as its settings are by default, told of the provider's limit."""
    scaled = {
        "min_request_interval": 5.0,
        "deadline": 300.0,
        "base_delay": 10.0,
        "max_delay": 120.0,
        "cache_ttl": 300.0,
        "breaker_rest": 60.0,
    }
    settings = {name: seconds * scale for name, seconds in scaled.items()}
    helper = helper_at(base_url, requests_per_minute=round(LIMIT / scale), **settings)

    async def ask(question: Question) -> str | None:
        try:
            reply = await helper.ask(
                question.prompt, system=question.system, bot=question.bot, priority=question.priority
            )
        except GptError:
            return None
        return reply.text

    try:
        yield ask
    finally:
        await helper.aclose()


@asynccontextmanager
async def older(base_url: str, scale: float) -> AsyncIterator[Ask]:
    """The rule of the older helper; whoever it apologises to has no answer."""
    async with sdk_at(base_url) as client:
        rule = OlderGptRule(
            client=client,
            model=MODEL,
            min_request_interval=5.0 * scale,
            base_delay=10.0 * scale,
            cache_ttl=300.0 * scale,
        )

        async def ask(question: Question) -> str | None:
            text = await rule.ask(question.prompt, system=question.system)
            return None if text == APOLOGY else text

        yield ask


@asynccontextmanager
async def bare(base_url: str, _scale: float) -> AsyncIterator[Ask]:
    """The SDK alone."""
    async with sdk_at(base_url) as client:
        sdk = BareGpt(client, MODEL)

        async def ask(question: Question) -> str | None:
            try:
                return await sdk.ask(question.prompt, system=question.system)
            except OpenAIError:
                return None

        yield ask


SUBJECTS: Mapping[str, Subject] = {"ours": ours, "older": older, "bare": bare}
