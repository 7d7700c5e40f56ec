"""The program's functions for messages: each call is counted, and a mistake in one hurts neither bot nor others."""

from __future__ import annotations

import copy
import inspect
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from telethon import events

from core.client.client import GavatClient
from core.client.failing_alone import failing_alone
from core.client.handler_shape import refuse_unfit
from core.fleet.roster import Kind

logger = logging.getLogger("gavatcore.fleet")

Handler = Callable[..., Any]


@dataclass(slots=True)
class Counts:
    """Calls of handlers for one bot; one whose filter fails counts as called and failed."""

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
        """Call a handler for an event of Telethon's; raises ConfigError for what cannot be one."""
        refuse_unfit(listening.handler)
        self._added = [*self._added, listening]

    def remove(self, handler: Handler) -> None:
        """Forget a function; harmless when it was never added."""
        self._added = [one for one in self._added if one.handler != handler]

    def __iter__(self) -> Iterator[Listening]:
        return iter(self._added)


class Ears:
    """The handlers of one bot, each guarded."""

    def __init__(self, client: GavatClient, counts: Counts) -> None:
        self._client = client
        self._counts = counts
        self._guards: list[_Guard] = []

    def add(self, handler: Handler, event: Any) -> None:
        """Let the bot call it, now and after each start.

        The bot gets an event of its own: Telethon keeps in it what one account sees (`from_users="me"`).
        """
        guard = self._guard_of(handler)
        if guard is None:
            guard = _Guard(handler, self._client.name, self._counts)
            self._guards.append(guard)
        self._client.add_event_handler(guard, copy.copy(event))

    def replace(self, listening: Iterable[Listening]) -> None:
        """Let the bot call these and no others; nothing is missed between the two, and none meets an update twice."""
        for guard in tuple(self._guards):
            self.remove(guard.handler)
        for one in listening:
            self.add(one.handler, one.event)

    def remove(self, handler: Handler) -> None:
        """Let the bot call it no more."""
        guard = self._guard_of(handler)
        if guard is not None:
            self._guards.remove(guard)
            self._client.remove_event_handler(guard)

    def _guard_of(self, handler: Handler) -> _Guard | None:
        """Compared as equal: each look at `shop.answer` makes a new bound method."""
        return next((one for one in self._guards if one.handler == handler), None)


class _Guard:
    """A handler for one bot, whose mistakes are told by the bot's name and counted.

    Whatever it raises ends it alone: CancelledError too, when nobody cancelled it, and SystemExit and
    KeyboardInterrupt, which asyncio would pass on to the whole program. A person's Ctrl-C does not come here: asyncio's
    signal handler cancels the main task. (One that meets a handler in mid-work, as a second Ctrl-C may, ends that one.)
    """

    def __init__(self, handler: Handler, name: str, counts: Counts) -> None:
        self.handler = handler
        self._name = name
        self._counts = counts

    async def __call__(self, event: Any) -> None:
        self._counts.handled += 1
        with failing_alone(partial(self._count, "a handler"), events.StopPropagation):
            result = self.handler(event)
            if inspect.isawaitable(result):
                await result

    def tell_failure(self, what: str, error: BaseException) -> None:
        """Count something else of it that went wrong, as if it had been called and had failed."""
        self._counts.handled += 1
        self._count(what, error)

    def _count(self, what: str, error: BaseException) -> None:
        self._counts.failed += 1
        handler = getattr(self.handler, "__qualname__", self.handler)
        logger.error("%s: %s failed: %s", self._name, what, handler, exc_info=error)


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
    """One handler of a kind, with the events that it is called for."""
    if kind is Kind.ON_PRIVATE:
        return [Listening(handler, private_messages(), kind)]
    if kind is Kind.ON_GROUP:
        return [Listening(handler, group_messages(), kind)]
    return [Listening(handler, event, kind) for event in events.list(handler)]
