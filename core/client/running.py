"""A client between start and stop: Telethon's client, the opened session, and the tasks beside them."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from concurrent import futures
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple, Self
from weakref import WeakKeyDictionary

from telethon.sessions import Session, SQLiteSession
from telethon.tl import functions

from core.client.backing_up import back_up_daily, wait_for_backup
from core.client.health import HealthRecord
from core.client.leasing import Sharers, Wait
from core.client.model import FailureKind, Figures, Health, PartName, SessionStats, StartupPart
from core.client.observed import Behaviour, Migration, ObservedClient
from core.client.options import telethon_options
from core.client.preparation import Opened, Progress, open_given, open_session, session_path
from core.client.refusal import Refused
from core.client.session import PatientSession
from core.client.settings import ClientSettings
from core.client.watch import Watch, quietly
from core.errors import SessionFileError
from core.session_files.backups.settings import BackupSettings
from core.session_files.looking.listing import SUFFIX
from utils.clock import Clock
from utils.leases import Lease, watch_lease
from utils.redact import printable

logger = logging.getLogger("gavatcore.client")
_SAVE_TRIES, _SAVE_PAUSE = 8, 0.05
_OPENING_ENDS_WITHIN = 1.5
"""Seconds that a cancelled start waits for the worker thread that opens the session."""
_OPENED_AT_ONCE = 8
"""Sessions that an event loop has opened for it at a time: its clients wait their turn, and it serves the others."""


class _Turns(NamedTuple):
    """Of one event loop."""

    free: asyncio.Semaphore
    threads: futures.ThreadPoolExecutor
    """Not the loop's own: an opening may wait for a lease as long as that lasts, and those serve handlers too."""

    @classmethod
    def new(cls) -> Self:
        return cls(asyncio.Semaphore(_OPENED_AT_ONCE), futures.ThreadPoolExecutor(_OPENED_AT_ONCE, "gavat-open"))


_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, _Turns] = WeakKeyDictionary()


Handler = tuple[Callable[..., Any], Any]
"""A function, and the Telethon event that it is for (None: all)."""


def session_file(session: str | Path | Session) -> str | None:
    """Path of a session's file; None for a session that lives elsewhere."""
    if isinstance(session, str | Path):
        return session_path(str(session))
    if isinstance(session, SQLiteSession) and session.filename != ":memory:":
        return session_path(session.filename)
    return None


def session_name(session: str | Path | Session) -> str:
    """A session's name, for people and logs."""
    path = session_file(session)
    return printable(path.rpartition("/")[2].removesuffix(SUFFIX)) if path else type(session).__name__


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
        opened = await _open(wanted, progress)
        record = HealthRecord(session_name(wanted.session), wanted.clock)
        telethon: ObservedClient | None = None
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


async def _open(wanted: Wanted, progress: Progress) -> Opened:
    """Open in a worker thread; a start that is cancelled meanwhile leaves nothing open behind."""
    if isinstance(wanted.session, SQLiteSession):
        wanted.session.close()  # the file is looked at before anybody has it open, and opened anew
    is_given_up = threading.Event()

    def open_unless_given_up() -> Opened:
        opened = _open_in_thread(wanted, progress, is_given_up.wait)
        if is_given_up.is_set():  # seen here too: the event loop may be closed by now, and call nobody back
            opened.close()
        return opened

    loop = asyncio.get_running_loop()
    turns = _turns_of(loop)
    async with turns.free:
        opening = turns.threads.submit(open_unless_given_up)
        work = asyncio.wrap_future(opening)
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            is_given_up.set()
            work.add_done_callback(_close_late)
            # asyncio.run waits for the loop's own threads alone: one of those waits for this one
            ends: set[asyncio.Future[Any]] = {work, loop.run_in_executor(None, futures.wait, [opening])}
            await asyncio.wait(ends, timeout=_OPENING_ENDS_WITHIN)
            raise


def _turns_of(loop: asyncio.AbstractEventLoop) -> _Turns:
    if loop not in _turns:
        for over in [one for one in list(_turns) if one.is_closed()]:
            del _turns[over]  # a semaphore that somebody waited for keeps its loop alive
        _turns[loop] = _Turns.new()
    return _turns[loop]


def _open_in_thread(wanted: Wanted, progress: Progress, wait: Wait) -> Opened:
    path = session_file(wanted.session)
    if path is None:
        return open_given(wanted.session, wanted.sharers, progress, wait=wait)
    wait_for_backup(os.path.realpath(path))
    return open_session(path, wanted.sharers, progress, wait=wait)


def _close_late(work: asyncio.Future[Opened]) -> None:
    if not work.cancelled() and work.exception() is None:
        work.result().close()


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
