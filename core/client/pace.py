"""How fast a client may connect again: a peer that accepts and closes must not be met 500 times a second.

Telethon's own `retry_delay` covers failed TCP connects only (research: mtproto §3.4).
"""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta
from typing import Any

from telethon.network.connection.connection import Connection

from utils.backoff import BackoffPolicy

SETTLED = timedelta(seconds=10)
"""A connection that lived so long was good: the next one may come at once."""


class ReconnectPace:
    """Counts connections that ended young, and says how long to wait before the next one (no clock of its own).

    All times are those of the event loop, in seconds.
    """

    def __init__(self, policy: BackoffPolicy) -> None:
        self._policy = policy
        self._began: float | None = None
        self._short_lives = 0
        self.connects = 0
        """Connections that were tried in all."""
        self.last_error = ""
        """Why the last try failed; empty after a good one."""

    def delay(self, now: float, *, chance: float) -> timedelta:
        """The wait before a connect that is due at `now`."""
        self.ended(now)
        return self._policy.delay(self._short_lives, chance=chance)

    def began(self, now: float) -> None:
        """A connection is tried; until it is said to have ended, it lives."""
        self.connects += 1
        self._began = now

    def ended(self, now: float) -> None:
        """The connection, or the try, is over; harmless when none lives."""
        if self._began is None:
            return
        lived, self._began = now - self._began, None
        self._short_lives = 0 if lived >= SETTLED.total_seconds() else self._short_lives + 1


class PacedConnection(Connection):  # type: ignore[misc]  # telethon has no types
    """Mixed into one of Telethon's connection classes: waits its turn before each connect."""

    pace: ReconnectPace

    async def connect(self, timeout: float | None = None, ssl: bool | None = None) -> None:  # noqa: ASYNC109  # Telethon's
        """Connect when the pace allows it; raises what Telethon's connection raises."""
        loop = asyncio.get_running_loop()
        wait = self.pace.delay(loop.time(), chance=random.random())  # spreads a fleet, guards nothing
        if wait:
            await asyncio.sleep(wait.total_seconds())
        self.pace.began(loop.time())
        task = asyncio.current_task()
        cancellations = task.cancelling() if task else 0
        try:
            await super().connect(timeout=timeout, ssl=ssl)
        except OSError as error:
            self.pace.last_error = error.strerror or type(error).__name__
            raise
        self.pace.last_error = ""
        if task and task.cancelling() > cancellations:
            raise asyncio.CancelledError  # lost by `wait_for` before Python 3.12 when the connection is there by then

    async def disconnect(self) -> None:
        """Close, and take note of how long it lived."""
        self.pace.ended(asyncio.get_running_loop().time())
        await super().disconnect()


def paced(connection: type[Any], pace: ReconnectPace) -> type[Any]:
    """The connection class, waiting its turn by `pace`."""
    return type(f"Paced{connection.__name__}", (PacedConnection, connection), {"pace": pace})
