"""A fleet of bots: one `GavatClient` a session, started in a wave and supervised in one task group."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path
from typing import Any

from core.client.client import GavatClient
from core.client.settings import ClientSettings
from core.client.termination import on_sigterm
from core.errors import ConfigError, GavatError
from core.fleet.handlers import Counts, Ears, Handler, Handlers, group_messages, private_messages
from core.fleet.model import BotStatus
from core.fleet.settings import FleetSettings, fleet_settings
from core.fleet.supervise import Supervisor
from core.fleet.wave import Wave
from core.session_files.looking.listing import Listing
from core.session_files.model import EntryKind
from utils.clock import Clock, utc_now

logger = logging.getLogger("gavatcore.fleet")


class BotController:
    """Runs the bots of session files, or of all those in folders.

        fleet = BotController("sessions/", api_id=…, api_hash=…)

        @fleet.on_private
        async def answer(event): …

        asyncio.run(fleet.run())

    Options that are not named here are Telethon's, the same for every bot. Without `settings` (and `clients`, `api_id`,
    `api_hash`) the environment and `gavat.toml` count. Raises ConfigError for a setting that cannot be read.
    """

    def __init__(
        self,
        *sessions: str | Path,
        api_id: int | None = None,
        api_hash: str | None = None,
        settings: FleetSettings | None = None,
        clients: ClientSettings | None = None,
        state: str | Path | None = None,
        clock: Clock = utc_now,
        **options: Any,
    ) -> None:
        self._sessions = [str(one) for one in sessions]
        self._settings = settings or fleet_settings(os.environ)
        self._clock = clock
        self._api = (api_id, api_hash)
        self._of_clients: dict[str, Any] = {"settings": clients, "state": state, "clock": clock, **options}
        self._handlers = Handlers()
        self._wave = Wave(self._settings)
        self._bots: dict[str, _Bot] = {}
        self._runner: asyncio.Task[None] | None = None
        self._group: asyncio.TaskGroup | None = None
        self._stop_wanted = asyncio.Event()

    # Handlers

    def on_private(self, handler: Handler) -> Handler:
        """Call `handler` for each message that a person writes to a bot; a method, and a decorator."""
        self.add_event_handler(handler, private_messages())
        return handler

    def on_group(self, handler: Handler) -> Handler:
        """Call `handler` for each message in a group that a bot is in; a method, and a decorator."""
        self.add_event_handler(handler, group_messages())
        return handler

    def add_event_handler(self, handler: Handler, event: Any) -> None:
        """Have every bot call `handler` for an event of Telethon's, now and later ones too."""
        self._handlers.add(handler, event)
        for bot in self._bots.values():
            bot.ears.add(handler, event)

    def remove_event_handler(self, handler: Handler) -> None:
        """Have no bot call it any more."""
        self._handlers.remove(handler)
        for bot in self._bots.values():
            bot.ears.remove(handler)

    # Looking

    def statuses(self) -> tuple[BotStatus, ...]:
        """Every bot, by path."""
        return tuple(bot.supervisor.status() for _path, bot in sorted(self._bots.items()))

    def client(self, name: str) -> GavatClient:
        """The bot of that name or path; raises GavatError when there is none."""
        for path, bot in self._bots.items():
            if name in (path, bot.supervisor.client.name):
                return bot.supervisor.client
        raise GavatError(f"no bot {name!r} in this fleet", hint="statuses() lists them")

    # Running

    async def run(self) -> None:
        """Start all, and serve until `stop()` or SIGTERM; then stop all."""
        with on_sigterm(self._stop_wanted.set):
            await self.start()
            try:
                await self._stop_wanted.wait()
            finally:
                await self.stop()

    async def start(self) -> None:
        """Begin to start the bots, in the background; raises ConfigError when a folder cannot be read."""
        if self._runner is None:
            self._stop_wanted.clear()
            paths = await asyncio.to_thread(self._find)
            ready = asyncio.get_running_loop().create_future()
            self._bots.clear()  # those of the time before a `stop`, kept for their statuses
            self._runner = asyncio.create_task(self._supervise(ready))
            await ready
            for path in paths:
                self._add(path)

    async def reload(self) -> None:
        """Look for sessions again: new ones are started, those that are gone are stopped. Raises ConfigError.

        A bot that was given up gets another chance: its operator may have logged in anew.
        """
        paths = await asyncio.to_thread(self._find)
        leaving = [path for path, bot in self._bots.items() if path not in paths or bot.task.done()]
        tasks = [self._bots.pop(path).task for path in leaving]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for path in paths:
            self._add(path)

    async def stop(self) -> None:
        """Stop all bots at once, each saved, closed and its leases given back; harmless when nothing runs."""
        self._stop_wanted.set()
        runner, self._runner = self._runner, None
        if runner is not None:
            runner.cancel()
            await asyncio.gather(runner, return_exceptions=True)

    async def _supervise(self, ready: asyncio.Future[None]) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                ready.set_result(None)
                await asyncio.Event().wait()  # until `stop` cancels it, and the group cancels its bots
        finally:
            self._group = None

    def _add(self, path: str) -> None:
        if path in self._bots or self._group is None:
            return
        client, counts = GavatClient(path, *self._api, **self._of_clients), Counts()
        ears = Ears(client, counts)
        for handler, event in self._handlers:
            ears.add(handler, event)
        supervisor = Supervisor(
            client, path, wave=self._wave, counts=counts, settings=self._settings, clock=self._clock
        )
        self._bots[path] = _Bot(supervisor, ears, self._group.create_task(supervisor.run()))

    def _find(self) -> list[str]:
        """The session files that were named, and those in the folders that were."""
        found: list[str] = []
        for given in self._sessions:
            found += _sessions_in(given) if os.path.isdir(given) else [given]
        return list(dict.fromkeys(map(os.path.abspath, found)))


class _Bot:
    """One bot of the fleet, and the task that keeps it running."""

    def __init__(self, supervisor: Supervisor, ears: Ears, task: asyncio.Task[None]) -> None:
        self.supervisor = supervisor
        self.ears = ears
        self.task = task


def _sessions_in(folder: str) -> list[str]:
    try:
        families = Listing(folder).families()
        return [family.path for family in families if family.kind is EntryKind.SESSION]
    except OSError as error:
        raise ConfigError(f"the folder of sessions cannot be read ({error.strerror})", path=folder) from error
