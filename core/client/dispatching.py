"""One update, and the handlers that it goes to, one after the other: what goes wrong in one hurts no other.

It takes the place of Telethon's loop over them, which ends for all that stand behind at a filter that fails, a name
that cannot be looked up, and a CancelledError.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol, runtime_checkable

from telethon import errors, events

from core.client.failing_alone import failing_alone
from core.client.filtering import Filters

logger = logging.getLogger("gavatcore.client")

ENDS_THE_PROGRAM = (KeyboardInterrupt, SystemExit)


@runtime_checkable
class TellsFailures(Protocol):
    """A handler that counts and logs for itself what goes wrong."""

    def tell_failure(self, what: str, error: BaseException) -> None:
        """Called when `what` ("a filter") has failed, in place of the handler."""


class Dispatcher:
    """Calls the handlers of one client, of the bot of that name."""

    def __init__(self, client: Any, name: str) -> None:
        self._name = name
        self._filters = Filters(client)

    async def hand_over(self, handlers: Sequence[tuple[Any, Any]], event_of: Callable[[Any], Any]) -> None:
        """Call each handler that wants it: pairs of a Telethon event and a function, in Telethon's order.

        `event_of` gives what the function is called with, from the event; None when the update is none of its kind.
        `handlers` must not change meanwhile. Raises only what ends a program, and a cancellation that was asked for.
        """
        for builder, handler in handlers:
            event = await self._wanted(builder, handler, event_of)
            if event is None:
                continue
            try:
                with failing_alone(
                    partial(self._tell, handler, "a handler"),
                    events.StopPropagation,
                    errors.AlreadyInConversationError,
                    *ENDS_THE_PROGRAM,
                ):
                    await handler(event)
            except events.StopPropagation:
                return
            except errors.AlreadyInConversationError:
                logger.debug("%s: %s has a conversation open already", self._name, handler)

    async def _wanted(self, builder: Any, handler: Any, event_of: Callable[[Any], Any]) -> Any:
        """What the handler is to be called with; None when it is not to be called."""
        with failing_alone(partial(self._tell, handler, "a filter")):
            event = event_of(builder)
            if event and await self._filters.lets_pass(builder, event):
                return event
        return None

    def _tell(self, handler: Any, what: str, error: BaseException) -> None:
        if isinstance(handler, TellsFailures):
            handler.tell_failure(what, error)
        else:
            name = getattr(handler, "__qualname__", handler)
            logger.error("%s: %s failed: %s", self._name, what, name, exc_info=error)
