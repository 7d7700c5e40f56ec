"""A heart that beats on an event loop and notices when the loop serves nobody."""

from __future__ import annotations

import asyncio
import time

BEAT = 0.001
"""Seconds between two beats."""


class Heart:
    """What the longest stall was while it has been beating."""

    def __init__(self) -> None:
        self.longest = 0.0
        """Seconds; the longest delay of a wake-up."""
        self.busiest = 0.0
        """Seconds of processor time that the loop's thread used in its longest turn."""

    async def beat(self) -> None:
        """Note the longest delay of a wake-up, until cancelled."""
        while True:
            asleep, used = time.perf_counter(), time.thread_time()
            try:
                await asyncio.sleep(BEAT)
            finally:
                self.longest = max(self.longest, time.perf_counter() - asleep - BEAT)
                self.busiest = max(self.busiest, time.thread_time() - used)
