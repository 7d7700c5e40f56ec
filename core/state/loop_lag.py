"""How late an event loop is: a short tick that should come in time, and by how much it did not."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from datetime import timedelta

TICK = 0.2
"""Seconds; a loop that is busy for longer is always seen, and an idle one is hardly kept from sleeping."""


class LoopLag:
    """Ticks on a loop from the moment it is made until `stop()`."""

    def __init__(self, loop: AbstractEventLoop) -> None:
        self._loop = loop
        self._worst = 0.0
        self._arm()

    def take(self) -> timedelta:
        """The worst lateness since the last call; a tick that is late at this very moment counts."""
        self._note()
        worst, self._worst = self._worst, 0.0
        self._handle.cancel()
        self._arm()
        return timedelta(seconds=worst)

    def stop(self) -> None:
        """Tick no more."""
        self._handle.cancel()

    def _arm(self) -> None:
        self._due = self._loop.time() + TICK
        self._handle = self._loop.call_at(self._due, self._tick)

    def _note(self) -> None:
        self._worst = max(self._worst, self._loop.time() - self._due)

    def _tick(self) -> None:
        self._note()
        self._arm()
