"""A folder on tmpfs, a Telegram with alice, bob and a group, and clients of ours that are stopped at the end."""

import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.client.fleet import Fleet
from tests.client.town import Town
from tests.killing import WarmParent, build_shim
from tests.telegram import Duplicates, Telegram, TelegramThread
from tests.telegram.fixtures import no_leftovers, stay_on_loopback

__all__ = ["no_leftovers", "stay_on_loopback"]  # fixtures for every test here

WARM = ("tests.client.interrupted_process", "core.session_files.mending.apply")


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


@pytest.fixture(scope="session")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmParent]:
    """Forks child processes that have all of the client loaded."""
    shim = build_shim(tmp_path_factory.mktemp("shim"))
    with WarmParent(shim=shim, warm=WARM) as parent:
        yield parent


@pytest.fixture
def server() -> Iterator[TelegramThread]:
    """A Telegram that burns every key it sees on two live connections."""
    with TelegramThread() as server:
        server.call(_be_strict)
        yield server


def _be_strict(telegram: Telegram) -> None:
    telegram.duplicates = Duplicates.TWO_CONNECTIONS | Duplicates.TWO_ADDRESSES


@pytest.fixture
def fleet(server: TelegramThread, parent: WarmParent, folder: Path) -> Fleet:
    """Twenty sessions."""
    return Fleet(server, parent, folder, size=20)


@pytest.fixture
def lone(server: TelegramThread, parent: WarmParent, folder: Path) -> Fleet:
    """A fleet of one session."""
    return Fleet(server, parent, folder, size=1)
