"""Who waits for room in the budget, in order of arrival: one line for all bots together, one for each bot.

Only the first of a line asks again, when something was settled here, or after a while, since others may have settled
elsewhere. Whoever arrives meanwhile stands behind, so that small requests do not keep a large one out for ever; only
persons stand before batches.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable
from contextlib import suppress

from gpt.model import Priority

_LOOKS_AGAIN = (0.1, 0.25)


class Turn:
    """One who waits; belongs to the event loop that it was made in."""

    def __init__(self, scope: str, priority: Priority) -> None:
        import asyncio

        self.scope = scope
        self.priority = priority
        self._loop = asyncio.get_running_loop()
        self._called = asyncio.Event()

    def call(self) -> None:
        """Let it look again; from any thread."""
        with suppress(RuntimeError):  # its loop was closed, and it with it
            self._loop.call_soon_threadsafe(self._called.set)

    async def wait(self, seconds: float) -> None:
        """Until it is called, at most so long."""
        import asyncio

        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._called.wait()
        self._called.clear()


class Lines:
    """All lines of one wallet; shared by threads."""

    def __init__(self) -> None:
        self._lines: dict[str, deque[Turn]] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        with self._lock:
            return sum(map(len, self._lines.values()))

    def busy(self, scopes: Iterable[str]) -> str | None:
        """The first of these scopes for which somebody waits."""
        return next((scope for scope in scopes if scope in self._lines), None) if self._lines else None

    def join(self, scope: str, priority: Priority = Priority.PERSON) -> Turn:
        """Stand at the end of a line; a person at the end of the persons in it."""
        turn = Turn(scope, priority)
        with self._lock:
            line = self._lines.setdefault(scope, deque())
            at = len(line)
            while at and line[at - 1].priority > priority:
                at -= 1
            line.insert(at, turn)
        return turn

    def leave(self, turn: Turn) -> None:
        """Whatever became of it; the next one is called."""
        with self._lock:
            line = self._lines.get(turn.scope, deque())
            with suppress(ValueError):
                line.remove(turn)
            if not line:
                self._lines.pop(turn.scope, None)
        self.call([turn.scope])

    def call(self, scopes: Iterable[str]) -> None:
        """Let the first of each line look again."""
        for scope in scopes if self._lines else ():
            with self._lock:
                line = self._lines.get(scope)
                first = line[0] if line else None
            if first is not None:
                first.call()

    async def wait(self, turn: Turn, until: float) -> bool:
        """Wait for one's turn to ask again; False when the time, as of `time.monotonic`, has come first."""
        import random

        while True:
            left = until - time.monotonic()
            if left <= 0:
                return False
            was_first = self._is_first(turn)
            await turn.wait(min(left, random.uniform(*_LOOKS_AGAIN)) if was_first else left)
            if time.monotonic() < until and self._is_first(turn):
                return True

    def _is_first(self, turn: Turn) -> bool:
        with self._lock:
            line = self._lines.get(turn.scope)
            return bool(line) and line is not None and line[0] is turn
