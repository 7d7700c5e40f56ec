"""One flight for all processes of a fleet: the reply of whoever asked first, through Redis."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar

from gpt.cache.shared_cache import FLIGHT_LIFE, Failed, Flying, Found, Lead, Shared, SharedCache, Told, token_of
from gpt.errors import DeadlineExceeded, GptError
from gpt.model import GptReply, Priority, Source
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
        self,
        one: Shared,
        ask: Callable[[], Coroutine[Any, Any, GptReply]],
        *,
        priority: Priority,
        until: float,
        lifetime: Callable[[], float],
    ) -> tuple[GptReply, float]:
        """The reply, and the seconds that it stays valid. Raises GptError: ours, or what the provider told another.

        A lifetime of 0 when the reply has come keeps it from everybody.
        """
        trip = _Trip(self, one, ask, token=token_of(priority), until=until, lifetime=lifetime)
        try:
            return await trip.run()
        finally:
            await trip.end()

    async def find(self, one: Shared, *, token: str, waited_for: str) -> Found | Flying | Failed | Told | Lead | None:
        """What Redis says; None: it does not."""
        return await self._asked(self._cache.find, one, token=token, waited_for=waited_for)

    async def hold(self, one: Shared, *, token: str) -> None:
        """Keep a lead until another one has it."""
        while True:
            await asyncio.sleep(FLIGHT_LIFE / 3)
            if await self._asked(self._cache.hold, one, token=token) is False:
                return

    def land(self, one: Shared, outcome: GptReply | GptError | None, **named: Any) -> Future[None]:
        """Tell the others what came of it, or that nothing did."""
        return self._submit(self._land, one, outcome, **named)

    def _land(self, one: Shared, outcome: GptReply | GptError | None, **named: Any) -> None:
        with suppress(RedisUnavailable):  # the others look until the lead has run out, and ask themselves
            self._cache.land(one, outcome, **named)

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


class _Trip:
    """One question's way through the fleet: look, wait, lead; a batch that lost its lead to a person looks again.

    What the batch itself has asked for by then stays in its queue, and is given up when the person's reply is there.
    """

    def __init__(
        self,
        fleet: FleetFlights,
        one: Shared,
        ask: Callable[[], Coroutine[Any, Any, GptReply]],
        *,
        token: str,
        until: float,
        lifetime: Callable[[], float],
    ) -> None:
        self._fleet = fleet
        self._one = one
        self._ask = ask
        self._token = token
        self._until = until
        self._lifetime = lifetime
        self._asking: asyncio.Task[GptReply] | None = None
        """Our own request; it goes on after its lead was lost, until the other's reply is there."""
        self._generation = ""
        """That of the lead; empty: there was none, or the others know what came of it."""

    async def run(self) -> tuple[GptReply, float]:
        waited_for, look = "", _FIRST_LOOK
        while True:
            found = await self._fleet.find(self._one, token=self._token, waited_for=waited_for)
            if found is None:  # Redis is away
                return await self._landed()
            if isinstance(found, Lead):
                self._generation = found.generation
                if await self._lead():
                    return await self._landed()
                waited_for, look = "", _FIRST_LOOK
            elif isinstance(found, Flying):
                waited_for = found.token
                if await self._wait(look):
                    return await self._landed()
                look = min(look * 2, _LAST_LOOK)
            elif isinstance(found, Failed) and (found.error is None or found.error.out_of_time or self._asking):
                waited_for = ""  # its deadline has passed, or we have asked too: it is ours
            else:
                return _said(found, joined=bool(waited_for))

    async def end(self) -> None:
        """Whatever became of it; the others need not wait until the lead has run out, also when this was cancelled."""
        if self._generation:
            self._land(None, 0.0)
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    def _begun(self) -> asyncio.Task[GptReply]:
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask())
        return self._asking

    async def _lead(self) -> bool:
        """Ask for all; False when another one took the lead meanwhile."""
        holding = asyncio.create_task(self._fleet.hold(self._one, token=self._token))
        try:
            await asyncio.wait([self._begun(), holding], return_when=asyncio.FIRST_COMPLETED)
        finally:
            holding.cancel()
        return self._begun().done()

    async def _wait(self, seconds: float) -> bool:
        """Until it is time to look again; whether our own request has ended first. Raises DeadlineExceeded."""
        if self._asking is not None:
            await asyncio.wait([self._asking], timeout=seconds)
            return self._asking.done()
        if time.monotonic() + seconds >= self._until:
            raise DeadlineExceeded("another process asks the same, and its answer did not come in time")
        await asyncio.sleep(seconds)
        return False

    async def _landed(self) -> tuple[GptReply, float]:
        lives = 0.0
        outcome: GptReply | GptError | None = None
        try:
            outcome = reply = await self._begun()
            lives = self._lifetime()
            return reply, lives
        except GptError as error:
            outcome = error
            raise
        finally:
            if outcome is not None and self._generation:
                await asyncio.wrap_future(self._land(outcome, lives))

    def _land(self, outcome: GptReply | GptError | None, lives: float) -> Future[None]:
        generation, self._generation = self._generation, ""
        return self._fleet.land(self._one, outcome, token=self._token, generation=generation, lifetime=lives)


def _said(found: Found | Told | Failed, *, joined: bool) -> tuple[GptReply, float]:
    """What another process got, and how long it stays valid; raises the error that it got."""
    if isinstance(found, Failed):
        assert found.error is not None
        raise found.error
    if isinstance(found, Told):
        return replace(found.reply, source=Source.JOINED), 0.0
    return replace(found.reply, source=Source.JOINED if joined else Source.CACHE), found.lifetime
