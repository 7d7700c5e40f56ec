"""Publishing how the bots of this process are, so that others can see it: a small document, every few seconds.

It never stops a bot: the figures are gathered on the event loop (some milliseconds for hundreds of bots), all that may
wait is done in threads, and what goes wrong is logged and tried again.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import re
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from itertools import chain, count
from typing import Any

from core.state.folder import StateFolder
from core.state.loop_lag import LoopLag
from core.state.status_document import encode_bots, encode_room, encode_status, to_text
from core.state.status_files import StatusFiles
from core.state.status_model import BotFigures, ProcessStatus
from core.state.status_outlet import Outlet, Store
from core.state.status_reading import sweep_statuses
from core.state.status_shared import open_shared
from gpt.figures import process_figures
from utils.clock import Clock, from_epoch, utc_now
from utils.processes import own_identity, started_at
from utils.redact import masked_command, printable

logger = logging.getLogger("gavatcore.status")

EVERY = timedelta(seconds=5)
_TURNS_VALID = 3
"""A document is good for so many turns: one may be skipped, and one may be late."""
_END_WITHIN = 2.0
"""Seconds that a clean end waits for its documents to be taken away."""
_published: set[str] = set()
"""Names under which this process publishes now: two fleets in one process have a document each."""
Bots = Callable[[], Sequence[BotFigures]]
Rooms = Mapping[str, Callable[[], Mapping[str, Any] | None]]
"""What rooms say, by name; None: nothing for now."""


@asynccontextmanager
async def publish_status(
    bots: Bots,
    *,
    state: StateFolder,
    redis_url: str = "",
    every: timedelta = EVERY,
    rooms: Rooms | None = None,
    clock: Clock = utc_now,
) -> AsyncIterator[None]:
    """Publish what `bots()` says, at once and then each `every`, for as long as the context lasts.

    `bots` and `rooms` (what other rooms say, by name: numbers and texts) are called on the event loop and must not
    wait. Room `gpt` is told unasked where this process asks a model, unless `rooms` has one of that name. The documents
    go to `state/status` and, with a `redis_url`, to Redis; a clean end takes them away, a killed process leaves them,
    and they go stale. Raises ConfigError for an address that cannot be.
    """
    stores = await asyncio.to_thread(_stores, state, redis_url, clock())
    with _own_name(clock()) as about:
        outlets = [Outlet(store, about.process) for store in stores]
        status = replace(about, valid_for=every * _TURNS_VALID)
        gathering = _Gathering(status, bots, {"gpt": _completions, **(rooms or {})}, clock)
        turns = asyncio.create_task(_turns(gathering, outlets, every))
        turns.add_done_callback(_tell)
        try:
            yield
        finally:
            turns.cancel()
            taken_away = [asyncio.wrap_future(outlet.close()) for outlet in outlets]
            await asyncio.wait([turns, *taken_away], timeout=_END_WITHIN)


def _stores(state: StateFolder, redis_url: str, now: datetime) -> list[Store]:
    files = StatusFiles(state)
    sweep_statuses(files, now)
    return [files, open_shared(redis_url)] if redis_url else [files]


@contextmanager
def _own_name(now: datetime) -> Iterator[ProcessStatus]:
    """What stays the same in all documents of this process, under a name that no other one here has."""
    identity, host = own_identity(), os.uname().nodename
    since = started_at(identity.pid)
    started = now if since is None else from_epoch(since)
    name = f"{re.sub(r'[^A-Za-z0-9_.-]', '-', host).lstrip('.')}.{identity.pid}.{int(started.timestamp())}"
    process = next(one for one in chain([name], (f"{name}.{number}" for number in count(2))) if one not in _published)
    _published.add(process)
    try:
        yield ProcessStatus(
            process=process,
            host=printable(host),
            identity=identity,
            started_at=started,
            command=masked_command(sys.orig_argv),
            at=now,
            valid_for=timedelta(0),
            loop_lag=timedelta(0),
        )
    finally:
        _published.discard(process)


def _tell(turns: asyncio.Task[None]) -> None:
    error = None if turns.cancelled() else turns.exception()
    if error is not None:
        logger.error("status is published no more", exc_info=error)


async def _turns(gathering: _Gathering, outlets: Sequence[Outlet], every: timedelta) -> None:
    loop = asyncio.get_running_loop()
    lag = LoopLag(loop)
    seconds = every.total_seconds()
    due = loop.time()
    try:
        while True:
            text = gathering.text(lag.take())
            for outlet in outlets:
                outlet.hand(text)
            due += seconds * max(1, math.ceil((loop.time() - due) / seconds))  # turns that are missed stay missed
            await asyncio.sleep(due - loop.time())
    finally:
        lag.stop()


class _Gathering:
    """Asks bots and rooms; one that fails is logged when that begins, and named in the document while it lasts."""

    def __init__(self, about: ProcessStatus, bots: Bots, rooms: Rooms, clock: Clock) -> None:
        self._about = about
        self._bots = bots
        self._rooms = rooms
        self._clock = clock
        self._failed: dict[str, int] = {}
        """How often in a row, by what was asked."""

    def text(self, loop_lag: timedelta) -> str:
        """The document of this moment."""
        bots = self._asked("bots", lambda: encode_bots(self._bots()))
        rooms = {name: self._asked(f"room {name}", partial(_room, ask)) for name, ask in self._rooms.items()}
        said = (f"{what} could not be asked, {times} in a row" for what, times in self._failed.items())
        status = replace(self._about, at=self._clock(), loop_lag=loop_lag, problem="; ".join(said))
        told = {name: room for name, room in rooms.items() if room is not None}
        return to_text({**encode_status(status), "bots": bots or [], "rooms": told})

    def _asked(self, what: str, ask: Callable[[], Any]) -> Any:
        try:
            answer = ask()
        except Exception:  # the caller's code may raise anything; it is logged, and told in the document
            if what not in self._failed:
                logger.warning("%s could not be asked for their status; tried again", what, exc_info=True)
            self._failed[what] = self._failed.get(what, 0) + 1
            return None
        if self._failed.pop(what, 0):
            logger.info("%s can be asked for their status again", what)
        return answer


def _room(ask: Callable[[], Mapping[str, Any] | None]) -> dict[str, Any] | None:
    said = ask()
    return None if said is None else encode_room(said)


def _completions() -> Mapping[str, Any] | None:
    """Figures of this process's helpers; None where nothing in it asks a model."""
    figures = process_figures()
    return figures if figures["helpers"] else None
