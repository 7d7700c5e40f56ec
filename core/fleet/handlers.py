"""The program's functions for messages: each call is counted, and a mistake in one hurts neither bot nor others."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from telethon import events

from core.client.client import GavatClient

logger = logging.getLogger("gavatcore.fleet")

Handler = Callable[..., Any]


@dataclass(slots=True)
class Counts:
    """Calls of handlers for one bot."""

    handled: int = 0
    failed: int = 0


class Handlers:
    """What every bot of a fleet listens to, in the order in which it was added."""

    def __init__(self) -> None:
        self._added: list[tuple[Handler, Any]] = []

    def add(self, handler: Handler, event: Any) -> None:
        """Call `handler` for an event of Telethon's."""
        self._added.append((handler, event))

    def remove(self, handler: Handler) -> None:
        """Forget a function; harmless when it was never added."""
        self._added = [(one, event) for one, event in self._added if one is not handler]

    def __iter__(self) -> Iterator[tuple[Handler, Any]]:
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


def _guard(handler: Handler, name: str, counts: Counts) -> Handler:
    async def call(event: Any) -> None:
        counts.handled += 1
        try:
            result = handler(event)
            if inspect.isawaitable(result):
                await result
        except events.StopPropagation:
            raise
        except Exception:
            counts.failed += 1
            logger.exception("%s: a handler failed: %s", name, getattr(handler, "__qualname__", handler))

    return call
