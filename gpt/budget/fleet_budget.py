"""The budget that a fleet shares in Redis: asked with every reservation, told of every settlement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from gpt.budget.book import EXPIRES_AFTER, Statement
from gpt.budget.decide import Standing
from gpt.budget.model import ALL, Amount, Caps, Reservation, scope_of
from gpt.budget.redis_scripts import CLAIM, RESERVE, TELL
from utils.redis_link import RedisUnavailable

if TYPE_CHECKING:
    from utils.redis_link import RedisLink

_KEPT_MS = 3 * 24 * 3600 * 1000
"""A day ends everywhere, and late settlements come, well before."""


class Figures(NamedTuple):
    """Of one scope, as Redis has them."""

    spent: Amount
    own: Amount
    """The part of it that Redis ascribes to the asking book."""
    reserved: Amount

    @property
    def others(self) -> Amount:
        """What everybody else has spent."""
        return Amount(self.spent.tokens - self.own.tokens, self.spent.money - self.own.money)


class Answer(NamedTuple):
    """To a statement, with or without a reservation."""

    is_admitted: bool
    figures: dict[str, Figures]
    """Of all bots together, and of the bot."""

    def standings(self, statement: Statement, caps: Caps) -> list[Standing]:
        """What the verdict was reached from."""
        return [
            Standing(scope, caps.of(scope), of.spent, of.reserved, statement.own_open[scope])
            for scope, of in self.figures.items()
        ]


class FleetBudget:
    """All calls block and raise RedisUnavailable; doing one twice does no harm."""

    def __init__(self, link: RedisLink, wallet: str) -> None:
        self._link = link
        self._wallet = wallet

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return self._link.place

    def reserve(self, statement: Statement, name: str, asked: Reservation, caps: Caps) -> Answer:
        """Admit it or not, by what the whole fleet has spent and holds open; `name`: as `Book.name_of` gives it."""
        own_open = statement.own_open
        limits = [[*map(_text, caps.of(scope)), own_open[scope]] for scope in (ALL, scope_of(asked.bot))]
        return self._ask(RESERVE, statement, [name, *asked.amount, *limits[0], *limits[1]])

    def tell(self, statement: Statement) -> Answer:
        """Make a book's spending known."""
        return self._ask(TELL, statement, [])

    def claim(self, day: str, what: str) -> bool:
        """Whether nobody of the fleet was told of that before; from now on somebody was."""
        return bool(self._link.run(CLAIM, keys=self._keys(day)[:1], args=[_KEPT_MS, what]))

    def _ask(self, script: str, statement: Statement, rest: Sequence[str | int]) -> Answer:
        answer = self._run(script, statement, (), rest)
        if answer == ["who"]:
            answer = self._run(script, statement, ("1", *statement.open()), rest)
        try:
            word, *numbers = answer
            figures = [Amount(int(numbers[at]), int(numbers[at + 1])) for at in range(0, 12, 2)]
        except (ValueError, TypeError, IndexError):
            raise RedisUnavailable(f"Redis at {self.place} keeps something else under the budget's keys") from None
        scopes = (ALL, scope_of(statement.bot))
        return Answer(
            word == "admitted", {scope: Figures(*figures[3 * at : 3 * at + 3]) for at, scope in enumerate(scopes)}
        )

    def _run(self, script: str, statement: Statement, held: Sequence[str], rest: Sequence[str | int]) -> Any:
        spent = [number for share in statement.shares.values() for number in (*share.own, *share.others)]
        arguments: list[str | int] = [statement.book, _KEPT_MS, int(EXPIRES_AFTER * 1000), statement.bot, *spent]
        arguments += [held[0] if held else "0", len(statement.closed), len(held[1:]), *statement.closed, *held[1:]]
        return self._link.run(script, keys=self._keys(statement.day), args=[*arguments, *rest])

    def _keys(self, day: str) -> list[str]:
        return [f"gavat:budget:{{{self._wallet}}}:{day}:{kind}" for kind in ("figures", "open")]


def _text(limit: int | None) -> str | int:
    return "" if limit is None else limit
