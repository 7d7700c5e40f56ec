"""The program's functions for messages: each call is counted, and a mistake in one hurts neither bot nor others."""

from __future__ import annotations

import copy
import inspect
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from telethon import events

from core.client.client import GavatClient
from core.fleet.roster import Kind

logger = logging.getLogger("gavatcore.fleet")

Handler = Callable[..., Any]


@dataclass(slots=True)
class Counts:
    """Calls of handlers for one bot."""

    handled: int = 0
    failed: int = 0


class Listening(NamedTuple):
    """One function, what it is called for, and what kind of handler it is."""

    handler: Handler
    event: Any
    kind: Kind


class Handlers:
    """What a program has every bot of its fleet listen to, in the order in which it was added."""

    def __init__(self) -> None:
        self._added: list[Listening] = []

    def add(self, listening: Listening) -> None:
        """Call a handler for an event of Telethon's."""
        self._added.append(listening)

    def remove(self, handler: Handler) -> None:
        """Forget a function; harmless when it was never added."""
        self._added = [one for one in self._added if one.handler is not handler]

    def __iter__(self) -> Iterator[Listening]:
        return iter(self._added)


class Ears:
    """The handlers of one bot, each guarded."""

    def __init__(self, client: GavatClient, counts: Counts) -> None:
        self._client = client
        self._counts = counts
        self._guarded: dict[Handler, Handler] = {}

    def add(self, handler: Handler, event: Any) -> None:
        """Let the bot call it, now and after each start."""
        guarded = self._guarded.setdefault(handler, _guard(handler, self._client.name, self._counts))
        self._client.add_event_handler(guarded, event)

    def replace(self, listening: Iterable[Listening]) -> None:
        """Let the bot call these and no others; nothing is missed between the two."""
        for handler in tuple(self._guarded):
            self.remove(handler)
        for one in listening:
            self.add(one.handler, one.event)

    def remove(self, handler: Handler) -> None:
        """Let the bot call it no more."""
        guarded = self._guarded.pop(handler, None)
        if guarded is not None:
            self._client.remove_event_handler(guarded)


def private_messages() -> Any:
    """Each message that a person writes to a bot."""
    return events.NewMessage(incoming=True, func=lambda event: event.is_private)


def group_messages() -> Any:
    """Each message in a group that a bot is in."""
    return events.NewMessage(incoming=True, func=lambda event: event.is_group)


def is_marked(handler: Handler) -> bool:
    """Whether it says itself what it is called for: `@events.register(…)`."""
    return bool(events.is_handler(handler))


def listening(kind: Kind, handler: Handler) -> list[Listening]:
    """One handler of a kind, with events of its bot's own: Telethon keeps in them what one account sees."""
    if kind is Kind.ON_PRIVATE:
        return [Listening(handler, private_messages(), kind)]
    if kind is Kind.ON_GROUP:
        return [Listening(handler, group_messages(), kind)]
    return [Listening(handler, copy.copy(event), kind) for event in events.list(handler)]


def _guard(handler: Handler, name: str, counts: Counts) -> Handler:
    async def call(event: Any) -> None:
        counts.handled += 1
        try:
            result = handler(event)
            if inspect.isawaitable(result):
                await result
        except events.StopPropagation:
            raise
        except (Exception, SystemExit):  # sys.exit() in a handler would end the loop, and with it all bots
            counts.failed += 1
            logger.exception("%s: a handler failed: %s", name, getattr(handler, "__qualname__", handler))

    return call
