"""A fleet of bots: one `GavatClient` a session, started in a wave and supervised in one task group."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from core.client.client import GavatClient
from core.client.leasing import Sharers, refuse_foreign_fleet
from core.client.settings import ClientSettings, Surroundings, refuse_without_application, surroundings
from core.client.termination import on_sigterm
from core.errors import ConfigError, GavatError
from core.fleet.bot import Bot, end_bots, settle_at_hand
from core.fleet.handler_paths import find_handler, look_in
from core.fleet.handlers import (
    Counts,
    Ears,
    Handler,
    Handlers,
    Listening,
    group_messages,
    is_marked,
    listening,
    private_messages,
)
from core.fleet.model import BotStatus
from core.fleet.roster import Change, Kind, WantedBot, plan_change, wanted_bots
from core.fleet.settings import BotSettings, FleetSettings, bots_settings, config_folder, fleet_settings
from core.fleet.stopping import StoppedMeanwhile, unless
from core.fleet.supervise import Supervisor
from core.fleet.targets import find_sessions, refuse_missing, without_gone
from core.fleet.wave import Wave
from core.state import BotFigures, StateFolder, publish_status
from core.state.settings import ROOT
from utils.clock import Clock, utc_now

logger = logging.getLogger("gavatcore.fleet")


class BotController:
    """Runs the bots of session files, or of all those in folders.

        fleet = BotController("sessions/", api_id=…, api_hash=…)

        @fleet.on_private
        async def answer(event): …

        asyncio.run(fleet.run())

    Options that are not named here are Telethon's, the same for every bot. Without `settings` (and `clients`, `api_id`,
    `api_hash`) the environment and `gavat.toml` count, for single bots `[bots.NAME]` and what `set_bot` says. Raises
    ConfigError for a setting that cannot be read.
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
        self._sessions = tuple(map(str, sessions))
        self._given = settings
        self._settings = settings or fleet_settings(os.environ)
        self._clock = clock
        self._api = (api_id, api_hash)
        self._clients = clients
        self._of_clients: dict[str, Any] = {"state": state, "clock": clock, **options}
        self._own: dict[str, BotSettings] = {}
        """What the program says of single bots, by name or path."""
        self._handlers = Handlers()
        self._wave = Wave(self._settings)
        self._bots: dict[str, Bot] = {}
        self._known: set[str] = set()
        """Paths of all sessions that were found so far."""
        self._runner: asyncio.Task[None] | None = None
        self._group: asyncio.TaskGroup | None = None
        self._stop_wanted = asyncio.Event()
        """Set by the next `stop()`, for all that was asked for before it."""
        self._changing = asyncio.Lock()
        self._reloads: set[asyncio.Task[Change]] = set()
        self._stopping: asyncio.Task[None] | None = None

    # Handlers

    def on_private(self, handler: Handler) -> Handler:
        """Call `handler` for each message that a person writes to a bot; a method, and a decorator."""
        self._add_handler(Listening(handler, private_messages(), Kind.ON_PRIVATE))
        return handler

    def on_group(self, handler: Handler) -> Handler:
        """Call `handler` for each message in a group that a bot is in; a method, and a decorator."""
        self._add_handler(Listening(handler, group_messages(), Kind.ON_GROUP))
        return handler

    def add_event_handler(self, handler: Handler, event: Any) -> None:
        """Have every bot call `handler` for an event of Telethon's, now and later ones too."""
        self._add_handler(Listening(handler, event, Kind.HANDLERS))

    def _add_handler(self, one: Listening) -> None:
        self._handlers.add(one)
        for bot in self._bots.values():
            if bot.wanted.takes(one.kind):
                bot.ears.add(one.handler, one.event)

    def remove_event_handler(self, handler: Handler) -> None:
        """Have no bot call it any more."""
        self._handlers.remove(handler)
        for bot in self._bots.values():
            bot.ears.remove(handler)

    # Single bots

    def set_bot(self, name: str, settings: BotSettings) -> None:
        """Say what one bot has of its own, by its session's name or path; from the next start or `reload` on.

        It stands in place of `[bots.NAME]` in gavat.toml.
        """
        self._own[name] = settings

    def wanted(self, *sessions: str) -> tuple[WantedBot, ...]:
        """Every session as it is to run, those with `run = false` included; reads settings and folders, and blocks.

        Modules that handlers are in are imported, unless they are already. `sessions`: in place of those given before.
        Raises ConfigError.
        """
        folders = (os.getcwd(), config_folder(os.environ), ROOT)
        look_in(folders)

        def find(name: Any, where: str) -> Any:
            return find_handler(name, where, folders)

        settings = self._given or fleet_settings(os.environ)
        paths = find_sessions(without_gone(sessions or self._sessions, self._known))
        found = wanted_bots(paths, settings, bots_settings(os.environ), find, own=self._own)
        for bot in found:
            _refuse_unmarked(bot)
        return found

    # Looking

    def statuses(self) -> tuple[BotStatus, ...]:
        """Every bot, by path."""
        return tuple(bot.supervisor.status() for _path, bot in sorted(self._bots.items()))

    def stats(self) -> tuple[BotFigures, ...]:
        """What is published of every bot, by path; see `core.state.status.publish_status`."""
        return tuple(bot.supervisor.stats() for _path, bot in sorted(self._bots.items()))

    def client(self, name: str) -> GavatClient:
        """The bot of that name or path; raises GavatError when there is none."""
        for path, bot in self._bots.items():
            if name in (path, bot.supervisor.client.name):
                return bot.supervisor.client
        raise GavatError(f"no bot {name!r} in this fleet", hint="statuses() lists them")

    # Running

    async def run(self) -> None:
        """Start all, and serve until `stop()` or SIGTERM; then stop all."""
        stopped = self._stop_wanted
        with on_sigterm(stopped.set):
            try:
                await self.start()
                await stopped.wait()
            finally:
                await self.stop()

    async def start(self) -> None:
        """Begin to start the bots, in the background; harmless when they run.

        Where `stop()` is called meanwhile nothing is started. Raises ConfigError for a setting or
        folder that cannot be read, for sessions none of which is there, and without the api_id and api_hash that a bot
        needs.
        """
        stopped = self._stop_wanted
        async with self._changing:
            if self._runner is not None:
                return
            try:
                await unless(stopped, partial(refuse_missing, self._sessions))
                wanted, given = await unless(stopped, self._look)
                state = StateFolder.at(self._of_clients["state"] or given.state.path)
                await unless(stopped, partial(refuse_foreign_fleet, Sharers(state, given.redis)))
            except StoppedMeanwhile:
                return
            ready = asyncio.get_running_loop().create_future()
            self._bots.clear()  # those of the time before a `stop`, kept for their statuses
            self._know(wanted)
            runner = self._runner = asyncio.create_task(self._supervise(ready, wanted, given, state))
            await asyncio.wait({ready, runner}, return_when=asyncio.FIRST_COMPLETED)
            if runner.done():
                self._runner = None
                runner.result()  # raises why it could not begin

    async def reload(self, *sessions: str | Path) -> Change:
        """Read settings and folders again: new bots are started, those that are gone stopped, changed ones both.

        Gives what has changed. `sessions`: in place of those given before. A bot that was given up gets another chance:
        its operator may have logged in anew. New handlers are taken on without a restart of their bots; what runs keeps
        its `[client]` settings. May be called by a handler: it is done whoever is cancelled meanwhile. Raises
        ConfigError, and GavatError when the fleet is not started; then nothing has changed.
        """
        change = asyncio.create_task(self._reload(tuple(map(str, sessions)), self._stop_wanted))
        self._reloads.add(change)
        change.add_done_callback(self._reloads.discard)
        return await asyncio.shield(change)

    async def _reload(self, sessions: tuple[str, ...], stopped: asyncio.Event) -> Change:
        async with self._changing:
            if self._group is None:
                raise GavatError("the fleet is not started, so there is nothing to reload", hint="await start() first")
            named = sessions or self._sessions
            wanted, given = await unless(stopped, partial(self._look, *named))
            self._sessions = named
            self._know(wanted)
            over = {path for path, bot in self._bots.items() if bot.task.done()}
            change = plan_change({path: bot.wanted for path, bot in self._bots.items()}, wanted, over)
            ended = {path: self._bots[path] for path in change.stop}
            settle_at_hand(ended.values())
            await end_bots(ended.values())
            if stopped.is_set():
                raise StoppedMeanwhile
            for path in ended:
                del self._bots[path]
            for bot in change.start:
                self._add(bot, given, ended.get(bot.path))
            for bot in change.hear:
                self._bots[bot.path].wanted = bot
                self._bots[bot.path].ears.replace(self._hears(bot))
            return change

    async def stop(self) -> None:
        """Stop all bots at once, each saved, closed and its leases given back; harmless when nothing runs.

        May be called by a handler, and during a start or a reload, which ends then.
        """
        self._stop_wanted.set()
        self._stop_wanted = asyncio.Event()
        settle_at_hand(self._bots.values())
        if self._stopping is None or self._stopping.done():
            self._stopping = asyncio.create_task(self._stop())
        await asyncio.shield(self._stopping)

    async def _stop(self) -> None:
        await end_bots(self._bots.values())  # at once: a reload may be stopping others
        async with self._changing:
            await end_bots(self._bots.values())  # those that a start had begun by then
            runner, self._runner = self._runner, None
            if runner is not None:
                runner.cancel()
                await asyncio.gather(runner, return_exceptions=True)

    def _know(self, wanted: Sequence[WantedBot]) -> None:
        self._known.update(bot.path for bot in wanted)

    async def _supervise(
        self, ready: asyncio.Future[None], wanted: Sequence[WantedBot], given: Surroundings, state: StateFolder
    ) -> None:
        try:
            async with publish_status(self.stats, state=state, redis_url=given.redis.url), asyncio.TaskGroup() as group:
                self._group = group
                for bot in wanted:  # before anything is published
                    if bot.settings.run:
                        self._add(bot, given)
                ready.set_result(None)
                await asyncio.Event().wait()  # until `stop` cancels it, and the group cancels its bots
        finally:
            self._group = None

    def _look(self, *sessions: str) -> tuple[tuple[WantedBot, ...], Surroundings]:
        """What is wanted, and what its clients are given: read once, so that a later mistake there stops no restart."""
        given = surroundings(os.environ)
        given = given._replace(client=self._clients or given.client)
        wanted = self.wanted(*sessions)
        for bot in wanted:
            if bot.settings.run:
                refuse_without_application(self._application(bot.settings, given))
        return wanted, given

    def _application(self, own: BotSettings, given: Surroundings) -> ClientSettings:
        """What a bot says, or the program, or the settings, in this order."""
        api_id, api_hash = self._api
        return given.client._replace(
            api_id=own.api_id or api_id or given.client.api_id,
            api_hash=own.api_hash or api_hash or given.client.api_hash,
        )

    def _add(self, wanted: WantedBot, given: Surroundings, before: Bot | None = None) -> None:
        if self._group is None:
            return
        own = wanted.settings
        client = GavatClient(
            wanted.path,
            settings=given._replace(client=self._application(own, given)),
            **self._of_clients | own.options,
        )
        counts = Counts()
        ears = Ears(client, counts)
        ears.replace(self._hears(wanted))
        supervisor = Supervisor(
            client, wanted.path, wave=self._wave, counts=counts, settings=self._settings, clock=self._clock
        )
        if before is not None:
            supervisor.succeed(before.supervisor)
        self._bots[wanted.path] = Bot(wanted, supervisor, ears, self._group.create_task(supervisor.run()))

    def _hears(self, wanted: WantedBot) -> list[Listening]:
        """What the settings have it hear, and what the program has all hear that have nothing of their own."""
        of_settings = [one for heard in wanted.hears for one in listening(heard.kind, heard.handler)]
        return of_settings + [one for one in self._handlers if wanted.takes(one.kind)]


def _refuse_unmarked(bot: WantedBot) -> None:
    for kind, handler in bot.hears:
        if kind is Kind.HANDLERS and not is_marked(handler):
            name = getattr(handler, "__qualname__", handler)
            raise ConfigError(
                f"handlers: {name} in {getattr(handler, '__module__', None)} does not say what it is called for",
                hint="mark it with @events.register(…) of Telethon, or put it into on_private or on_group",
            )
