"""A client between start and stop: Telethon's client, the opened session, and the tasks beside them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

from telethon.sessions import Session
from telethon.tl import functions

from core.client.backing_up import back_up_daily
from core.client.health import HealthRecord
from core.client.leasing import Sharers
from core.client.model import FailureKind, Figures, Health, PartName, SessionStats, StartupPart
from core.client.observed import Behaviour, Migration, ObservedClient
from core.client.opening import open_in_thread, session_name
from core.client.options import telethon_options
from core.client.preparation import Opened, Progress
from core.client.refusal import Refused
from core.client.session import PatientSession
from core.client.settings import ClientSettings
from core.client.watch import Watch, quietly
from core.errors import SessionFileError
from core.session_files.backups.settings import BackupSettings
from utils.clock import Clock
from utils.leases import Lease, watch_lease
from utils.redact import printable

logger = logging.getLogger("gavatcore.client")
_SAVE_TRIES, _SAVE_PAUSE = 8, 0.05
Handler = tuple[Callable[..., Any], Any]
"""A function, and the Telethon event that it is for (None: all)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a client is to be."""

    session: str | Path | Session
    api_id: int
    api_hash: str = field(repr=False)
    settings: ClientSettings
    backup: BackupSettings
    sharers: Sharers
    clock: Clock
    options: dict[str, Any] = field(repr=False)  # a proxy has a password
    handlers: list[Handler]


class Running:
    """A started client."""

    def __init__(self, wanted: Wanted, opened: Opened, telethon: ObservedClient, record: HealthRecord) -> None:
        self.telethon = telethon
        self.loop = asyncio.get_running_loop()
        self.ended = asyncio.Event()
        """Set when there is nothing more to serve: a lease lost, or a state that only a person can change."""
        self._wanted = wanted
        self._opened = opened
        self._record = record
        self._tasks: list[asyncio.Task[None]] = []

    @classmethod
    async def start(cls, wanted: Wanted, progress: Progress) -> Self:
        """Open the session and connect; raises GavatError, and what Telethon raises. Then nothing stays open."""
        opened = await open_in_thread(wanted.session, wanted.sharers, progress)
        record = HealthRecord(session_name(wanted.session), wanted.clock)
        telethon: ObservedClient | None = None
        heard = list(wanted.handlers)
        try:
            telethon = _build(wanted, opened, record)
            await _connect(telethon, wanted, progress)
        except BaseException:
            try:
                if telethon is not None:
                    await _disconnect(telethon, wanted.settings.stop_within)
            finally:
                opened.close()
            raise
        _hear_as_wanted(telethon, heard, wanted.handlers)
        running = cls(wanted, opened, telethon, record)
        running._begin()
        return running

    def health(self) -> Health:
        """How it is now."""
        trouble = self._record.judge()
        return Health(
            state=trouble.state,
            since=trouble.since,
            code=trouble.code,
            detail=trouble.detail,
            until=trouble.until,
            session=self._session_stats(),
            connects=self.telethon.pace.connects,
            probed_at=self._record.probed_at,
        )

    def figures(self) -> Figures:
        """What it went through since its start."""
        return self._record.figures(connects=self.telethon.pace.connects)

    async def stop(self) -> None:
        """End the tasks, disconnect, save, close and give the leases back; raises nothing but a cancellation."""
        try:
            for task in self._tasks:
                task.cancel()
            if self._tasks:  # one that does not end (Telethon swallows cancellations) is left behind
                await asyncio.wait(self._tasks, timeout=self._wanted.settings.stop_within.total_seconds() / 4)
            await _disconnect(self.telethon, self._wanted.settings.stop_within)
            await self._save()
        finally:
            self._opened.close()
            self.ended.set()

    def give_up(self) -> None:
        """Save, close and give the leases back without the event loop, which is closed; what it ran is over."""
        self._opened.close()

    async def _save(self) -> None:
        """A short lock of somebody else (a backup reads) must not cost the last minute."""
        session = self._opened.session
        for _try in range(_SAVE_TRIES):
            if not isinstance(session, PatientSession) or session.stats.rows_kept == 0:
                return
            session.reopen()
            with suppress(SessionFileError):  # of a changed login: tried again, and told when the session is closed
                session.save()
            await asyncio.sleep(_SAVE_PAUSE if session.stats.failing_since is not None else 0)

    def _session_stats(self) -> SessionStats:
        session = self._opened.session
        return session.stats if isinstance(session, PatientSession) else SessionStats()

    def _begin(self) -> None:
        wanted = self._wanted
        watch = Watch(self.telethon, self._record, wanted.settings, wanted.clock)
        for work in watch.work(ended=self.ended):
            self._add(work)
        self._add(self._guard(self._opened.leases))
        if self._opened.seen is not None and wanted.settings.backup_every:
            every = wanted.settings.backup_every
            self._add(
                back_up_daily(self._opened.seen, wanted.sharers.state, wanted.backup, every=every, clock=wanted.clock)
            )

    def _add(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        task.add_done_callback(self._note_failure)
        self._tasks.append(task)

    def _note_failure(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            logger.error(
                "%s: a task beside the client failed", session_name(self._wanted.session), exc_info=task.exception()
            )

    async def _guard(self, leases: Sequence[Lease]) -> None:
        """Without its leases a client must not go on: another may run on the same login by now."""
        loss = await watch_lease(*leases, sleep=asyncio.sleep)
        self._record.lease_lost(loss)
        self.ended.set()
        await _disconnect(self.telethon, self._wanted.settings.stop_within)


def _build(wanted: Wanted, opened: Opened, record: HealthRecord) -> ObservedClient:
    settings = wanted.settings
    options = telethon_options(opened.session, wanted.api_id, wanted.options)
    flood_sleep = timedelta(seconds=options.pop("flood_sleep_threshold", settings.flood_sleep.total_seconds()) or 0)
    try:
        telethon = ObservedClient(
            opened.session,
            wanted.api_id,
            wanted.api_hash,
            behaviour=Behaviour(
                observer=record,
                flood_sleep=flood_sleep,
                reconnect_cap=settings.reconnect_cap,
                migration=Migration.REFUSED,
            ),
            **options,
        )
    except (ValueError, TypeError) as error:
        raise Refused(
            FailureKind.CONFIGURATION, "OPTIONS", str(error), hint="see api_id, api_hash and Telethon's options"
        ) from error
    for handler, event in wanted.handlers:
        telethon.add_event_handler(handler, event)
    return telethon


def _hear_as_wanted(telethon: ObservedClient, heard: Sequence[Handler], wanted: Sequence[Handler]) -> None:
    """Take on what was added or removed while the client was starting."""
    for handler, event in heard:
        if (handler, event) not in wanted:
            telethon.remove_event_handler(handler, event)
    for handler, event in wanted:
        if (handler, event) not in heard:
            telethon.add_event_handler(handler, event)


async def _connect(telethon: ObservedClient, wanted: Wanted, progress: Progress) -> None:
    """Connect, and ask for the account's true state: `get_me() is None` hides every 401 (research: telethon §0.10)."""
    within = wanted.settings.connect_within
    try:
        async with asyncio.timeout(within.total_seconds()), _timed(progress, PartName.CONNECT):
            await telethon.connect()
        async with asyncio.timeout(within.total_seconds()), _timed(progress, PartName.ACCOUNT):
            await telethon(functions.updates.GetStateRequest())
    except TimeoutError:
        raise Refused(
            FailureKind.UNREACHABLE,
            "NO_ANSWER",
            f"{printable(str(telethon.session.server_address))}:{telethon.session.port} did not answer in {within}"
            + (f" ({telethon.pace.last_error})" if telethon.pace.last_error else ""),
            retryable=True,
            hint="see the network, the proxy and the data centre's address in the session",
        ) from None


@asynccontextmanager
async def _timed(progress: Progress, name: PartName) -> AsyncIterator[None]:
    began = time.perf_counter()
    try:
        yield
    finally:
        progress.parts.append(StartupPart(name=name, took=timedelta(seconds=time.perf_counter() - began)))


async def _disconnect(telethon: ObservedClient, within: timedelta) -> None:
    """Disconnect as far as that goes in the time; handlers that will not end, and a dead network, are left behind."""
    try:
        async with asyncio.timeout(within.total_seconds()):
            await quietly(telethon.disconnect())
    except TimeoutError:
        with suppress(TimeoutError):
            async with asyncio.timeout(within.total_seconds() / 4):
                await quietly(telethon._save_states_and_entities())
