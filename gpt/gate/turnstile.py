"""One event loop's part of a gate: who waits here, which slots are in hand, and when to ask for more.

No task and no thread of its own: whatever happens (somebody comes or leaves, a timer, an answer) makes one step, and a
step does all that is due. So there is nothing to end with the loop.
"""

from __future__ import annotations

import asyncio
import logging
import math
from functools import partial

from gpt.gate.formula import AHEAD, Ask
from gpt.gate.hand import Hand, Slot
from gpt.gate.queue import Queue
from gpt.gate.rate import MICROSECONDS, Rate
from gpt.gate.store import Clock, Grant, Store
from gpt.gate.tally import Tally
from gpt.gate.waiter import Waiter, busy

_log = logging.getLogger("gavatcore.openai")

NOTEWORTHY = 10_000
"""Waits from here on are counted and logged."""
_LEAD = 50_000
"""So long before a slot is used the store is asked whether a pause has come meanwhile, if that is not known."""
_WIDEST = 1_000_000
"""No more of the rate than this is spent on making up for a slow loop at once."""
_COUNTED_BY_BOT = 256
"""With more who wait, who goes before whom is counted only where a deadline hangs on it."""
_NEVER = 1 << 62


class Turnstile:
    """Belongs to one event loop; nothing here may be called from another."""

    def __init__(self, rate: Rate, store: Store, tally: Tally, clock: Clock) -> None:
        self._interval = round(rate.interval * MICROSECONDS)
        self._late = round(rate.late * MICROSECONDS) if rate.interval else _NEVER
        self._one_at_a_time = rate.token_interval > 0
        """Only when one slot is used it is known how many tokens stand before the next one."""
        self._ahead = -_NEVER if self._one_at_a_time else AHEAD // 2
        """So long before the last slot in hand more are asked for."""
        self._store = store
        self._tally = tally
        self._clock = clock
        self._queue: Queue[Waiter] = Queue()
        self._hand = Hand()
        self._unannounced: list[Waiter] = []
        self._timer: asyncio.TimerHandle | None = None
        self._wakes_at: int | None = None
        self._asked_at: int | None = None
        self._width = 1
        """Intervals that the next slot takes: more where several in a row came too late for this loop."""
        self._missed = False

    def __len__(self) -> int:
        return len(self._queue)

    async def enter(self, waiter: Waiter) -> int:
        """Wait for its turn; gives the microseconds waited. Raises GateBusy."""
        waiter.ahead = self._place(waiter)
        self._refuse_early(waiter)
        self._queue.push(waiter)
        self._step()
        if not waiter.turn.done():
            self._announce(waiter)
        deadline = None
        try:
            while True:
                if deadline is None and not waiter.turn.done():
                    wait = max(waiter.until - self._clock(), 0) / MICROSECONDS
                    deadline = waiter.turn.get_loop().call_later(wait, self._expire, waiter)
                slot = await waiter.turn
                now = self._clock()
                if now <= slot.good_until:
                    return self._passed(waiter, now)
                self._try_again(waiter, slot)
        except asyncio.CancelledError:
            self._leave(waiter)
            raise
        finally:
            if deadline is not None:
                deadline.cancel()

    def _passed(self, waiter: Waiter, now: int) -> int:
        self._width, self._missed = 1, False
        waited = now - waiter.came
        if waited >= NOTEWORTHY and not waiter.is_announced:
            self._say(waiter, waited)
        return waited

    def _try_again(self, waiter: Waiter, slot: Slot) -> None:
        """Its slot was over when it woke: another one, before everybody else."""
        waiter.turn = waiter.turn.get_loop().create_future()
        self._queue.push_front(waiter)
        self._hand.put_back(slot)
        self._step()

    def _leave(self, waiter: Waiter) -> None:
        """Cancelled: in the queue, with its slot, or refused or passed over at the same moment."""
        if waiter in self._queue:
            self._queue.remove(waiter)
        elif not waiter.turn.cancelled() and waiter.turn.exception() is None:
            self._hand.put_back(waiter.turn.result())
        self._step()

    def _expire(self, waiter: Waiter) -> None:
        if not waiter.turn.done():
            self._refuse(waiter, self._clock())
            self._step()

    def _refuse_early(self, waiter: Waiter) -> None:
        """Raise GateBusy when even now its turn is known to come too late."""
        now = waiter.came
        at = self._turn(waiter.ahead, now) if len(self._queue) else max(now, self._store.paused)
        if at > waiter.until:
            self._tally.add("refused")
            raise busy(at - now)

    def _place(self, waiter: Waiter) -> int:
        """How many go before it: counted bot by bot, or, where so many wait that it takes long, at most so many."""
        most = self._queue.waiting(waiter.priority)
        if most > _COUNTED_BY_BOT and self._turn(most, waiter.came) <= waiter.until:
            return most
        return self._queue.ahead(waiter.priority, waiter.bot)

    def _refuse(self, waiter: Waiter, now: int) -> None:
        self._queue.remove(waiter)
        if waiter.turn.cancelled():  # it leaves at its next step
            return
        self._tally.add("refused")
        again = self._turn(self._queue.ahead(waiter.priority, waiter.bot), now)
        waiter.turn.set_exception(busy(again - now))

    def _turn(self, place: int, now: int) -> int:
        """When the one in this place of the queue should get through; tokens of those before it are not counted."""
        if place < len(self._hand):
            return max(now, self._hand.at(place))
        span = self._interval * self._store.share
        after = self._hand.last.at + span if len(self._hand) else 0
        return max(now, after, self._store.next_slot) + (place - len(self._hand)) * span

    def _announce(self, waiter: Waiter) -> None:
        """Log that it waits; later, when it is not yet known for how long."""
        now = self._clock()
        wait = self._turn(waiter.ahead, now) - now
        if wait >= NOTEWORTHY:
            self._say(waiter, wait)
        else:
            self._unannounced.append(waiter)

    def _say(self, waiter: Waiter, wait: int) -> None:
        waiter.is_announced = True
        _log.info("rate limit: waiting %.1f s", wait / MICROSECONDS)

    def _step(self) -> None:
        """Do all that is due."""
        while self._advance(self._clock()):
            pass

    def _advance(self, now: int) -> bool:
        """Use what is in hand; True when an answer came at once and there may be more to do."""
        self._note_late(self._hand.drop_unusable(now, self._store.paused))
        while len(self._queue) and len(self._hand) and self._hand.first.at <= now and self._store.is_fresh(now):
            waiter = self._queue.take()
            if not waiter.turn.cancelled():  # else it leaves at its next step
                waiter.turn.set_result(self._hand.take(waiter.charge))
        if self._asked_at is not None and now - self._asked_at >= self._store.overdue:
            self._asked_at = None
            self._store.give_up()
        slots = self._wanted(now)
        if slots is not None:
            return self._ask(slots, now)
        self._set_timer(now)
        return False

    def _note_late(self, late: int) -> None:
        """After a second miss in a row ask for a wider slot: one that this loop, or this way to Redis, can meet."""
        if not late:
            return
        self._tally.add("late")
        if self._missed:
            widest = max(2, _WIDEST // self._interval)
            self._width = min(self._width + math.ceil(late / self._interval), widest)
        self._missed = True

    def _wanted(self, now: int) -> int | None:
        """How many slots to ask for; 0 to give back, or to hear of pauses; None when there is nothing to ask."""
        if self._asked_at is not None:
            return None
        if not len(self._queue):
            return 0 if self._hand.has_leftovers else None
        need, held = len(self._queue) - len(self._hand), len(self._hand)
        if need > 0 and (not held or self._hand.last.at - now < self._ahead):
            return 1 if self._one_at_a_time or self._width > 1 else need
        return 0 if held and self._hand.first.at - now <= _LEAD and not self._is_sure(now) else None

    def _is_sure(self, now: int) -> bool:
        """Whether a pause would be known here when the first slot is used."""
        return self._store.is_fresh(max(now, self._hand.first.at))

    def _ask(self, slots: int, now: int) -> bool:
        head = self._queue.head()
        if head is None:
            self._hand.drop_all()
        back, mark, owed = self._hand.claim()
        ask = Ask(
            slots=slots,
            interval=self._interval * self._width,
            charge=head.charge if head and slots else 0,
            owed=owed,
            back=back,
            mark=mark,
            patience=head.until - now if head else 0,
        )
        later = partial(self._deliver, asyncio.get_running_loop(), ask)
        grant = self._store.ask(ask, later)
        if grant is None:
            self._asked_at = now
            self._set_timer(now)
            return False
        self._take(ask, grant)
        return True

    def _deliver(self, loop: asyncio.AbstractEventLoop, ask: Ask, grant: Grant) -> None:
        """Called in the store's thread."""
        try:
            loop.call_soon_threadsafe(self._answered, ask, grant)
        except RuntimeError:  # the loop was closed meanwhile
            if grant.granted:
                back = Ask(back=grant.granted * grant.span, mark=grant.mark, owed=-ask.charge)
                self._store.ask(back, _ignore)

    def _answered(self, ask: Ask, grant: Grant) -> None:
        self._asked_at = None
        self._take(ask, grant)
        self._step()

    def _take(self, ask: Ask, grant: Grant) -> None:
        late = self._late + ask.interval - self._interval
        self._hand.add(
            Slot(
                at=grant.at + number * grant.span,
                good_until=grant.surely + number * grant.span + late,
                span=grant.span,
                charge=ask.charge,
                mark=grant.mark,
            )
            for number in range(grant.granted)
        )
        now = self._clock()
        if ask.slots and not grant.granted:
            for waiter in [one for one in self._queue if one.until < grant.at]:
                self._refuse(waiter, now)
        announcing, self._unannounced = self._unannounced, []
        for waiter in announcing:
            wait = 0 if waiter.turn.done() else self._turn(waiter.ahead, now) - now
            if wait >= NOTEWORTHY:
                self._say(waiter, wait)

    def _set_timer(self, now: int) -> None:
        """Wake for the next thing that is due by itself."""
        due = self._due(now)
        if due == self._wakes_at:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._wakes_at = due
        if due is not None:
            wait = max(due - now, 0) / MICROSECONDS
            self._timer = asyncio.get_running_loop().call_later(wait, self._wake)

    def _due(self, now: int) -> int | None:
        if not len(self._queue):
            return None
        due = []
        if len(self._hand):
            first, last = self._hand.first.at, self._hand.last.at
            due.append(first if self._is_sure(now) else first - _LEAD)
            if len(self._queue) > len(self._hand):
                due.append(last - self._ahead + 1)
        if self._asked_at is not None:
            # Nothing more can be asked until then: only a slot in hand may be due earlier
            due = [at for at in due if at > now]
            due.append(self._asked_at + self._store.overdue)
        return min(due, default=None)

    def _wake(self) -> None:
        self._timer = self._wakes_at = None
        self._step()


def _ignore(grant: Grant) -> None:
    """Nothing was wanted of it."""
    del grant
