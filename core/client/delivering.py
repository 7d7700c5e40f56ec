"""Telethon's client whose updates reach their handlers at least once: its update state is ours to save.

Every override names the behaviour of Telethon 1.45 that it cures; each has a test against the loopback server.
"""

from __future__ import annotations

import logging
import os
from contextlib import AbstractContextManager, suppress
from contextvars import ContextVar
from typing import Any

from telethon import TelegramClient, events, utils
from telethon._updates.messagebox import PtsInfo
from telethon.client.updates import EventBuilderDict
from telethon.tl import types

from core.client.delivery import Delivery, UpdateState
from core.client.dispatching import ENDS_THE_PROGRAM, Dispatcher
from core.client.failing_alone import failing_alone
from core.client.session import PatientSession
from core.errors import SessionFileBusy
from core.session_files.looking.listing import SUFFIX
from utils.clock import from_epoch
from utils.redact import printable

logger = logging.getLogger("gavatcore.client")
_at_hand: ContextVar[Any] = ContextVar("_at_hand", default=None)
"""The update whose handlers run in this task, and in those that they began."""


class DeliveringClient(TelegramClient):  # type: ignore[misc]  # telethon has no types
    """Knows which updates are under way, and saves no state that is ahead of their handlers."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.delivery = Delivery()
        self._channels: set[int] = set()
        """Those whose state is stored, if only where it begins."""
        self.batches = 0
        """Of updates that Telethon's loop has taken up so far, pushed or fetched; stuck, it stands still."""
        super().__init__(*arguments, **options)
        self._dispatcher = Dispatcher(self, self._name)

    async def connect(self) -> None:
        """Connect, and go on from the stored state; the first one ever is stored at once, before anything comes in.

        Raises SessionFileBusy when somebody's lock hides a part of it.
        """
        if self.is_connected():
            return
        missed = self._reads_missed()
        await self._save_states_and_entities()  # Telethon goes back to what is stored, also after a mere reconnection
        await super().connect()
        if self._reads_missed() > missed:
            raise self._is_hidden()
        self.delivery = Delivery()  # what was not handled is past the stored state, and comes again
        self._channels = set(self._message_box.session_state()[1])
        if await utils.maybe_async(self.session.get_update_state(0)) is None:
            await self._save_states_and_entities()
            await utils.maybe_async(self.session.save())

    async def _handle_auto_reconnect(self) -> None:
        """Fetch what was missed: Telethon itself waits for the next update to show the gap (mtproto §3.9)."""
        await super()._handle_auto_reconnect()
        if not self._no_updates:
            await self.catch_up()

    def add_event_handler(self, callback: Any, event: Any = None) -> None:
        """Call `callback` for an event, from the next update on."""
        self._event_builders: list[Any] = [*self._event_builders]  # an update at work goes on through the old ones
        super().add_event_handler(callback, event)

    def remove_event_handler(self, callback: Any, event: Any = None) -> int:
        """Call `callback` no more, from the next update on; gives how many were removed."""
        self._event_builders = [*self._event_builders]
        removed: int = super().remove_event_handler(callback, event)
        return removed

    async def _preprocess_updates(self, updates: Any, users: Any, chats: Any) -> Any:
        self.batches += 1
        self.delivery.received(updates)
        if self._state_is_complete:
            self.delivery.passed(UpdateState(*self._message_box.session_state()), self.loop.time())
        ready = await super()._preprocess_updates(updates, users, chats)
        await self._store_new_channels(updates)
        return ready

    async def _store_new_channels(self, updates: list[Any]) -> None:
        """Store where a channel begins when it is first heard of: without a state Telethon asks for nothing missed."""
        infos = [info for info in map(PtsInfo.from_update, updates) if info is not None]
        new = [info for info in infos if isinstance(info.entry, int) and info.entry not in self._channels]
        for info in reversed(new):  # the first update of a channel says where it begins
            begin = types.updates.State(info.pts - info.pts_count or 1, 0, from_epoch(0), 0, unread_count=0)
            await utils.maybe_async(self.session.set_update_state(info.entry, begin))
        if new:
            self._channels.update(info.entry for info in new)
            await utils.maybe_async(self.session.save())

    async def _dispatch_update(self, update: Any) -> None:
        """Hand it to the handlers; a disconnect that cuts them off leaves it unhandled, so that it comes again.

        It cancels some; others meet it as a LostConnection of the request that they wait for.
        """
        _at_hand.set(update)
        try:
            with self._telling("handing over an update", *ENDS_THE_PROGRAM):
                await self._hand_over(update)
        except SystemExit:
            self.delivery.handled(update)  # coming again, it would end each start
            raise
        if self.is_connected():
            self.delivery.handled(update)

    async def _hand_over(self, update: Any) -> None:
        built = EventBuilderDict(self, update, None)
        if not self._mb_entity_cache.self_id:
            with self._telling("the look-up of its own account"), suppress(OSError):
                await self.get_me(input_peer=True)
        with self._telling("a conversation"):
            await self._tell_conversations(built)
        await self._dispatcher.hand_over(self._event_builders, lambda builder: built[type(builder)])

    async def _dispatch_event(self, event: Any) -> None:
        """Hand over an album, which Telethon gathers from its updates."""

        def of(builder: Any) -> Any:
            is_one = not isinstance(builder, events.Raw) and isinstance(event, builder.Event)
            return event if is_one else None

        await self._dispatcher.hand_over(self._event_builders, of)

    async def _tell_conversations(self, built: Any) -> None:
        """What Telethon does before it calls handlers."""
        for conversation in [one for same_chat in self._conversations.values() for one in same_chat]:
            for event, tell in (
                (built[events.NewMessage], conversation._on_new_message),
                (built[events.MessageEdited], conversation._on_edit),
                (built[events.MessageRead], conversation._on_read),
            ):
                if event:
                    tell(event)
            if conversation._custom:
                await conversation._check_custom(built)

    def _telling(self, what: str, *passing: type[BaseException]) -> AbstractContextManager[None]:
        """Log what goes wrong inside, and go on behind it."""
        return failing_alone(lambda error: logger.error("%s: %s failed", self._name, what, exc_info=error), *passing)

    @property
    def _name(self) -> str:
        """The session's, for logs."""
        path = getattr(self.session, "filename", "")
        return printable(os.path.basename(path).removesuffix(SUFFIX)) if path else type(self.session).__name__

    def settle_at_hand(self) -> None:
        """Count the update as handled whose handler calls this: one that stops the client must not do so again."""
        self.delivery.handled(_at_hand.get())

    @property
    def is_at_a_handler(self) -> bool:
        """Whether Telethon's update loop waits for handlers (sequential_updates): no new connection helps then."""
        return bool(self._sequential_updates and self.delivery.under_way)

    @property
    def _state_is_complete(self) -> bool:
        """Whether Telethon's state may be gone back to.

        Before the first connection it knows nothing, and zeros would overwrite what is stored. While a channel's
        difference is still to be fetched, our date is past its news: Telegram would not tell of them again.
        """
        waiting = self._message_box.getting_diff_for
        return not self._message_box.is_empty() and not any(isinstance(entry, int) for entry in waiting)

    async def _save_states_and_entities(self) -> None:
        """Save who we are, and how far updates were handled (Telethon would save how far they were received).

        Before the first connection knows anything, Telethon would overwrite what is stored with zeros.
        """
        if not self._state_is_complete:
            return
        if self._mb_entity_cache.self_id:
            # Telethon's own way to keep our id: an entity with the id 0 whose hash is it
            me = types.contacts.ResolvedPeer(None, [types.InputPeerUser(0, self._mb_entity_cache.self_id)], [])
            await utils.maybe_async(self.session.process_entities(me))
        state = self.delivery.savable(UpdateState(*self._message_box.session_state()), self.loop.time())
        if state is None:
            return
        states = {0: types.updates.State(**state.account, unread_count=0)}
        for channel_id, pts in state.channels.items():
            states[channel_id] = types.updates.State(pts, 0, from_epoch(0), 0, unread_count=0)
        for entity_id, told in states.items():
            await utils.maybe_async(self.session.set_update_state(entity_id, told))

    def _is_hidden(self) -> SessionFileBusy:
        return SessionFileBusy(
            "somebody keeps the session locked, so that nothing can be looked up in it",
            path=printable(self.session.filename),
            hint="monitor_system.py why names the holder; stop it",
        )

    def _reads_missed(self) -> int:
        return self.session.stats.reads_missed if isinstance(self.session, PatientSession) else 0
