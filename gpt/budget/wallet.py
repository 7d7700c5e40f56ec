"""The wallet: room for a request before it is sent, what it took afterwards, and word to operators in between."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from gpt.budget.decide import Decision, Verdict
from gpt.budget.desk import Desk
from gpt.budget.lines import Lines
from gpt.budget.model import ALL, NANO, Amount, BudgetAlert, Estimate, Limits, Reservation, scope_name, scope_of
from gpt.errors import BudgetExceeded, DeadlineExceeded, HelperClosed, PriceUnknown
from gpt.model import Priority, Usage
from utils.clock import Clock, utc_now
from utils.redact import printable

if TYPE_CHECKING:
    from gpt.budget.prices import PriceTable
    from utils.redis_link import RedisLink

_ANSWER_AT_MOST = 4_096
"""Tokens that an answer is held to have where neither the request nor the price table says."""


class Wallet:
    """Tokens and money of the day (UTC), of all bots together and of each; for any number of threads and event loops.

    `key`: a short hash by which wallets are told apart, in the state folder and in Redis. `state`: the folder of
    `budget.sqlite3`, shared by all processes of this host; None: in memory. `redis`: shares it with other hosts.
    `on_alert`: called once for each scope, what and day at `Limits.alert_at` and at all of it, in a thread of its
    own, that nothing but `close` waits for.

    Without any limit nothing waits for disk or Redis: figures are written every few seconds.
    """

    def __init__(  # noqa: PLR0913 - each is one part of its surroundings
        self,
        limits: Limits,
        prices: PriceTable,
        *,
        key: str,
        state: str | None = None,
        redis: RedisLink | None = None,
        on_alert: Callable[[BudgetAlert], None] | None = None,
        clock: Clock = utc_now,
    ) -> None:
        self._limits = limits
        self._prices = prices
        self._clock = clock
        self._needs_price = limits.daily_money is not None or limits.bot_daily_money is not None
        self._desk = Desk(limits, key=key, state=state, redis=redis, on_alert=on_alert)
        self._lines = Lines()
        self._refused = 0
        self._unpriced = 0
        self._is_closed = False
        self._day = (date.min, "")
        self._desk.look_up(self._today())

    async def reserve(
        self, *, bot: str, model: str, estimate: Estimate, until: float, priority: Priority = Priority.PERSON
    ) -> Reservation:
        """Room for a request that takes at most so much; persons wait for it before batches.

        `until`: when to stop waiting for room, as of `time.monotonic`. Raises BudgetExceeded, PriceUnknown,
        DeadlineExceeded; GptSettingsError where the record of the budget cannot be used; HelperClosed.
        """
        if self._is_closed:
            raise HelperClosed("the wallet was closed")
        amount = self._at_most(model, estimate)
        bot = printable(bot)
        if not self._limits.any:
            return Reservation("", self._today(), bot, model, amount)
        return await self._reserve(Reservation("", "", bot, model, amount), until, priority)

    async def settle(self, reservation: Reservation, usage: Usage | None) -> float | None:
        """Count what a request took, on the day of its reservation; gives its cost in US dollars, if that is known.

        None: unknown, since the request was sent but no usage came back; then the whole estimate counts.
        """
        price = self._prices.find(reservation.model)
        if usage is None:
            spent = reservation.amount
        else:
            tokens = max(usage.prompt, 0) + max(usage.completion, 0)
            spent = Amount.of_one_reply(tokens, price.cost(usage) if price else 0)
        if price is None:
            self._unpriced += 1
        if self._limits.any:
            await self._desk.settle(reservation, spent)
            self._lines.call((ALL, scope_of(reservation.bot)))
        else:
            self._desk.count(reservation, spent)
        return spent.money / NANO if price else None

    async def release(self, reservation: Reservation) -> None:
        """Give the room back: nothing was sent."""
        if self._limits.any:
            await self._desk.settle(reservation, Amount())
            self._lines.call((ALL, scope_of(reservation.bot)))

    async def close(self) -> None:
        """Write down what is not yet; nothing is reserved any more, what is open may still be settled."""
        self._is_closed = True
        await self._desk.close()

    def after_fork(self) -> None:
        """In a forked child: begin anew, with a thread and a connection of its own.

        The parent's reservations are not its; what was spent in memory alone is taken along.
        """
        self._lines = Lines()
        self._desk.after_fork(self._today())

    def stats(self) -> dict[str, Any]:
        """Today's figures, as last seen by this process; asks nobody. Money in US dollars, shares of 1.

        `share`: of the limit that is fullest; `bot_share`: of its own ones, of `fullest_bot`.
        """
        day = self._today()
        spent = self._desk.spent(day)
        total = spent.get(ALL, Amount())
        shares = {scope: self._desk.fullest(scope, amount) for scope, amount in spent.items()}
        fullest = min(shares.keys() - {ALL}, key=lambda scope: (-shares[scope], scope), default="")
        return {
            "day": day,
            "tokens": total.tokens,
            "money": total.money / NANO,
            "daily_tokens": self._limits.daily_tokens,
            "daily_money": self._limits.daily_money,
            "share": shares.get(ALL, 0.0),
            "bots": len(spent.keys() - {ALL}),
            "bot_share": shares.get(fullest, 0.0),
            "fullest_bot": scope_name(fullest) if shares.get(fullest) else "",
            "alerts": self._desk.alerts,
            "refused": self._refused,
            "waiting": len(self._lines),
            "unpriced": self._unpriced,
            "prices": self._prices.date,
        }

    async def _reserve(self, asked: Reservation, until: float, priority: Priority) -> Reservation:
        scopes = (ALL, scope_of(asked.bot))
        scope = self._lines.busy(scopes)
        turn = None if scope is None else self._lines.join(scope, priority)
        try:
            while True:
                if turn is not None and not await self._lines.wait(turn, until):
                    self._refused += 1
                    raise DeadlineExceeded("the day's budget had no room in time: open requests hold the rest of it")
                held = asked._replace(id=self._desk.new_id(), day=self._today())
                decision = await self._ask(held)
                if decision.verdict is Verdict.ADMIT:
                    return held
                if decision.verdict is Verdict.REFUSE:
                    raise self._exceeded(decision)
                if turn is None or turn.scope != decision.scope:
                    if turn is not None:
                        self._lines.leave(turn)
                    turn = self._lines.join(decision.scope, priority)
        finally:
            if turn is not None:
                self._lines.leave(turn)

    async def _ask(self, held: Reservation) -> Decision:
        try:
            return await self._desk.reserve(held)
        except BudgetExceeded:
            self._refused += 1
            raise

    def _exceeded(self, decision: Decision) -> BudgetExceeded:
        self._refused += 1
        whose = "of all bots" if decision.scope == ALL else f"of {scope_name(decision.scope)}"
        if decision.what == "money":
            figures = f"${decision.spent / NANO:.2f} of ${decision.limit / NANO:.2f}"
        else:
            figures = f"{decision.spent:,} of {decision.limit:,} tokens"
        return BudgetExceeded(
            f"the day's budget {whose} is spent: {figures}",
            hint="it begins anew at midnight UTC; or raise the limit",
            retry_after=self._until_tomorrow(),
        )

    def _at_most(self, model: str, estimate: Estimate) -> Amount:
        price = self._prices.find(model)
        if price is None and self._needs_price:
            self._refused += 1
            raise PriceUnknown(
                f"money is limited, and the price table of {self._prices.date} does not know {printable(model)}",
                hint="add it to a price table of your own (`prices`), or use another model",
            )
        completion = estimate.completion
        if completion is None:
            completion = (price.max_output if price else None) or _ANSWER_AT_MOST
        money = price.at_most(estimate.prompt, completion) if price else 0
        return Amount.of_one_reply(estimate.prompt + completion, money)

    def _today(self) -> str:
        today = self._clock().astimezone(UTC).date()
        if today != self._day[0]:
            self._day = (today, today.isoformat())
        return self._day[1]

    def _until_tomorrow(self) -> float:
        now = self._clock().astimezone(UTC)
        tomorrow = datetime(now.year, now.month, now.day, tzinfo=UTC) + timedelta(days=1)
        return (tomorrow - now).total_seconds()
