"""A scripted provider, helpers that ask it, and a Valkey that they share."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from gpt import figures
from gpt.openai_utils import GptHelper, GptSettings, set_default_helper
from tests.openai_server import OpenAIServer
from tests.valkey import Valkey, build_clock

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


@pytest.fixture(scope="session")
def running_valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """For all tests of this folder; its clock can be moved."""
    folder = tmp_path_factory.mktemp("valkey")
    with Valkey(folder, clock=build_clock(folder)) as server:
        yield server


@pytest.fixture
def valkey(running_valkey: Valkey) -> Valkey:
    """Emptied; a test leaves it running."""
    running_valkey.empty()
    return running_valkey


@pytest.fixture
def mortal_valkey(tmp_path: Path) -> Iterator[Valkey]:
    """One of a test's own, to be killed and started again."""
    folder = tmp_path / "valkey"
    folder.mkdir()
    with Valkey(folder) as server:
        yield server


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process of which no other helper is known, and none is its default."""
    monkeypatch.setattr(figures, "_helpers", type(figures._helpers)())
    set_default_helper(None)
    yield
    set_default_helper(None)
