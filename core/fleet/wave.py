"""Who may start when: a few at a time, at a distance, and not into a flood that others have met."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from core.fleet.settings import FleetSettings

logger = logging.getLogger("gavatcore.fleet")


class Wave:
    """The starts of one fleet."""

    def __init__(self, settings: FleetSettings) -> None:
        self._settings = settings
        self._turns = asyncio.Semaphore(settings.at_once)
        self._distance = asyncio.Lock()
        self._next_at = 0.0
        self._refused_in_a_row = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a turn, and keep it while a bot starts."""
        async with self._turns:
            await self._keep_distance()
            yield

    def went_well(self) -> None:
        """A bot started."""
        self._refused_in_a_row = 0

    def refused(self) -> None:
        """Telegram refused a start in a way that the next ones would meet too (406, 420)."""
        self._refused_in_a_row += 1
        if self._refused_in_a_row >= self._settings.wave_stops_after:
            pause = self._settings.wave_pause
            self._next_at = asyncio.get_running_loop().time() + pause.total_seconds()
            logger.error("%d starts in a row were refused: no bot is started for %s", self._refused_in_a_row, pause)

    @property
    def is_stopped(self) -> bool:
        """Whether the last starts were refused in a row, so that the next one is a try."""
        return self._refused_in_a_row >= self._settings.wave_stops_after

    async def _keep_distance(self) -> None:
        async with self._distance:
            loop = asyncio.get_running_loop()
            while (wait := self._next_at - loop.time()) > 0:  # noqa: ASYNC110  # a refusal meanwhile makes it later
                await asyncio.sleep(wait)
            low, high = (one.total_seconds() for one in (self._settings.stagger_min, self._settings.stagger_max))
            self._next_at = loop.time() + low + (high - low) * random.random()  # spreads a fleet, guards nothing
