"""One flight for all processes of a fleet: the reply of whoever asked first, through Redis."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar

from gpt.cache.shared_cache import FLIGHT_LIFE, Failed, Flying, Found, Lead, Shared, SharedCache, Told
from gpt.errors import DeadlineExceeded, GptError
from gpt.model import GptReply, Source
from utils.redis_link import RedisUnavailable

logger = logging.getLogger("gavatcore.openai")

T = TypeVar("T")
_FIRST_LOOK, _LAST_LOOK = 0.02, 0.25
"""Seconds between two looks for the reply of another process: short at first, since lookups often come together."""
_THREADS = 4


class FleetFlights:
    """Finds a reply in Redis, waits for the process that is asking, or asks for all. Without Redis: asks."""

    def __init__(self, cache: SharedCache) -> None:
        self._cache = cache
        self._threads: ThreadPoolExecutor | None = None
        self._away = False
        """Redis did not answer last time: said once."""

    async def run(
        self, one: Shared, ask: Callable[[], Awaitable[GptReply]], *, until: float, lifetime: Callable[[], float]
    ) -> tuple[GptReply, float]:
        """The reply, and the seconds that it stays valid. Raises GptError: ours, or that of the process that asked.

        A lifetime of 0 when the reply has come keeps it from everybody.
        """
        token, waited_for, look = secrets.token_hex(8), "", _FIRST_LOOK
        while True:
            found = await self._asked(self._cache.find, one, token=token, waited_for=waited_for)
            if found is None:  # Redis is away
                return await ask(), lifetime()
            if isinstance(found, Lead):
                return await self._led(one, ask, token=token, lead=found, lifetime=lifetime)
            if isinstance(found, Flying):
                if time.monotonic() + look >= until:
                    raise DeadlineExceeded("another process asks the same, and its answer did not come in time")
                waited_for = found.token
                await asyncio.sleep(look)
                look = min(look * 2, _LAST_LOOK)
            elif isinstance(found, Failed) and found.error.out_of_time:
                waited_for = ""  # that was the deadline of whoever asked: it is ours to ask now
            else:
                return _said(found, joined=bool(waited_for))

    async def _led(
        self,
        one: Shared,
        ask: Callable[[], Awaitable[GptReply]],
        *,
        token: str,
        lead: Lead,
        lifetime: Callable[[], float],
    ) -> tuple[GptReply, float]:
        lives = 0.0
        holding = asyncio.create_task(self._hold(one, token))
        outcome: GptReply | GptError | None = None
        try:
            outcome = await ask()
            lives = lifetime()
            return outcome, lives
        except GptError as error:
            outcome = error
            raise
        finally:
            holding.cancel()
            # Also when this was cancelled: the others need not wait until the lead has run out.
            landed = self._submit(self._land, one, outcome, token, lead.generation, lives)
            if outcome is not None:
                await asyncio.wrap_future(landed)

    def _land(
        self, one: Shared, outcome: GptReply | GptError | None, token: str, generation: str, lifetime: float
    ) -> None:
        with suppress(RedisUnavailable):  # the others look until the lead has run out, and ask themselves
            self._cache.land(one, outcome, token=token, generation=generation, lifetime=lifetime)

    async def _hold(self, one: Shared, token: str) -> None:
        while True:
            await asyncio.sleep(FLIGHT_LIFE / 3)
            await self._asked(self._cache.hold, one, token=token)

    async def _asked(self, ask: Callable[..., T], *args: Any, **named: Any) -> T | None:
        """What Redis says, or None while it does not."""
        try:
            answer = await asyncio.wrap_future(self._submit(ask, *args, **named))
        except RedisUnavailable as error:
            if not self._away:
                logger.warning("replies are not shared, each process asks for itself: %s", error)
            self._away = True
            return None
        if self._away:
            logger.info("replies are shared again")
        self._away = False
        return answer

    def _submit(self, call: Callable[..., T], *args: Any, **named: Any) -> Future[T]:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(_THREADS, "gavat-gpt")
        return self._threads.submit(call, *args, **named)

    def close(self) -> None:
        """Let its threads end; flights of other event loops that end later have threads of their own."""
        threads, self._threads = self._threads, None
        if threads is not None:
            threads.shutdown(wait=False)

    def after_fork(self) -> None:
        """In a child process: its parent's threads do not run there."""
        self._threads = None


def _said(found: Found | Told | Failed, *, joined: bool) -> tuple[GptReply, float]:
    """What another process got, and how long it stays valid; raises the error that it got."""
    if isinstance(found, Failed):
        raise found.error
    if isinstance(found, Told):
        return replace(found.reply, source=Source.JOINED), 0.0
    return replace(found.reply, source=Source.JOINED if joined else Source.CACHE), found.lifetime
