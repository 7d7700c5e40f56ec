"""One bot: lease → inspect → mend → check → open → connect, watched while it runs, and given back at the end."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Self

from telethon import TelegramClient, errors
from telethon.sessions import Session

from core.client.handler_shape import refuse_unfit
from core.client.judge_failure import failure_of_ours, failure_of_telegrams
from core.client.judge_health import is_final
from core.client.leasing import Sharers
from core.client.model import LEASE_CODES, REDIS_AWAY, FailureKind, Figures, Health, HealthState, StartFailure, Startup
from core.client.opening import session_file, session_name
from core.client.preparation import Progress
from core.client.refusal import ClientNotStarted, Freed, LeaseRefused, Refused
from core.client.running import Handler, Running, Wanted
from core.client.settings import ClientSettings, Surroundings, refuse_without_application, surroundings
from core.client.termination import on_sigterm
from core.errors import GavatError
from core.state import StateFolder
from core.state.status_model import BotFigures
from utils.clock import Clock, utc_now
from utils.own_thread import in_own_thread
from utils.telegram_errors import ErrorKind, classify
from utils.units import duration_text

logger = logging.getLogger("gavatcore.client")
_TERMINATED = 143
"""128 + SIGTERM, as a shell tells it."""


class GavatClient:
    """A Telethon client that starts safely and stays truthful.

        client = GavatClient("sessions/alice.session", api_id=…, api_hash=…)
        client.add_event_handler(answer, events.NewMessage())
        if not await client.start():
            log.error("%s", client.failure)

    `session`: a path (with or without `.session`), or a Telethon session such as `StringSession`. `state`: the state
    folder, by default GAVAT_STATE or `state/` beside the scripts. All other options are Telethon's, handed on as they
    are. Handlers added before the start also hear what was missed while the bot was down.

    Without `api_id`, `api_hash` or `settings` those of the surroundings count: `GAVAT_API_ID` …, `gavat.toml`. They
    are read at each start, unless `settings` are `Surroundings` that were read before (a fleet does that once for all).
    """

    def __init__(
        self,
        session: str | Path | Session,
        api_id: int | None = None,
        api_hash: str | None = None,
        *,
        settings: ClientSettings | Surroundings | None = None,
        state: str | Path | None = None,
        clock: Clock = utc_now,
        **options: Any,
    ) -> None:
        self._session = session
        self._api = (api_id, api_hash)
        self._settings = settings
        self._state = state
        self._clock = clock
        self._options = options
        self._handlers: list[Handler] = []
        self._running: Running | None = None
        self._starting = asyncio.Lock()
        self._starter: asyncio.Task[Any] | None = None
        """The task in which a start is under way."""
        self._is_unwanted = False
        """Whether that start is to end without a client."""
        self._stopping: asyncio.Task[None] | None = None
        self._health = Health(state=HealthState.STOPPED, since=clock())
        self._past = Figures()
        """Of the runs before this one."""
        self._freed: Freed | None = None
        """How to find out that the lease which the last start met is to be had."""
        self._terminated = False
        self._guard: AbstractContextManager[None] = nullcontext()
        self._told: StartFailure | None = None
        self.failure: StartFailure | None = None
        """Why the last start failed; None after a good one."""
        self.startup = Startup()
        """How the last start went, part by part, up to where it ended."""

    @property
    def name(self) -> str:
        """The session's name, for people."""
        return session_name(self._session)

    @property
    def client(self) -> TelegramClient:
        """The connected `telethon.TelegramClient`; raises GavatError when the client is not started."""
        running = self._present()
        if running is None:
            raise GavatError(f"{self.name} is not started", hint="await client.start() first, and look at its answer")
        return running.telethon

    @property
    def health(self) -> Health:
        """How the client is now, and since when; asks nobody."""
        running = self._present()
        return running.health() if running is not None else self._health

    def stats(self) -> BotFigures:
        """What is published of it; see `core.state.status.publish_status`."""
        running, health, failure = self._present(), self.health, self.failure
        figures = self._past + (running.figures() if running is not None else Figures())
        path = session_file(self._session)
        return BotFigures(
            name=self.name,
            path=os.path.abspath(path) if path else "",
            state=health.state.value,
            since=health.since,
            code=failure.code if failure is not None else health.code,
            reason=failure.reason if failure is not None else health.detail,
            until=health.until,
            reconnects=figures.reconnects,
            flood_time=figures.flood_time,
            deaf_time=figures.deaf_time,
            offline_time=figures.offline_time,
        )

    # Handlers

    def add_event_handler(self, handler: Callable[..., Any], event: Any = None) -> None:
        """Have Telethon call `handler` for events (`telethon.events.NewMessage()`), from the next start on and now.

        Raises ConfigError for what cannot be a handler: a generator, or a function that does not take one argument.
        """
        refuse_unfit(handler)
        self._handlers.append((handler, event))
        if self._running is not None:
            self._running.telethon.add_event_handler(handler, event)

    def remove_event_handler(self, handler: Callable[..., Any]) -> None:
        """Call `handler` no more, from the next update on; harmless when it was never added."""
        self._handlers[:] = [(one, event) for one, event in self._handlers if one != handler]
        if self._running is not None:
            self._running.telethon.remove_event_handler(handler)

    def on(self, event: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """The same as a decorator: `@client.on(events.NewMessage())`."""

        def decorate(handler: Callable[..., Any]) -> Callable[..., Any]:
            self.add_event_handler(handler, event)
            return handler

        return decorate

    # Starting and stopping

    async def start(self) -> bool:
        """Start, and say whether it did; why not is in `failure`. A started client stays as it is.

        Nothing is asked on the terminal, and no session file is ever made (`python -m core login` does that). Raises
        only for mistakes in the program.
        """
        async with self._starting:
            if self._stopping is not None:
                await asyncio.shield(self._stopping)
            if self._present() is not None:
                return True
            self.failure, self._freed, progress = None, None, Progress()
            try:
                self._running = await self._start(progress)
            except GavatError as error:
                self.failure = failure_of_ours(error)
                self._freed = error.freed if isinstance(error, LeaseRefused) else None
            except Exception as error:  # Telegram's and the network's are expected, a program's own mistakes are not
                facts = classify(error)
                if facts.kind is ErrorKind.UNRECOGNISED and not isinstance(error, errors.RPCError):
                    raise
                self.failure = failure_of_telegrams(facts, str(error))
            finally:
                self.startup = Startup(parts=tuple(progress.parts))
            if self.failure is not None:
                self._tell(self.failure)
            else:
                logger.info("%s: started in %s", self.name, duration_text(self.startup.took))
            self._told = self.failure
            return self.failure is None

    def _tell(self, failure: StartFailure) -> None:
        """Log why it did not start: what passes by itself is no ERROR, and the same again is told once.

        Of a silent Redis `sharing` has warned, once for all clients that wait for it.
        """
        level = logging.WARNING if failure.retryable else logging.ERROR
        if failure.code == REDIS_AWAY:
            level = logging.INFO
        logger.log(logging.DEBUG if failure == self._told else level, "%s: not started: %s", self.name, failure)

    def _want(self) -> Wanted:
        """What to start, with what the surroundings say where the program said nothing; raises ConfigError."""
        given = self._settings if isinstance(self._settings, Surroundings) else surroundings(os.environ)
        settings = self._settings if isinstance(self._settings, ClientSettings) else given.client
        api_id, api_hash = self._api
        settings = settings._replace(
            api_id=settings.api_id if api_id is None else api_id,
            api_hash=settings.api_hash if api_hash is None else api_hash,
        )
        refuse_without_application(settings)
        return Wanted(
            session=self._session,
            api_id=settings.api_id,
            api_hash=settings.api_hash,
            settings=settings,
            backup=given.backup,
            sharers=Sharers(StateFolder.at(self._state or given.state.path), given.redis),
            clock=self._clock,
            options=self._options,
            handlers=self._handlers,
        )

    async def _start(self, progress: Progress) -> Running:
        """Start so that `stop()` can end it; raises what `Running.start` does, and Refused when it did."""
        task = self._starter = asyncio.current_task()
        try:
            return await Running.start(self._want(), progress)
        except asyncio.CancelledError:
            if task is None or not self._is_unwanted or task.uncancel():
                raise
            raise Refused(FailureKind.STOPPED, "STOPPED", "it was stopped before it ran", retryable=True) from None
        finally:
            self._starter, self._is_unwanted = None, False

    def _present(self) -> Running | None:
        """What runs; that of an event loop that was closed over it can only be given up."""
        running = self._running
        if running is not None and running.loop.is_closed():
            running.give_up()
            self._ended(running)
            self._starting, self._starter = asyncio.Lock(), None
        return self._running

    async def wait_until_free(self, within: timedelta) -> None:
        """After a start that failed: wait so long, or until the lease that stood in the way is to be had."""
        freed = self._freed
        if freed is None:
            await asyncio.sleep(within.total_seconds())
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(within.total_seconds()):
                while True:
                    await asyncio.sleep(freed.every.total_seconds())
                    if await in_own_thread(freed.ask):
                        return

    async def stop(self) -> None:
        """Save, disconnect, close and give the leases back, within `stop_within` and half a second whatever happens.

        May be called twice, at once, from a handler, during a start (which then fails), or without one.
        """
        if self._starter is not None and self._starter is not asyncio.current_task():
            if not self._is_unwanted:
                self._is_unwanted = True
                self._starter.cancel()
            async with self._starting:
                pass  # it has ended, and left nothing open
        running = self._present()
        if running is None:
            return
        running.telethon.settle_at_hand()
        if self._stopping is None:
            self._stopping = asyncio.create_task(self._stop(running))
        await asyncio.shield(self._stopping)

    async def _stop(self, running: Running) -> None:
        try:
            await running.stop()
        finally:
            self._ended(running)

    def _ended(self, running: Running) -> None:
        """Keep what made it end: that is all there is to see afterwards."""
        last = running.health()
        is_over = is_final(last.state) or last.code in LEASE_CODES
        code, detail = (last.code, last.detail) if is_over else ("", "")
        self._past += running.figures()
        self._health = Health(
            state=HealthState.STOPPED, since=self._clock(), code=code, detail=detail, session=last.session
        )
        self._running = self._stopping = None

    async def run_until_disconnected(self) -> None:
        """Serve until `stop()`, SIGTERM, or a state that only a person can change (banned, revoked …); then stop.

        Of such a state `health.code` and `health.detail` tell afterwards.
        """
        running = self._present()
        if running is None:
            raise GavatError(f"{self.name} is not started", hint="await client.start() first, and look at its answer")
        with on_sigterm(running.ended.set):
            try:
                await running.ended.wait()
            finally:
                await self.stop()

    async def __aenter__(self) -> Self:
        """Start; raises ClientNotStarted with the failure. SIGTERM ends start and block like a cancellation."""
        task = asyncio.current_task()
        assert task is not None
        self._terminated = False
        self._guard = on_sigterm(partial(self._terminate, task))
        self._guard.__enter__()
        try:
            if not await self.start():
                assert self.failure is not None
                raise ClientNotStarted(self.failure)
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_exc: object) -> None:
        try:
            await self.stop()
        finally:
            self._guard.__exit__(None, None, None)
        if self._terminated:
            raise SystemExit(_TERMINATED)

    def _terminate(self, task: asyncio.Task[Any]) -> None:
        self._terminated = True
        task.cancel()
