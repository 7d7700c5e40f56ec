"""Blocking work of a start or a reload, which a stop does not wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from core.errors import GavatError
from utils.own_thread import in_own_thread

Result = TypeVar("Result")


class StoppedMeanwhile(GavatError):
    """Whoever asked for a start or a reload has it no more: `stop()` came after."""

    def __init__(self) -> None:
        super().__init__("the fleet was stopped meanwhile")


async def unless(stopped: asyncio.Event, call: Callable[[], Result]) -> Result:
    """What `call` gives, in a thread of its own; raises StoppedMeanwhile once `stopped` is set, however far it is."""
    working = asyncio.create_task(in_own_thread(call))
    stop = asyncio.create_task(stopped.wait())
    try:
        await asyncio.wait({working, stop}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise StoppedMeanwhile
        result = working.result()
        if stopped.is_set():
            raise StoppedMeanwhile
        return result
    finally:
        stop.cancel()
        working.cancel()
