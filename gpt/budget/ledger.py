"""The day's budget as one process works with it: the book of this host, and the fleet's budget where there is one.

While Redis does not answer, the limit goes on against the book: what this host has spent and reserved, and what the
others had spent when last seen. Hosts that are cut off from each other can therefore spend what is left once each.
If only an answer was lost, Redis holds the reservation under the same name, and hears of its settlement; what Redis
would admit the book admits too, since Redis knows at least as much.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from gpt.budget.book_file import unusable
from gpt.budget.decide import Decision, Verdict, admit
from gpt.budget.model import Amount, Caps, Reservation
from gpt.errors import GptError
from utils.redis_link import RedisUnavailable

if TYPE_CHECKING:
    from gpt.budget.book import Book, Statement
    from gpt.budget.fleet_budget import Answer, FleetBudget

_log = logging.getLogger("gavatcore.openai")


class Outcome(NamedTuple):
    """What was decided, and what each scope has spent now."""

    decision: Decision
    spent: Mapping[str, Amount]


class Ledger:
    """All calls block, and come from one thread at a time."""

    def __init__(self, book: Book, fleet: FleetBudget | None, caps: Caps) -> None:
        self.book = book
        self._fleet = fleet
        self._caps = caps
        self._owed: list[tuple[Reservation, Amount]] = []
        """Settlements that the book could not take yet; killed before, their whole estimates count."""
        self._is_alone = False

    def reserve(self, asked: Reservation) -> Outcome:
        """Hold room for a request, if it is admitted.

        Raises GptSettingsError or BudgetExceeded when the book cannot be used: unknown is not free.
        """
        import sqlite3

        try:
            self._pay_owed()
            outcome = self._reserve_in_fleet(asked) if self._fleet else None
            if outcome is None:
                outcome = Outcome(self.book.reserve(asked, self._caps), self._seen(asked))
        except (sqlite3.Error, OSError) as error:
            raise unusable(self.book.folder, error) from error
        return outcome

    def settle(self, held: Reservation, spent: Amount) -> Mapping[str, Amount]:
        """Count what a request took; gives what each scope has spent now, nothing while the book cannot be used."""
        import sqlite3

        self._owed.append((held, spent))
        try:
            self._pay_owed()
            self._tell(held.day, held.bot)
            return self._seen(held)
        except (sqlite3.Error, OSError) as error:
            _log.error("a reply's cost is kept in memory for now: %s", unusable(self.book.folder, error))
        except GptError as error:
            _log.error("a reply's cost is kept in memory for now: %s", error)
        return {}

    def count(self, day: str, spent: Mapping[str, Amount], bots: tuple[str, ...]) -> Mapping[str, Amount]:
        """Add figures that nothing is limited by; gives what these scopes have spent now.

        Raises GptSettingsError or BudgetExceeded when the book cannot be used.
        """
        import sqlite3

        try:
            self.book.count(day, spent)
            for bot in bots:
                self._tell(day, bot)
            return {scope: share.total for scope, share in self.book.shares(day, *bots).items()}
        except (sqlite3.Error, OSError) as error:
            raise unusable(self.book.folder, error) from error

    def claim(self, day: str, scope: str, what: str, level: float) -> bool:
        """Whether nobody was told of that before, here or anywhere in the fleet."""
        import sqlite3

        try:
            if not self.book.note_told(day, scope, what, level):
                return False
        except (sqlite3.Error, OSError, GptError):
            return True  # told twice is better than never
        try:
            return self._fleet is None or self._fleet.claim(day, f"{what}|{level}|{scope}")
        except RedisUnavailable:
            return True

    def _reserve_in_fleet(self, asked: Reservation) -> Outcome | None:
        """None while Redis does not answer."""
        assert self._fleet is not None
        answer, statement = self._ask_fleet(self._fleet, asked)
        if answer is not None and not answer.is_admitted and self.book.reap():
            answer, statement = self._ask_fleet(self._fleet, asked)
        if answer is None:
            return None
        if answer.is_admitted:
            self._write_down(self._fleet, asked, statement)
            decision = Decision(Verdict.ADMIT)
        else:
            decision = admit(answer.standings(statement, self._caps), asked.amount)
        self._acknowledge(statement, answer)
        return Outcome(decision, {scope: of.spent for scope, of in answer.figures.items()})

    def _ask_fleet(self, fleet: FleetBudget, asked: Reservation) -> tuple[Answer | None, Statement]:
        statement = self.book.statement(asked.day, asked.bot)
        try:
            return fleet.reserve(statement, self.book.name_of(asked), asked, self._caps), statement
        except RedisUnavailable as error:
            self._say_alone(error)
            return None, statement

    def _write_down(self, fleet: FleetBudget, asked: Reservation, statement: Statement) -> None:
        """What Redis has admitted; where the book cannot take it, nothing is sent, and Redis takes it back."""
        try:
            self.book.insert(asked)
        except BaseException:
            with suppress(RedisUnavailable):
                fleet.tell(statement._replace(closed=(self.book.name_of(asked),)))
            raise

    def _pay_owed(self) -> None:
        while self._owed:
            self.book.settle(*self._owed[0])
            self._owed.pop(0)

    def _tell(self, day: str, bot: str) -> None:
        if self._fleet is None:
            return
        statement = self.book.statement(day, bot)
        try:
            answer = self._fleet.tell(statement)
        except RedisUnavailable as error:
            self._say_alone(error)
        else:
            self._acknowledge(statement, answer)

    def _acknowledge(self, statement: Statement, answer: Answer) -> None:
        self.book.acknowledge(statement, {scope: of.others for scope, of in answer.figures.items()})
        if self._is_alone:
            self._is_alone = False
            _log.info("the budget is shared with the fleet again")

    def _say_alone(self, error: RedisUnavailable) -> None:
        if not self._is_alone:
            self._is_alone = True
            _log.warning("the budget goes on by this host's own record until Redis is back: %s", error)

    def _seen(self, asked: Reservation) -> dict[str, Amount]:
        return {scope: share.total for scope, share in self.book.shares(asked.day, asked.bot).items()}
