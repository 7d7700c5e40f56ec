"""Telethon's client with what a fleet needs of it: it tells what happened, takes back what was given up, catches up.

Every override names the behaviour of Telethon 1.45 that it cures; each has a test against the loopback server.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Protocol

from telethon import errors, utils
from telethon.network import ConnectionTcpFull
from telethon.tl.functions.updates import GetChannelDifferenceRequest, GetDifferenceRequest

from core.client.delivering import DeliveringClient
from core.client.failing_alone import is_cancelled
from core.client.flood_memory import FloodKey, FloodMemory
from core.client.pace import ReconnectPace, paced
from core.client.silences import Silences
from utils.backoff import BackoffPolicy
from utils.clock import from_epoch

logger = logging.getLogger("gavatcore.client")

_FLOODS = (errors.FloodWaitError, errors.FloodPremiumWaitError)
_FLOOD_TRIES = 5
_READ_PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
_FIRST_PAUSE = timedelta(seconds=0.5)
_DIFFERENCES = (GetDifferenceRequest, GetChannelDifferenceRequest)
_DIFFERENCE_WITHIN = 30.0
"""Seconds; a page of a hundred messages comes in one or two."""


class Observer(Protocol):
    """Who wants to know how requests end."""

    def answered(self) -> None:
        """Telegram answered a request with a result."""

    def refused(self, error: BaseException) -> None:
        """A request ended in an error: Telegram's, or the connection's."""


class _NoObserver:
    def answered(self) -> None:
        pass

    def refused(self, error: BaseException) -> None:
        pass


class Migration(Enum):
    """What happens when Telegram sends a client to another data centre."""

    FOLLOWED = "followed"
    """A login in the making goes there; its key was worth nothing yet."""
    REFUSED = "refused"
    """A login that is there stays: Telethon would write an empty key over its own first, and log in nowhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """What is asked of a client beyond Telethon's own options."""

    observer: Observer = field(default_factory=_NoObserver)
    flood_sleep: timedelta = timedelta(seconds=10)
    """Flood waits up to this are slept through, longer ones are raised."""
    reconnect_cap: timedelta = timedelta(minutes=1)
    """Longest wait between two tries to connect."""
    migration: Migration = Migration.FOLLOWED


class KnownFloodWait(errors.FloodWaitError):  # type: ignore[misc]  # telethon has no types
    """Refused here, without asking: Telegram said before how long to wait. Not a second strike."""


class LostConnection(ConnectionError):
    """The connection ended while a request was under way: whether Telegram executed it is unknown."""


class ObservedClient(DeliveringClient):
    """A `telethon.TelegramClient`; its own options are Telethon's."""

    def __init__(
        self, session: Any, api_id: int, api_hash: str, *, behaviour: Behaviour | None = None, **options: Any
    ) -> None:
        self._behaviour = behaviour or Behaviour()  # Telethon makes one itself for a CDN
        self.pace = ReconnectPace(BackoffPolicy(first=_FIRST_PAUSE, cap=self._behaviour.reconnect_cap))
        self.floods = FloodMemory()
        self._silences = Silences()
        connection = options.pop("connection", ConnectionTcpFull)
        super().__init__(
            session,
            api_id,
            api_hash,
            connection=paced(connection, self.pace),
            flood_sleep_threshold=0,  # waits are remembered and slept through here, by chat
            **options,
        )
        self._flood_waited_requests = _NoMemory()

    async def __call__(self, request: Any, ordered: bool = False, flood_sleep_threshold: float | None = None) -> Any:
        """Send a request, or a list of them; `flood_sleep_threshold` in seconds counts here (Telethon ignores it)."""
        return await self._call(self._sender, request, ordered, flood_sleep_threshold)

    async def _call(
        self, sender: Any, request: Any, ordered: bool = False, flood_sleep_threshold: float | None = None
    ) -> Any:
        """Every request of every method passes here; short flood waits are slept through."""
        requests = list(request) if utils.is_list_like(request) else [request]
        longest = self._behaviour.flood_sleep
        if flood_sleep_threshold is not None:
            longest = timedelta(seconds=flood_sleep_threshold)
        for _try in range(_FLOOD_TRIES - 1):
            await self._wait_out(requests, longest)
            try:
                return await self._ask_in_time(sender, request, requests, ordered)
            except _FLOODS as error:
                if error.seconds > longest.total_seconds():
                    raise
        await self._wait_out(requests, longest)
        return await self._ask_in_time(sender, request, requests, ordered)

    async def _ask_in_time(self, sender: Any, request: Any, requests: list[Any], ordered: bool) -> Any:
        """Ask; for what was missed only so long: Telethon's update loop waits for that answer, and hears nothing else.

        Without one the connection is renewed, and LostConnection makes the loop ask again. Twice in a row it is not the
        connection: TimedOutError makes the loop go on without (a channel that Telegram cannot tell of must not silence
        all others), and then nothing is asked for a while.
        """
        if not isinstance(request, _DIFFERENCES):
            return await self._ask(sender, request, requests, ordered)
        entry = request.channel.channel_id if isinstance(request, GetChannelDifferenceRequest) else None
        if self._silences.lasts(entry, now=self._now()):
            raise errors.TimedOutError(request, "TIMEOUT")
        try:
            async with asyncio.timeout(_DIFFERENCE_WITHIN) as limit:
                answer = await self._ask(sender, request, requests, ordered)
        except TimeoutError:
            if not limit.expired():
                raise
            if not self._silences.begins(entry, now=self._now()):
                raise errors.TimedOutError(request, "TIMEOUT") from None
            logger.info("%s: no answer to what was missed: connecting anew", self._name)
            sender._start_reconnect(None)
            raise LostConnection("no answer to what was missed") from None
        self._silences.ends(entry)
        return answer

    async def _ask(self, sender: Any, request: Any, requests: list[Any], ordered: bool) -> Any:
        try:
            result = await super()._call(sender, request, ordered=ordered)
        except asyncio.CancelledError:
            _withdraw(sender, requests)
            if is_cancelled():
                raise
            # Nobody cancelled this caller: Telethon does so with what is under way when it disconnects
            lost = LostConnection("the connection ended before the answer")
            self._tell(sender, lost)
            raise lost from None
        except Exception as error:
            if isinstance(error, _FLOODS):
                self._learn(requests, error)
            self._tell(sender, error)
            raise
        if sender is self._sender:
            self._behaviour.observer.answered()
        return result

    def _tell(self, sender: Any, error: BaseException) -> None:
        """Tell the observer, unless it happened on a borrowed connection: that has a key of its own (media, CDN)."""
        if sender is self._sender:
            self._behaviour.observer.refused(error)

    async def _switch_dc(self, new_dc: int) -> None:
        """Go to another data centre, or refuse with USER_MIGRATE where that would cost the login."""
        if self._behaviour.migration is Migration.REFUSED:
            raise errors.UserMigrateError(request=None, capture=new_dc)
        await super()._switch_dc(new_dc)

    async def get_input_entity(self, peer: Any) -> Any:
        """What Telegram needs to address `peer`; a look-up that met somebody's lock on the session is tried again.

        Raises ValueError when nobody knows the peer, SessionFileBusy when that cannot be told.
        """
        for pause in _READ_PAUSES:
            missed = self._reads_missed()
            try:
                return await super().get_input_entity(peer)
            except ValueError:
                if self._reads_missed() == missed:
                    raise
            await asyncio.sleep(pause)
        raise self._is_hidden()

    async def _wait_out(self, requests: list[Any], longest: timedelta) -> None:
        """Wait for the end of a flood wait that these requests fall under, or raise KnownFloodWait."""
        now = self._now()
        wait = max((self.floods.wait(key, now=now) for key in _keys(requests)), default=timedelta(0))
        if wait > longest:
            raise KnownFloodWait(request=requests[0], capture=math.ceil(wait.total_seconds()))
        if wait:
            await asyncio.sleep(wait.total_seconds())

    def _learn(self, requests: list[Any], error: Any) -> None:
        for key in _keys(requests):
            self.floods.learn(key, timedelta(seconds=error.seconds), now=self._now())

    def _now(self) -> datetime:
        """The loop's time, which no step of the wall clock makes a wait of a minute a day long."""
        return from_epoch(self.loop.time())


class _NoMemory(dict[int, float]):
    """Takes the place of Telethon's flood waits by request class, which silence every chat."""

    def __setitem__(self, _constructor: int, _due: float) -> None:
        """Forget at once."""


def _keys(requests: list[Any]) -> Iterator[FloodKey]:
    for request in requests:
        while hasattr(request, "query"):  # invokeWithLayer and its like
            request = request.query  # noqa: PLW2901
        yield FloodKey(request=request.CONSTRUCTOR_ID, peer=_peer_of(request))


def _peer_of(request: Any) -> int | None:
    for name in ("peer", "channel", "to_peer"):
        value = getattr(request, name, None)
        if value is not None:
            try:
                peer: int = utils.get_peer_id(value)
            except TypeError:
                return None  # «self» and the like
            return peer
    return None


def _withdraw(sender: Any, requests: list[Any]) -> None:
    """Take requests back that were given up, before a reconnection sends them again (mtproto §3.1).

    One that is on its way may still be executed.
    """

    def is_one(state: Any) -> bool:
        return any(state.request is one or getattr(state.request, "query", None) is one for one in requests)

    for msg_id in [msg_id for msg_id, state in sender._pending_state.items() if is_one(state)]:
        del sender._pending_state[msg_id]
    waiting = sender._send_queue._deque
    kept = [state for state in waiting if not is_one(state)]
    waiting.clear()
    waiting.extend(kept)
