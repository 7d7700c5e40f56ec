"""Fixtures for tests with clients; a room's `conftest.py` imports those that it wants, `no_leftovers` always."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from telethon.client import telegrambaseclient

from tests.telegram.clients import session_folder
from tests.telegram.leftovers import collect_leftovers, ignore_what_is_loaded
from tests.telegram.loopback import DEFAULTS
from tests.telegram.server import Telegram


@pytest.fixture(autouse=True)
def no_leftovers() -> Iterator[None]:
    """Collect what Telethon leaves behind after each test; see `tests.telegram.leftovers`."""
    ignore_what_is_loaded()
    yield
    collect_leftovers()


@pytest.fixture(autouse=True)
def stay_on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """See `tests.telegram.loopback`; for one test."""
    for name, value in DEFAULTS.items():
        monkeypatch.setattr(telegrambaseclient, name, value)


@pytest_asyncio.fixture
async def telegram() -> AsyncIterator[Telegram]:
    """A server in the test's own loop."""
    async with Telegram() as server:
        yield server


@pytest.fixture
def sessions() -> Iterator[Path]:
    """A folder for session files on tmpfs."""
    with session_folder() as folder:
        yield folder
