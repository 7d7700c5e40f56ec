"""The door: one gate for each API key, for all event loops of the process."""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
import time
from collections.abc import Callable
from functools import partial

from gpt.gate.formula import Ask
from gpt.gate.memory_store import Memory, MemoryStore
from gpt.gate.rate import MICROSECONDS, Rate
from gpt.gate.shared_store import SharedStore
from gpt.gate.store import Grant
from gpt.gate.tally import Tally
from gpt.gate.turnstile import NOTEWORTHY, Turnstile
from gpt.gate.waiter import Waiter
from gpt.model import Priority
from utils.redis_link import RedisLink

_LONGEST = 86_400.0
"""Neither a pause nor a deadline counts for more seconds than this."""


class Gate:
    """Lets requests go at a rate; safe from any thread, and from several event loops.

    `memory`: what gates of the same account share in this process; their rates may differ.

    `key`: a short hash of API key and base URL, never the key itself: it is part of a name in Redis. `processes`: how
    many share the rate; each keeps to its part of it without Redis, and while Redis does not answer. Persons overtake
    batches, and bots take turns, within an event loop; the loops and processes of a fleet are served as they ask.
    """

    def __init__(
        self,
        rate: Rate,
        *,
        key: str,
        redis: RedisLink | None = None,
        processes: int = 1,
        memory: Memory | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate = rate
        self._monotonic = monotonic
        self._tally = Tally()
        self._lock = threading.Lock()
        self._turnstiles: dict[asyncio.AbstractEventLoop, Turnstile] = {}
        self._memory = MemoryStore(self._now, share=processes, memory=memory)
        self._shared = SharedStore(redis, key, rate, self._memory, self._now) if redis else None
        self._store: MemoryStore | SharedStore = self._shared or self._memory

    async def enter(
        self, *, priority: Priority = Priority.PERSON, bot: str = "", until: float, tokens: int = 0
    ) -> float:
        """Wait for its turn; gives the seconds waited.

        `until`: the deadline, a moment of `monotonic`. `tokens`: what it is likely to take, reply included.
        Raises GateBusy at once when its turn is expected after the deadline, or when that passes while it waits;
        `retry_after` tells when a turn is expected. A waiter may be cancelled: its slot goes to the next, or back.
        """
        now = self._monotonic()
        if not self._rate.is_limit and now <= until and self._is_open():
            self._tally.passed(0.0, counts_as_wait=False)
            return 0.0
        loop = asyncio.get_running_loop()
        waiter = Waiter(
            priority=priority,
            bot=bot,
            until=int(min(until, now + _LONGEST) * MICROSECONDS),
            charge=self._charge(tokens),
            turn=loop.create_future(),
            came=int(now * MICROSECONDS),
        )
        waited = await self._turnstile(loop).enter(waiter)
        self._tally.passed(waited / MICROSECONDS, counts_as_wait=waited >= NOTEWORTHY)
        return waited / MICROSECONDS

    async def pause(self, seconds: float) -> None:
        """Let nobody of the fleet pass for so long (a day at most); never shortens a pause.

        Other processes know of it within a tenth of a second where the rate is a limit, else within half a second; who
        was quiet for longer asks before it sends.
        """
        if seconds > 0:
            await self._tell(Ask(pause=math.ceil(min(seconds, _LONGEST) * MICROSECONDS)))

    async def settle(self, tokens: int) -> None:
        """A reply took so many tokens more than `enter` was told; negative: fewer."""
        charge = self._charge(tokens)
        if charge:
            await self._tell(Ask(owed=charge))

    def stats(self) -> dict[str, float | int]:
        """Counters since the start, and how it stands.

        `entered`, `waits` (of 10 ms or more), `waited_seconds`, `refused`, `late` (a slot was over before this process
        could use it: it is too busy), `waiting`, `paused_seconds` (still to come), `local` (1: Redis does not answer).
        """
        with self._lock:
            waiting = sum(len(one) for loop, one in self._turnstiles.items() if not loop.is_closed())
        return self._tally.read() | {
            "waiting": waiting,
            "paused_seconds": max(self._memory.paused - self._now(), 0) / MICROSECONDS,
            "local": int(self._shared is not None and self._shared.is_local),
        }

    def after_fork(self) -> None:
        """Call it in a forked child: nobody waits there, and no slot is in hand."""
        self._lock = threading.Lock()
        self._turnstiles = {}
        self._tally.after_fork()
        self._store.after_fork()

    def _now(self) -> int:
        return int(self._monotonic() * MICROSECONDS)

    def _is_open(self) -> bool:
        """Whether nobody has to wait for the end of a pause, which is all that a rate without a limit knows."""
        now = self._now()
        return self._store.paused <= now and self._store.is_fresh(now)

    def _charge(self, tokens: int) -> int:
        return math.ceil(tokens * self._rate.token_interval * MICROSECONDS)

    def _turnstile(self, loop: asyncio.AbstractEventLoop) -> Turnstile:
        known = self._turnstiles.get(loop)
        if known is not None:
            return known
        with self._lock:
            for closed in [one for one in self._turnstiles if one.is_closed()]:
                del self._turnstiles[closed]
            made = Turnstile(self._rate, self._store, self._tally, self._now)
            return self._turnstiles.setdefault(loop, made)

    async def _tell(self, ask: Ask) -> None:
        """Return when the store knows; when it does not answer, when it will have to be told later."""
        loop = asyncio.get_running_loop()
        told = asyncio.Event()
        if self._store.ask(ask, partial(_wake, loop, told)) is None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(told.wait(), self._store.overdue / MICROSECONDS)


def _wake(loop: asyncio.AbstractEventLoop, told: asyncio.Event, _grant: Grant) -> None:
    """Called in the store's thread; the loop may be closed by then."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(told.set)
