"""A folder on tmpfs, a Telegram with alice, bob and a group, and clients of ours that are stopped at the end."""

import os
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from core.client.client import GavatClient
from tests.client.town import Town
from tests.telegram import Telegram

Make = Callable[..., GavatClient]


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


@pytest.fixture
def state(folder: Path) -> Path:
    return folder / "state"


@pytest.fixture
def options() -> dict[str, Any]:
    return {}
