"""Where the wallet's blocking work is done: one thread with the ledger, made at its first use and anew after a fork."""

from __future__ import annotations

import itertools
import logging
import os
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from gpt.budget.book_file import is_there, read_spent
from gpt.budget.decide import Decision, Verdict, reached, shares
from gpt.budget.model import ALL, Amount, BudgetAlert, Limits, Reservation, scope_name
from gpt.budget.tally import Tally
from gpt.errors import GptError
from utils.courier import Courier

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

    from gpt.budget.ledger import Ledger
    from utils.redis_link import RedisLink

T = TypeVar("T")
_DAYS_KNOWN = 3
_TOLD_WITHIN = 5.0
"""Seconds that the end waits for alerts that are still being told."""
_log = logging.getLogger("gavatcore.openai")
_ABANDONED: list[object] = []
"""Connections of a parent process: collected, they would be closed."""


class Desk:
    """Shared by threads and event loops."""

    def __init__(
        self,
        limits: Limits,
        *,
        key: str,
        state: str | None,
        redis: RedisLink | None,
        on_alert: Callable[[BudgetAlert], None] | None,
    ) -> None:
        self._limits = limits
        self._caps = limits.caps
        self._key = key
        self._state = state
        self._redis = redis
        self._on_alert = on_alert
        self._begin()
        self._spent: dict[str, dict[str, Amount]] = {}
        self._told: set[tuple[str, str, str, float]] = set()
        self._carried: dict[str, dict[str, Amount]] = {}
        self._is_closed = False
        self._is_unwritable = False
        self.alerts = 0
        """Alerts that this process gave."""

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._courier = Courier("gavat-budget-alerts")
        """Whoever is told of an alert may mail it, and no reply waits for that."""
        self._at_work = threading.Lock()
        """Of whoever uses the ledger: the tally has a thread of its own, and after the end each settlement has."""
        self._thread: ThreadPoolExecutor | None = None
        self._ledger: Ledger | None = None
        self._tally = Tally(self._write_down)
        self._name = os.urandom(4).hex()
        self._numbers = itertools.count(1)

    def look_up(self, day: str) -> None:
        """Have it shown soon what others spent on a day before: read in a thread, where there is a book."""
        if self._state is not None and is_there(self._state):
            threading.Thread(target=self._look_up, args=(self._state, day), name="gavat-budget", daemon=True).start()

    def _look_up(self, state: str, day: str) -> None:
        import sqlite3

        try:
            read = read_spent(state, self._key, day)
        except (sqlite3.Error, OSError, GptError) as error:
            _log.debug("the day's budget so far cannot be shown: %s", error)  # who asks is told what is wrong
            return
        with self._at_work:
            self._spent[day] = {**read, **self._spent.get(day, {})}

    def new_id(self) -> str:
        """A name that no other reservation has, of any process."""
        return f"{self._name}{next(self._numbers):x}"

    async def reserve(self, held: Reservation) -> Decision:
        """What the ledger decides; an admitted reservation whose asker was cancelled meanwhile is given back."""
        import asyncio

        future = self._submit(self._reserve, held)
        try:
            return await asyncio.shield(asyncio.wrap_future(future))
        except asyncio.CancelledError:
            future.add_done_callback(lambda done: self._give_back(done, held))
            raise

    async def settle(self, held: Reservation, spent: Amount) -> None:
        """Count it and close it; goes on when the caller is cancelled."""
        import asyncio

        await asyncio.shield(asyncio.wrap_future(self._submit(self._settle, held, spent)))

    def count(self, held: Reservation, spent: Amount) -> None:
        """Where nothing is limited: in memory, written later."""
        self._tally.add(held.day, held.bot, spent)

    def spent(self, day: str) -> dict[str, Amount]:
        """What each scope has spent on a day, as last seen."""
        known = dict(self._spent.get(day, {}))
        for scope, amount in self._tally.unwritten(day).items():
            known[scope] = known.get(scope, Amount()).plus(amount)
        return known

    def fullest(self, scope: str, spent: Amount) -> float:
        """The share of that limit of a scope which is fullest; 0 where it has none."""
        return max((alert.share for alert in shares(scope, self._caps.of(scope), spent)), default=0.0)

    async def close(self) -> None:
        """Write everything down and let the threads end; a later settlement is written at once."""
        import asyncio

        self._is_closed = True
        await asyncio.wrap_future(self._submit(self._tally.flush))
        if not await asyncio.to_thread(self._courier.finish, _TOLD_WITHIN):
            _log.warning("alerts of the budget are still being told at the end, and may be lost")

    def after_fork(self, day: str) -> None:
        """Forget threads, locks and connections that are the parent's."""
        if self._ledger is not None:
            _ABANDONED.append(self._ledger.book.abandon())
        _ABANDONED.append(self._thread)
        if self._state is None:
            self._carried = {day: dict(self._spent.get(day, {}))}
        self._begin()

    def _submit(self, call: Callable[..., T], *arguments: Any) -> Future[T]:
        from concurrent.futures import ThreadPoolExecutor

        with self._lock:
            if self._thread is None:
                self._thread = ThreadPoolExecutor(1, thread_name_prefix="gavat-wallet")
            future = self._thread.submit(self._work, call, arguments)
            if self._is_closed:
                self._thread.shutdown(wait=False)
                self._thread = None
        return future

    def _work(self, call: Callable[..., T], arguments: tuple[Any, ...]) -> T:
        try:
            return call(*arguments)
        finally:
            with self._at_work:
                self._put_away()

    def _put_away(self) -> None:
        """After the end the book is closed each time: nobody may come again."""
        if self._is_closed and self._ledger is not None:
            self._ledger.book.close()

    def _opened(self) -> Ledger:
        if self._ledger is None:
            from gpt.budget.book import Book
            from gpt.budget.fleet_budget import FleetBudget
            from gpt.budget.ledger import Ledger
            from utils.processes import own_identity

            book = Book(self._state, self._key, own_identity(), is_shared=self._redis is not None)
            for day, spent in self._carried.items():
                book.inherit(day, spent)
            fleet = None if self._redis is None else FleetBudget(self._redis, self._key)
            self._ledger = Ledger(book, fleet, self._caps)
        return self._ledger

    def _reserve(self, held: Reservation) -> Decision:
        with self._at_work:
            outcome = self._opened().reserve(held)
            self._note(held.day, outcome.spent)
        return outcome.decision

    def _settle(self, held: Reservation, spent: Amount) -> None:
        with self._at_work:
            self._note(held.day, self._opened().settle(held, spent))

    def _give_back(self, done: Future[Decision], held: Reservation) -> None:
        if not done.cancelled() and done.exception() is None and done.result().verdict is Verdict.ADMIT:
            with suppress(RuntimeError):  # the interpreter ends, and with it the process that the reservation names
                self._submit(self._settle, held, Amount())

    def _write_down(self, day: str, spent: Mapping[str, Amount], bots: tuple[str, ...]) -> bool:
        """Of the tally; whether it could be done."""
        import sqlite3

        try:
            with self._at_work:
                self._note(day, self._opened().count(day, spent, bots))
                self._put_away()
        except (sqlite3.Error, OSError, GptError) as error:
            if not self._is_unwritable:
                self._is_unwritable = True
                _log.warning("the day's tokens and money are counted in memory only: %s", error)
            return False
        self._is_unwritable = False
        return True

    def _note(self, day: str, spent: Mapping[str, Amount]) -> None:
        """Keep what was seen, and tell operators of what it has reached."""
        if day not in self._spent:
            self._spent = dict([*self._spent.items(), (day, {})][-_DAYS_KNOWN:])
            self._told = {told for told in self._told if told[0] in self._spent}
        for scope, amount in spent.items():
            self._spent[day][scope] = amount
            for alert in shares(scope, self._caps.of(scope), amount):
                levels = reached(alert.share, self._limits.alert_at)
                if [level for level in levels if self._claim(day, scope, alert.what, level)]:
                    self._tell(alert)

    def _claim(self, day: str, scope: str, what: str, level: float) -> bool:
        if (day, scope, what, level) in self._told:
            return False
        self._told.add((day, scope, what, level))
        return self._opened().claim(day, scope, what, level)

    def _tell(self, alert: BudgetAlert) -> None:
        self.alerts += 1
        whose = "of all bots" if alert.scope == scope_name(ALL) else f"of {alert.scope}"
        limit = f"${alert.limit:,.2f}" if alert.what == "money" else f"{alert.limit:,.0f} tokens"
        _log.warning("the day's budget %s: %.0f %% of %s is spent", whose, 100 * alert.share, limit)
        if self._on_alert is not None:
            self._courier.send(partial(_told, self._on_alert, alert))


def _told(on_alert: Callable[[BudgetAlert], None], alert: BudgetAlert) -> None:
    try:
        on_alert(alert)
    except Exception:  # noqa: BLE001  # somebody else's code; the alerts after it are not to be lost for it
        _log.exception("whoever is told of the budget failed")
