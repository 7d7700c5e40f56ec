"""Real Telethon clients for tests: surely disconnected, their sessions on tmpfs, their messages awaited."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from telethon import TelegramClient, events
from telethon.sessions import StringSession

from tests.telegram.requests import WAIT_SECONDS, Changes

API_ID, API_HASH = 1, "any hash"
TMPFS = Path("/dev/shm")


@contextlib.contextmanager
def session_folder() -> Iterator[Path]:
    """A folder for session files: Telethon commits at every connect, which is slow on a disk that others use."""
    with tempfile.TemporaryDirectory(prefix="sessions-", dir=TMPFS if TMPFS.is_dir() else None) as folder:
        yield Path(folder)


def client_for(session: Path | str, **options: Any) -> Any:
    """A TelegramClient, not connected: of a session file, or of a string session."""
    return TelegramClient(session if isinstance(session, Path) else StringSession(session), API_ID, API_HASH, **options)


@contextlib.asynccontextmanager
async def connected(session: Path | str, **options: Any) -> AsyncIterator[Any]:
    """A connected TelegramClient; disconnected in the end even if `connect` failed half way."""
    client = client_for(session, **options)
    try:
        await client.connect()
        yield client
    finally:
        await client.disconnect()
        # What ended the connection, if anything did, has been raised to whoever waited; here it is only taken note of.
        await asyncio.gather(client.disconnected, return_exceptions=True)


class Inbox:
    """The texts of the messages that came in at a client's event handler."""

    def __init__(self, client: Any) -> None:
        self.events: list[Any] = []
        self._changes = Changes()
        client.add_event_handler(self._take, events.NewMessage(incoming=True))

    @property
    def texts(self) -> list[str]:
        """The texts so far, in order of arrival."""
        return [event.raw_text for event in self.events]

    async def holds(self, *texts: str, within: float = WAIT_SECONDS) -> list[str]:
        """Wait until all these texts are there, and give all; `within` is loop time in seconds."""
        await self._changes.until(
            lambda: set(texts) <= set(self.texts), within=within, what=lambda: f"{texts} in {self.texts}"
        )
        return self.texts

    async def _take(self, event: Any) -> None:
        self.events.append(event)
        self._changes.happened()
