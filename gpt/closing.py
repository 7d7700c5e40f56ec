"""Waits that end when their helper is closed, on whatever event loop they are."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Self

from gpt.errors import HelperClosed


class ClosableWaits:
    """`async with waits.within(seconds):` raises TimeoutError after them, and HelperClosed once `close` was called."""

    def __init__(self) -> None:
        self._under_way: set[Wait] = set()
        self.closed = False

    def within(self, seconds: float | None) -> Wait:
        """Bounds what is awaited inside; None: only closing ends it."""
        return Wait(self, seconds)

    def close(self) -> None:
        """End all that is under way; a later one is refused."""
        self.closed = True
        for wait in list(self._under_way):
            with suppress(RuntimeError):  # its event loop was closed over it
                wait.loop.call_soon_threadsafe(self._end, wait)

    def after_fork(self) -> None:
        """In a child process: the event loops of its parent do not run there."""
        self._under_way = set()

    def began(self, wait: Wait) -> None:
        """From now on `close` ends it; raises HelperClosed when that was called."""
        if self.closed:
            raise HelperClosed("the helper was closed")
        self._under_way.add(wait)

    def ended(self, wait: Wait) -> None:
        """It is over."""
        self._under_way.discard(wait)

    def _end(self, wait: Wait) -> None:
        if wait in self._under_way and not wait.scope.expired():
            wait.scope.reschedule(0)


class Wait:
    """One of them. A class and no generator: an event loop that ends closes all generators at once."""

    def __init__(self, waits: ClosableWaits, seconds: float | None) -> None:
        self._waits = waits
        self.scope = asyncio.timeout(seconds)
        self.loop = asyncio.get_running_loop()

    async def __aenter__(self) -> Self:
        self._waits.began(self)
        await self.scope.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._waits.ended(self)
        try:
            await self.scope.__aexit__(kind, error, at)
        except TimeoutError:
            if self._waits.closed:
                raise HelperClosed("the helper was closed while it was asked") from None
            raise
