"""What Telegram said about waiting, remembered by request and chat (no clock, no I/O).

Telethon remembers a flood wait by the request alone, so that one in a single chat silences all others for its time
(research: mtproto §3.8, scheduler §0.4). Telegram does not say which it meant. So the chat that was refused waits, and
the others go on; when a second one is refused while the first waits, it was the account, and all wait.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class FloodKey:
    """What a wait is for."""

    request: int
    """TL constructor of the request."""
    peer: int | None
    """Marked id of the chat or user it addresses; None for a request without one."""


class FloodMemory:
    """Waits that are not over yet."""

    def __init__(self) -> None:
        self._until: dict[FloodKey, datetime] = {}

    def wait(self, key: FloodKey, *, now: datetime) -> timedelta:
        """How long such a request has to wait yet; zero when it may go."""
        until = max((self._until.get(one, now) for one in (key, _for_all(key))), default=now)
        return max(until - now, timedelta(0))

    def learn(self, key: FloodKey, wait: timedelta, *, now: datetime) -> None:
        """Remember that Telegram asked for a wait."""
        self._until = {one: until for one, until in self._until.items() if until > now}
        others = [one for one in self._until if one.request == key.request and one.peer != key.peer]
        if others:
            key = _for_all(key)
        self._until[key] = max(now + wait, self._until.get(key, now))


def _for_all(key: FloodKey) -> FloodKey:
    return FloodKey(request=key.request, peer=None)
