"""A scripted provider, and helpers that ask it."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
import pytest_asyncio

from gpt.openai_utils import GptHelper, GptSettings
from tests.openai_server import OpenAIServer

API_KEY = "sk-secret-of-the-tests"
QUICK = {"model": "gpt-4o-mini", "min_request_interval": 0.0, "base_delay": 0.01, "timeout": 10.0, "deadline": 20.0}
"""No waits but those a test asks for."""


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    """The provider."""
    with OpenAIServer() as running:
        yield running


Helpers = Callable[..., GptHelper]


@pytest_asyncio.fixture
async def helpers(server: OpenAIServer) -> AsyncIterator[Helpers]:
    """Makes helpers with these settings beside the quick ones, and closes them at the end."""
    async with AsyncExitStack() as stack:

        def make(*, redis_url: str | None = None, state: str | None = None, **settings: Any) -> GptHelper:
            helper = GptHelper(
                api_key=API_KEY,
                base_url=server.base_url,
                redis_url=redis_url,
                state=state,
                settings=GptSettings(**{**QUICK, **settings}),
            )
            stack.push_async_callback(helper.aclose)
            return helper

        yield make


@pytest.fixture
def helper(helpers: Helpers) -> GptHelper:
    """One with the quick settings."""
    return helpers()
