"""A folder on tmpfs, a Telegram with alice, bob and a group, and clients of ours that are stopped at the end."""

import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.client.town import Town
from tests.telegram import Telegram
from tests.telegram.fixtures import no_leftovers

__all__ = ["no_leftovers"]  # a fixture for every test here


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Private, and in memory where the machine has such a place: commits on a shared disk take their time."""
    shm = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shm if os.access(shm, os.W_OK) else tmp_path) as name:
        yield Path(name)


@pytest_asyncio.fixture
async def town(folder: Path) -> AsyncIterator[Town]:
    async with Telegram() as telegram:
        town = Town(telegram, folder)
        yield town
        await town.stop_all()
