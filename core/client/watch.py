"""Watching one running client: is it connected, does it answer, does it hear, can it save? And helping it back.

`is_connected()` says nothing of all that: it is True for a client whose keep-alive has died, whose server is silent, or
whose updates do not arrive (research: telethon §0, mtproto §3).
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Coroutine
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from telethon.tl import functions

from core.client.health import HealthRecord
from core.client.observed import ObservedClient
from core.client.session import PatientSession
from core.client.settings import ClientSettings
from core.errors import SessionFileError
from utils.backoff import BackoffPolicy
from utils.clock import Clock
from utils.telegram_errors import classify, error_name

logger = logging.getLogger("gavatcore.client")

LOOK_EVERY = timedelta(seconds=5)
"""Looking at what is known already: no request, no disk."""
_PUSH_WITHIN = timedelta(seconds=5)
"""How long an update that the server counts may be on its way."""
_KEY_UNKNOWN, _KEY_UNKNOWN_TRIES = "AuthKeyNotFound", 3
"""-404 may pass (research: telethon §3.5); after so many in a row a person is needed."""
_TASKS = {"_updates_handle": "update loop", "_keepalive_handle": "keep-alive"}


class Watch:
    """The task beside a started client."""

    def __init__(self, client: ObservedClient, health: HealthRecord, settings: ClientSettings, clock: Clock) -> None:
        self._client = client
        self._health = health
        self._settings = settings
        self._clock = clock
        self._backoff = BackoffPolicy(first=timedelta(seconds=1), cap=settings.reconnect_cap)
        self._unknown_key = 0
        self._batches = 0
        """As of the last look."""
        self._missed: int | None = None
        """A count of updates (pts) of which a probe told, and that has not come in."""
        self._probes_behind = 0

    def work(self, *, ended: asyncio.Event) -> tuple[Coroutine[Any, Any, None], ...]:
        """Looking, probing and reviving, each to be run beside the client; sets `ended` when only a person can help."""
        return self._look(ended), self._probe_regularly(), self._keep_connected()

    # Looking

    async def _look(self, ended: asyncio.Event) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY.total_seconds())
            if self._client._sender._transport_connected():
                self._health.connected()
                self._health.stopped(self._stopped_tasks())
                self._health.waiting(self._updates_wait())
            else:
                self._health.disconnected()
                self._health.waiting(False)
            self._look_at_saving()
            self._health.judge()
            if self._stopped_tasks():
                await quietly(self._client._disconnect())  # they begin anew with the next connection
            if self._health.is_final:
                ended.set()

    def _stopped_tasks(self) -> str:
        if not self._client.is_connected():
            return ""
        handles = {name: getattr(self._client, field) for field, name in _TASKS.items()}
        return ", ".join(name for name, handle in handles.items() if handle is not None and handle.done())

    def _updates_wait(self) -> bool:
        """Whether some came in, and Telethon's loop has taken none up since the last look."""
        before, self._batches = self._batches, self._client.batches
        return self._batches == before and not self._client._updates_queue.empty()

    def _look_at_saving(self) -> None:
        session = self._client.session
        if not isinstance(session, PatientSession):
            return
        if session.stats.failing_since is not None:
            with suppress(SessionFileError):  # of a changed login; it is counted like any other
                session.save()
        stats = session.stats
        self._health.saving(stats.failing_since, stats.last_error)

    # Probing

    async def _probe_regularly(self) -> None:
        every = self._settings.probe_every.total_seconds()
        await asyncio.sleep(every * random.random())  # spreads a fleet, guards nothing
        while True:
            if self._client._sender._transport_connected() and not self._health.is_final:
                await self._probe()
            await asyncio.sleep(every)

    async def _probe(self) -> None:
        """Ask the account's true state, which also tells whether updates go missing."""
        sent_at = self._clock()
        try:
            async with asyncio.timeout(self._settings.probe_within.total_seconds()):
                state = await self._client(functions.updates.GetStateRequest())
        except TimeoutError:
            self._health.unanswered(sent_at)
            self._client._sender._start_reconnect(None)  # Telethon's own ping would take up to 120 s
            return
        except Exception as error:  # noqa: BLE001  # told to the health record where it was raised
            logger.debug("probe: %s", error_name(error))
            return
        self._health.probed()
        await self._compare(state.pts, sent_at)

    async def _compare(self, pts: int, sent_at: datetime) -> None:
        """Deaf is who has not heard, some seconds later, of what the server had counted when it was asked."""
        if not self._has_heard(pts):
            await asyncio.sleep(_PUSH_WITHIN.total_seconds())
        if self._has_heard(pts):
            self._missed = None
            self._health.behind(None)
            return
        self._health.behind(sent_at)
        if self._client._updates_queue.empty():  # else it is fetched anyway, as soon as the update loop gets on
            await self._client.catch_up()
        self._renew_if_in_vain(pts)

    def _renew_if_in_vain(self, pts: int) -> None:
        """Connect anew when fetching has not brought what an earlier probe had found, at a growing distance."""
        if self._missed is None or self._has_heard(self._missed):
            self._missed, self._probes_behind = pts, 0
            return
        self._probes_behind += 1
        is_due = self._probes_behind & (self._probes_behind - 1) == 0  # 1, 2, 4 …: a flood wait may last for hours
        if is_due and not self._client.is_at_a_handler:
            self._client._sender._start_reconnect(None)

    def _has_heard(self, pts: int) -> bool:
        box = self._client._message_box
        return bool(self._client._no_updates or box.is_empty() or box.session_state()[0]["pts"] >= pts)

    # Reviving

    async def _keep_connected(self) -> None:
        """Connect again when Telethon has given up: it does after -404, -429 and errors of its update loop."""
        failures = 0
        while True:
            self._note_end(await self._end())
            if self._client.session is None:
                self._health.logged_out()
            if self._health.is_final:
                return
            failures += 1
            wait = self._backoff.delay(failures, chance=random.random())  # spreads a fleet
            await asyncio.sleep(wait.total_seconds())
            if await self._connect():
                failures = 0

    async def _end(self) -> BaseException | None:
        """Wait for the end of Telethon's connection; the error behind it, if one is known."""
        try:
            await self._client.disconnected
        except Exception as error:  # noqa: BLE001  # whatever ended it is what is wanted
            return error
        ended_by: BaseException | None = self._client._updates_error
        return ended_by

    def _note_end(self, error: BaseException | None) -> None:
        name = error_name(error) if error is not None else "disconnected"
        logger.info("the connection ended: %s", name)
        self._health.disconnected(name)
        self._unknown_key = self._unknown_key + 1 if name == _KEY_UNKNOWN else 0
        if error is None:
            return
        self._health.refused(error)
        if self._unknown_key >= _KEY_UNKNOWN_TRIES:
            self._health.unknown_key(classify(error))

    async def _connect(self) -> bool:
        session = self._client.session
        if isinstance(session, PatientSession):
            session.reopen()  # Telethon closes it on errors of its update loop; the lease is still ours
        try:
            async with asyncio.timeout(self._settings.connect_within.total_seconds()):
                await self._client.connect()
        except Exception as error:  # noqa: BLE001  # told; the next round waits longer and tries again
            self._health.disconnected(error_name(error))
            self._health.refused(error)
            await self._give_up_half_connected()
            return False
        self._health.connected()
        return True

    async def _give_up_half_connected(self) -> None:
        """A failed connect() can leave the client connected without its tasks, and the next one does nothing then."""
        await quietly(self._client._disconnect())


async def quietly(ending: Any) -> None:
    """Await an ending whose failure changes nothing; say so."""
    task = asyncio.current_task()
    cancellations = task.cancelling() if task else 0
    try:
        await ending
    except Exception as error:  # noqa: BLE001  # said, and the caller goes on to what must be ended anyway
        logger.info("while disconnecting: %s", error_name(error))
    if task and task.cancelling() > cancellations:
        raise asyncio.CancelledError  # Telethon swallows one that meets it while it cancels tasks of its own
