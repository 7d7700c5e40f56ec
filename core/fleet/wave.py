"""Who may start when: a few at a time, at a distance, and not into a flood that others have met."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from core.fleet.settings import FleetSettings

logger = logging.getLogger("gavatcore.fleet")


_STEP = 1.0
"""Seconds between two looks at the time of the next start, which other bots' starts move."""


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
        """A bot started; a stopped wave goes on."""
        if self._is_stopped:
            self._next_at = asyncio.get_running_loop().time()
        self._refused_in_a_row = 0

    def said_nothing(self) -> None:
        """A start failed for a reason of its own: in a stopped wave the next bot is the try instead."""
        if self._is_stopped:
            self._next_at = asyncio.get_running_loop().time()

    def refused(self) -> None:
        """Telegram refused a start in a way that the next ones would meet too (406, 420)."""
        self._refused_in_a_row += 1
        if self._is_stopped:
            self._next_at = asyncio.get_running_loop().time() + self._pause
            logger.error(
                "%d starts in a row were refused: no bot is started for %.0f s", self._refused_in_a_row, self._pause
            )

    def told(self, now: datetime) -> tuple[str, datetime | None]:
        """Why a bot waits for its turn, and until when the wave is stopped."""
        if not self._is_stopped:
            return "it waits for its turn to start", None
        wait = self._next_at - asyncio.get_running_loop().time()
        why = f"{self._refused_in_a_row} starts in a row were refused (406, 420), then one bot is tried"
        return why, now + timedelta(seconds=max(wait, 0.0))

    @property
    def _is_stopped(self) -> bool:
        return self._refused_in_a_row >= self._settings.wave_stops_after

    @property
    def _pause(self) -> float:
        return self._settings.wave_pause.total_seconds()

    async def _keep_distance(self) -> None:
        async with self._distance:
            loop = asyncio.get_running_loop()
            while (wait := self._next_at - loop.time()) > 0:  # noqa: ASYNC110  # meanwhile it may become later or sooner
                await asyncio.sleep(min(wait, _STEP))
            if self._is_stopped:  # one try; the others wait for its end, or for another pause
                self._next_at = loop.time() + self._pause
                return
            low, high = (one.total_seconds() for one in (self._settings.stagger_min, self._settings.stagger_max))
            self._next_at = loop.time() + low + (high - low) * random.random()  # spreads a fleet, guards nothing
