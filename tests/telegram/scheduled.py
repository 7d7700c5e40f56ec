"""Messages that are scheduled: kept per account and chat, and delivered by the loop's clock when they are due."""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from telethon.tl import types

from tests.telegram.boxes import Message

if TYPE_CHECKING:
    from tests.telegram.accounts import Account
    from tests.telegram.chats import Chat
    from tests.telegram.world import World

MOST_PER_CHAT = 100


@dataclass(slots=True, kw_only=True, eq=False)
class ScheduledMessage:
    """One message to be sent; its id is of a sequence of its own, and not the one it will be published under."""

    id: int
    due: datetime
    message: Message
    timer: asyncio.TimerHandle


class Scheduled:
    """All scheduled messages of the server."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._waiting: list[ScheduledMessage] = []
        self._last_id = 0

    def add(self, message: Message, due: datetime) -> ScheduledMessage:
        """Keep the message until it is due."""
        self._last_id += 1
        delay = (due - self._world.now()).total_seconds()
        timer = asyncio.get_running_loop().call_later(delay, self._fire, self._last_id)
        entry = ScheduledMessage(id=self._last_id, due=due, message=message, timer=timer)
        self._waiting.append(entry)
        return entry

    def of(self, account: "Account", chat: "Account | Chat") -> list[ScheduledMessage]:
        """What the account has scheduled in this chat."""
        return [entry for entry in self._waiting if entry.message.sender is account and entry.message.chat is chat]

    def cancel(self, entries: list[ScheduledMessage]) -> None:
        """Never send these."""
        for entry in entries:
            entry.timer.cancel()
            self._waiting.remove(entry)

    def close(self) -> None:
        """Stop the clockwork."""
        self.cancel(list(self._waiting))

    def _fire(self, number: int) -> None:
        entry = next(entry for entry in self._waiting if entry.id == number)
        self._waiting.remove(entry)
        entry.message.date = self._world.now()
        entry.message.from_scheduled = True
        arrival = self._world.deliver(entry.message)
        gone = types.UpdateDeleteScheduledMessages(entry.message.chat.tl_peer, [number], [arrival.id])
        self._world.push_update(entry.message.sender, gone)
