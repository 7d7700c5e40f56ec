"""The formula with its state in Redis or Valkey, for all processes that share an API key; memory while it is silent."""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from gpt.gate.formula import Answer, Ask, Known
from gpt.gate.memory_store import MemoryStore
from gpt.gate.rate import MICROSECONDS, Rate
from gpt.gate.scripts import KEY, RESERVE
from gpt.gate.store import Clock, Grant
from utils.courier import Courier
from utils.redis_link import RedisLink, RedisUnavailable

_log = logging.getLogger("gavatcore.openai")

_FRESH = 100_000
"""A pause that others make is known here within this time."""
_FRESH_WITHOUT_LIMIT = 500_000
"""And within this one where nothing else is shared."""
_REST = 0.6
"""Seconds between two tries to reach a Redis that did not answer; its link does not try it for half a second."""
_SILENT = (RedisUnavailable, TypeError, ValueError)
"""It did not answer, or not what the script does."""


class _Heard(NamedTuple):
    """The last answer; times of this process's clock but for `now`."""

    life: int = 0
    """0 after it was silent: what was handed out here meanwhile is then told as from another life."""
    serial: int = 0
    now: int = 0
    """What the server's clock showed …"""
    sent: int = 0
    """… when this was asked."""
    at: int = -(1 << 60)
    tat: int = 0
    tokens: int = 0


class SharedStore:
    """Every question takes along what this process knows of the fleet, so that a Redis that forgot is told of it.

    A server that was flushed, started empty or from an older snapshot, or whose clock was set, so lets at most one
    request of each process go that it would have let wait: the slot in the hand of a process that asks later is known
    to nobody else. Where intervals are short, that may be those of the next tenth of a second; the margin of a rate
    covers them in windows of 2.5 s and more.

    While it does not answer, memory hands out slots, at the process's share of the rate and from its last slot on, so
    that no burst stands at the change. One answer is waited for then (250 ms, see RedisLink); after that the thread
    tries it again and again, and tells it of a pause first of all.

    Where the rate is no limit, nothing but pauses is shared, and an answer is taken for fresh for half a second: one
    round trip (0.5 ms) before a call of a second, at most twice a second. A look in the background would come too late
    for the first call after a quiet hour.
    """

    def __init__(self, link: RedisLink, key: str, rate: Rate, memory: MemoryStore, clock: Clock) -> None:
        self._link = link
        self._key = KEY % key
        self._fresh = _FRESH if rate.is_limit else _FRESH_WITHOUT_LIMIT
        self._memory = memory
        self._clock = clock
        self._heard = _Heard()
        self._is_local = False
        self._is_trying = False
        self._lock = threading.Lock()
        self._courier = Courier("gavat-gate")

    @property
    def is_local(self) -> bool:
        """Whether memory stands in for Redis."""
        return self._is_local

    @property
    def share(self) -> int:
        """One interval lies between two slots of the fleet; more between those of one process without Redis."""
        return self._memory.share if self._is_local else 1

    @property
    def paused(self) -> int:
        """Until when nobody goes, as far as is known."""
        return self._memory.paused

    @property
    def next_slot(self) -> int:
        """When the next free slot is, as far as is known; may lie in the past."""
        heard = self._heard
        return self._memory.next_slot if self._is_local else max(heard.tat, heard.tokens, self._memory.paused)

    def is_fresh(self, now: int) -> bool:
        """Whether the last answer is young, or none is to be had."""
        return self._is_local or now - self._heard.at <= self._fresh

    @property
    def overdue(self) -> int:
        """Twice as long as the link waits for one: looking up names and a machine under load have no bound."""
        return round(2 * self._link.answer_within * MICROSECONDS)

    def give_up(self) -> None:
        """An answer is overdue: memory stands in."""
        self._go_local("no answer in time")

    def ask(self, ask: Ask, later: Callable[[Grant], None]) -> Grant | None:
        """From memory at once where that will do; otherwise from Redis, later."""
        if ask.pause:
            self._memory.take(Ask(pause=ask.pause))  # holds here at once, and whatever becomes of the question
        with self._lock:
            if self._is_local:
                self._keep_trying()
                return self._hand_out(ask)
            self._courier.send(lambda: later(self._fetch(ask)))
        return None

    def after_fork(self) -> None:
        """In a child: new locks and a thread of its own; what was heard stays true."""
        self._memory.after_fork()
        self._lock = threading.Lock()
        self._courier = Courier("gavat-gate")
        self._is_trying = False

    def _fetch(self, ask: Ask) -> Grant:
        """What Redis says, or memory in its stead; blocks."""
        with self._lock:
            if self._is_local:  # given up while it waited behind another: the slots have been asked for again
                self._hand_out(ask._replace(slots=0))
                return Grant(0, 0, 0, 0, 0)
        try:
            sent, heard, answer = self._run(ask)
        except _SILENT as error:
            self._go_local(str(error))
            with self._lock:
                return self._hand_out(ask)
        grant = Grant(answer.granted, heard + answer.wait, sent + answer.wait, ask.interval, answer.serial)
        with self._lock:
            if not self._is_local:
                self._heard = _Heard(
                    life=answer.life,
                    serial=answer.serial,
                    now=answer.now,
                    sent=sent,
                    at=heard,
                    tat=heard + answer.tat,
                    tokens=heard + answer.tokens,
                )
        self._mirror(sent, grant, answer)
        return grant

    def _run(self, ask: Ask) -> tuple[int, int, Answer]:
        """When it went out and when the answer came, and the answer; raises what RedisLink does, or for nonsense."""
        sent = self._clock()
        reply = self._link.run(RESERVE, keys=[self._key], args=[*ask, *self._known(sent)])
        return sent, self._clock(), Answer(*map(int, reply))

    def _known(self, now: int) -> Known:
        heard = self._heard
        return Known(
            heard.life,
            heard.serial,
            heard.now + now - heard.sent,
            max(heard.tat - now, 0),
            max(heard.tokens - now, 0),
            max(self._memory.paused - now, 0),
        )

    def _mirror(self, sent: int, grant: Grant, answer: Answer) -> None:
        """Let memory know where it would have to go on: one share of the rate after the last slot of this process.

        A pause counts from when the question went out: the slot at its end, which counts from the answer, is not in it.
        """
        share = grant.granted - 1 + self._memory.share
        self._memory.raise_to(
            tat=grant.at + share * grant.span if grant.granted else 0,
            tokens=sent + answer.tokens,
            paused=sent + answer.paused,
        )

    def _hand_out(self, ask: Ask) -> Grant:
        """From memory, noting what Redis will have to be told."""
        grant = self._memory.take(ask)
        last = grant.at + (grant.granted - 1) * grant.span + ask.interval if grant.granted else 0
        heard = self._heard
        self._heard = heard._replace(
            tat=max(heard.tat, last),
            tokens=max(heard.tokens, last - ask.interval + ask.charge),
        )
        return grant

    def _go_local(self, why: str) -> None:
        with self._lock:
            was_local, self._is_local = self._is_local, True
            self._heard = self._heard._replace(life=0)
            self._keep_trying()
        if not was_local:
            _log.warning("rate limit: each process keeps to 1/%d of it: %s", self._memory.share, why)

    def _keep_trying(self) -> None:
        """Until it answers, or this store is gone."""
        if not self._is_trying:
            self._is_trying = True
            self._courier.send(partial(_try_until_back, weakref.ref(self)))

    def is_back(self) -> bool:
        """Ask for nothing, to see whether it answers; what is known here is told with it."""
        try:
            self._run(Ask())
        except _SILENT:
            return False
        with self._lock:
            # The next question tells of what was handed out in this moment: `life` is still unknown
            self._is_local = self._is_trying = False
        _log.info("rate limit: Redis answers again, all processes share it")
        return True


def _try_until_back(store: weakref.ref[SharedStore]) -> None:
    """In the courier's thread, which has nothing else to do then."""
    while True:
        time.sleep(_REST)
        one = store()
        if one is None or one.is_back():
            return
        del one
