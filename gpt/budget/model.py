"""What the wallet counts: tokens and nano-dollars of a UTC day, for all bots together and for each bot."""

from __future__ import annotations

from typing import NamedTuple, Self

NANO = 1_000_000_000
"""Nano-dollars in a US dollar: money is whole numbers of them, so that sums are exact."""
ALL = "a"
"""The scope of all bots together; a bot's own is `scope_of` its name."""


def scope_of(bot: str) -> str:
    """Under what a bot's own figures are kept; no name can be taken for `ALL`."""
    return f"b:{bot}"


def scope_name(scope: str) -> str:
    """What people read: `all`, or the bot's name."""
    return "all" if scope == ALL else scope.partition(":")[2]


class Amount(NamedTuple):
    """Tokens and nano-dollars together."""

    tokens: int = 0
    money: int = 0

    def plus(self, other: Amount) -> Amount:
        """Both, summed."""
        return Amount(self.tokens + other.tokens, self.money + other.money)

    @classmethod
    def of_one_reply(cls, tokens: int, money: int) -> Self:
        """Within what one reply can take: a provider that counts nonsense must not break the sums."""
        return cls(min(max(tokens, 0), 10**9), min(max(money, 0), 10**6 * NANO))


class Cap(NamedTuple):
    """How much of each a scope may spend in a day; None: any amount."""

    tokens: int | None = None
    money: int | None = None


class Caps(NamedTuple):
    """What all bots together may spend in a day, and what each may."""

    all: Cap = Cap()
    bot: Cap = Cap()

    def of(self, scope: str) -> Cap:
        """The one for a scope."""
        return self.all if scope == ALL else self.bot


class Limits(NamedTuple):
    """A day's limits as people set them: tokens, and money in US dollars; None: no limit."""

    daily_tokens: int | None = None
    daily_money: float | None = None
    bot_daily_tokens: int | None = None
    bot_daily_money: float | None = None
    alert_at: float = 0.8
    """Share of a limit at which operators are told."""

    @property
    def any(self) -> bool:
        """Whether there is any limit."""
        return any(limit is not None for limit in self[:4])

    @property
    def caps(self) -> Caps:
        """The same in the wallet's own units."""
        return Caps(
            Cap(self.daily_tokens, _nanos(self.daily_money)), Cap(self.bot_daily_tokens, _nanos(self.bot_daily_money))
        )


def _nanos(dollars: float | None) -> int | None:
    return None if dollars is None else round(dollars * NANO)


class Estimate(NamedTuple):
    """What a request takes at most, in tokens."""

    prompt: int
    completion: int | None
    """None: it has no `max_tokens`; then what the price table says of the model, or 4,096."""


class Reservation(NamedTuple):
    """Room in the day's budget that a request holds until it is settled or released; opaque to its holder."""

    id: str
    day: str
    bot: str
    model: str
    amount: Amount

    @classmethod
    def counted_only(cls, day: str, bot: str, model: str, amount: Amount) -> Self:
        """Where nothing is limited, nothing is held."""
        return cls("", day, bot, model, amount)


class BudgetAlert(NamedTuple):
    """A share of a limit was reached: `Limits.alert_at` of it, or all of it."""

    scope: str
    """`all`, or the bot's name."""
    what: str
    """`tokens` or `money`."""
    spent: float
    """Tokens, or US dollars."""
    limit: float
    share: float
