"""Two people, a group, and clients of ours on the loopback Telegram."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from telethon import events

from core.client.client import GavatClient
from core.client.model import Health, HealthState
from core.client.settings import ClientSettings
from tests.telegram import Account, Telegram
from tests.telegram.virtual_time import run_virtually, virtual_utc_now


class Town:
    """What a test of the client needs: `alice` has a session file, `bob` writes to her."""

    def __init__(self, telegram: Telegram, folder: Path) -> None:
        self.telegram = telegram
        self.folder = folder
        self.alice = telegram.add_user("alice")
        self.bob = telegram.add_user("bob")
        self.group = telegram.add_supergroup("Ops", members=[self.alice, self.bob])
        self.session = self.alice.session_file(folder / "alice")
        self.session.chmod(0o600)
        self._clients: list[GavatClient] = []

    def client(self, session: Any = None, *, settings: ClientSettings | None = None, **options: Any) -> GavatClient:
        """A client that is not started; alice's file unless another session is given."""
        state = self.folder / "state"
        no_backup = settings or ClientSettings()._replace(backup_every=ClientSettings().backup_every * 0)
        options = {"clock": virtual_utc_now} | options
        client = GavatClient(session or self.session, 1, "hash", settings=no_backup, state=state, **options)
        self._clients.append(client)
        return client

    async def started(self, session: Any = None, **options: Any) -> GavatClient:
        """A client that runs."""
        client = self.client(session, **options)
        assert await client.start(), client.failure
        return client

    async def listening(self, **options: Any) -> tuple[GavatClient, list[str]]:
        """A client of alice's that runs, and the texts that reach her."""
        client, heard = self.client(**options), list[str]()

        @client.on(events.NewMessage(incoming=True))
        async def _hear(event: Any) -> None:
            heard.append(event.raw_text)

        assert await client.start(), client.failure
        return client, heard

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until it holds; the test's own time limit ends a wait in vain."""
        while not condition():  # noqa: ASYNC110  # what is waited for has no event of its own
            await asyncio.sleep(0.01)

    async def state_within(self, client: GavatClient, state: HealthState, seconds: float) -> Health:
        """The health as soon as it shows the state, within so many seconds of loop time."""
        async with asyncio.timeout(seconds):
            while client.health.state is not state:  # noqa: ASYNC110  # a property, judged when it is read
                await asyncio.sleep(0.5)
        return client.health

    def account(self, name: str) -> Account:
        """Another account with a session file of its own, named like it."""
        account = self.telegram.add_user(name)
        account.session_file(self.folder / name).chmod(0o600)
        return account

    async def stop_all(self) -> None:
        """Stop every client that a test made."""
        for client in self._clients:
            await client.stop()


def in_virtual_time(folder: Path, story: Callable[[Town], Coroutine[Any, Any, None]]) -> None:
    """Live through a story whose hours pass in moments."""

    async def live() -> None:
        async with Telegram() as telegram:
            town = Town(telegram, folder)
            try:
                await story(town)
            finally:
                await town.stop_all()

    run_virtually(live())
