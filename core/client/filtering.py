"""Whether an event passes its handler's filter; a name in it that nobody knows is not asked for each time."""

from __future__ import annotations

import asyncio
import inspect
import random
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from weakref import WeakKeyDictionary

from utils.backoff import BackoffPolicy
from utils.telegram_errors import classify

_LOOK_UP_WITHIN = 30.0
"""Seconds. Handlers behind this one wait so long for their message."""
_TRY_AGAIN = BackoffPolicy(first=timedelta(minutes=1), cap=timedelta(hours=1))
_NOTHING = timedelta(0)


@dataclass(slots=True)
class _LookUp:
    """Of the names in one filter (`NewMessage(chats="name")`)."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    failures: int = 0
    not_before: float = 0.0
    """Time of the event loop: until then nothing is asked."""


class Filters:
    """The filters of one client."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._look_ups: WeakKeyDictionary[Any, _LookUp] = WeakKeyDictionary()

    async def lets_pass(self, builder: Any, event: Any) -> bool:
        """Whether the handler of this Telethon event is to be called; raises what the filter does.

        Of a look-up that failed it raises once; until the next try it lets nothing pass.
        """
        if not builder.resolved and not await self._is_looked_up(builder):
            return False
        answer = builder.filter(event)
        return bool(await answer if inspect.isawaitable(answer) else answer)

    async def _is_looked_up(self, builder: Any) -> bool:
        look_up = self._look_ups.setdefault(builder, _LookUp())
        async with look_up.lock:
            now = self._client.loop.time()
            if now < look_up.not_before:
                return False
            try:
                async with asyncio.timeout(_LOOK_UP_WITHIN):
                    await builder.resolve(self._client)
            except ConnectionError:  # it says nothing of the name, and the message comes again
                raise
            except Exception as error:
                look_up.failures += 1
                wait = _TRY_AGAIN.delay(look_up.failures, chance=random.random())  # spreads a fleet
                look_up.not_before = now + max(wait, classify(error).retry_after or _NOTHING).total_seconds()
                raise
        return True
