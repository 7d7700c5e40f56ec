"""How far updates were handled: what is saved must never be ahead of what the handlers have finished.

Telethon moves its update state on before it hands an update to the handlers, and saves it each minute. Killed in
between, a message would be lost for ever. Here the state that may be saved is the newest one of which every update was
handled, so that after a kill Telegram sends again what was under way (it may come twice, and is never lost).
"""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple

HOLDS_BACK = 300.0
"""Seconds: a handler at work for longer (a conversation, a download) no longer holds the saved state back."""


MARK_EVERY = 5.0
"""Seconds between two notes of the state; what was handled since the last one may come again after a stop."""


class UpdateState(NamedTuple):
    """Telethon's `MessageBox.session_state()`: of the account, and pts by channel."""

    account: dict[str, Any]
    channels: dict[int, int]


class _Mark(NamedTuple):
    state: UpdateState
    before: int
    """Number of the first update that this state does not include."""
    taken_at: float


class Delivery:
    """Numbers updates as they come in and forgets them when they were handled."""

    def __init__(self) -> None:
        self._next = 0
        self._open: dict[int, int] = {}
        """Numbers of updates under way, by identity; oldest first."""
        self._marks: deque[_Mark] = deque()

    def received(self, updates: list[Any]) -> None:
        """Telethon has moved its state past these updates."""
        for update in updates:
            self._open[id(update)] = self._next
            self._next += 1

    def handled(self, update: Any) -> None:
        """All handlers have finished with it, well or not."""
        self._open.pop(id(update), None)

    @property
    def under_way(self) -> int:
        """Updates received and not handled yet."""
        return len(self._open)

    def savable(self, state: UpdateState, now: float) -> UpdateState | None:
        """The newest state that may be saved when `state` is the present one; None when none may.

        `now` is the time of the event loop in seconds.
        """
        self._mark(state, now)
        newest = None
        while self._marks and self._is_settled(self._marks[0], now):
            newest = self._marks.popleft().state
        return newest

    def passed(self, state: UpdateState, now: float) -> None:
        """Note the present state between saves, so that the one to be saved is seconds old and not a minute.

        Nothing is noted within `MARK_EVERY` seconds of the last one.
        """
        if not self._marks or now - self._marks[-1].taken_at >= MARK_EVERY:
            self._mark(state, now)

    def _mark(self, state: UpdateState, now: float) -> None:
        self._marks.append(_Mark(state, self._next, now))
        while len(self._marks) > 1 and self._is_settled(self._marks[1], now):
            self._marks.popleft()

    def _is_settled(self, mark: _Mark, now: float) -> bool:
        first_open = min(self._open.values(), default=self._next)
        return mark.before <= first_open or now - mark.taken_at > HOLDS_BACK
