"""Counting where nothing is limited: in memory at once, written down every few seconds by a thread of its own.

A killed process loses the figures of those seconds, and nothing else: there is no limit that they could break.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from gpt.budget.model import ALL, Amount, scope_of

WRITTEN_EVERY = 5.0
Writer = Callable[[str, Mapping[str, Amount], tuple[str, ...]], bool]
"""Gets a day, what each scope spent, and the bots among them; gives whether it could write that. Blocks."""


class Tally:
    """Shared by threads."""

    def __init__(self, write: Writer, *, every: float = WRITTEN_EVERY) -> None:
        self._write = write
        self._every = every
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._days: dict[str, dict[str, Amount]] = {}
        self._in_hand: dict[str, dict[str, Amount]] = {}
        self._timer: threading.Timer | None = None

    def add(self, day: str, bot: str, spent: Amount) -> None:
        """Count one reply."""
        with self._lock:
            scopes = self._days.setdefault(day, {})
            for scope in (ALL, scope_of(bot)):
                known = scopes.get(scope)
                scopes[scope] = spent if known is None else known.plus(spent)
            if self._timer is None:
                self._wind_up()

    def unwritten(self, day: str) -> dict[str, Amount]:
        """What a day has on top of what was written."""
        with self._lock:
            return _sum(self._days.get(day, {}), self._in_hand.get(day, {}))

    def flush(self) -> bool:
        """Write all of it now; what cannot be written is kept, and makes it false. Blocks."""
        with self._writing:
            with self._lock:
                self._in_hand, self._days = self._days, {}
                timer, self._timer = self._timer, None
            if timer is not None:
                timer.cancel()
            for day, scopes in list(self._in_hand.items()):
                is_written = self._write(day, scopes, tuple(scope[2:] for scope in scopes if scope != ALL))
                with self._lock:
                    del self._in_hand[day]
                    if not is_written:
                        self._days[day] = _sum(self._days.get(day, {}), scopes)
            return not self._days

    def _wind_up(self) -> None:
        self._timer = threading.Timer(self._every, self._flush_in_time)
        self._timer.daemon = True
        self._timer.name = "gavat-tally"
        self._timer.start()

    def _flush_in_time(self) -> None:
        if not self.flush():
            with self._lock:
                if self._timer is None:
                    self._wind_up()


def _sum(some: Mapping[str, Amount], more: Mapping[str, Amount]) -> dict[str, Amount]:
    both = dict(some)
    for scope, amount in more.items():
        both[scope] = both.get(scope, Amount()).plus(amount)
    return both
