"""The way past breaker, budget and gate, and word to each of them how the request ended."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from gpt.breaker import Admission, CircuitBreaker
from gpt.budget import Estimate, PriceTable, Reservation, Wallet
from gpt.counters import Counters
from gpt.errors import GptError, RateLimited
from gpt.gate import Gate
from gpt.model import Usage
from gpt.question import Question
from gpt.wire.wire import Wire

logger = logging.getLogger("gavatcore.openai")

_SHORT_REPLY = 300
"""Tokens the token limit is told of a reply that may have any length."""
_ANSWER_AT_MOST = 4_096
"""Tokens that an answer is held to have where neither the request nor the price table says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What stands between a question and the wire."""

    breaker: CircuitBreaker
    wallet: Wallet
    prices: PriceTable
    gate: Gate
    wire: Wire
    counters: Counters


class Passage:
    """Entering waits until the request may go; leaving settles what it took. Raises GptError.

    A class and no generator: an event loop that ends closes all generators at once, the inner before the outer.
    """

    def __init__(self, parts: Parts, question: Question, *, until: float) -> None:
        """`until`: a moment of `time.monotonic()`."""
        self._parts = parts
        self._question = question
        self._until = until
        tokens = question.prompt_tokens
        each = question.most_completion or _longest(parts.prices, question.model)
        self._estimate = Estimate(prompt=tokens.most, completion=each * question.choices)
        self._guess = tokens.likely + min(each, _SHORT_REPLY) * question.choices
        """What the token limit is told; it learns the true count with the reply."""
        self._admission: Admission | None = None
        self._reservation: Reservation | None = None
        self.usage: Usage | None = None
        """What it took; unknown until the provider says it."""
        self.answered = False
        """Whether the provider has begun to answer: from then on nothing is free, whatever goes wrong."""

    async def __aenter__(self) -> Self:
        parts = self._parts
        await parts.wire.ready()
        admission = self._admit(None)
        try:
            self._reservation = await self._reserve()
            await parts.gate.enter(
                priority=self._question.priority, bot=self._question.bot, until=self._until, tokens=self._guess
            )
            # Much may have happened while it waited; its slot at the gate is lost then.
            self._admission = admission = self._admit(admission)
        except BaseException:
            parts.breaker.abandoned(admission)
            if self._reservation is not None:
                await parts.wallet.release(self._reservation)
            raise
        parts.counters.add("calls")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        assert self._reservation is not None
        assert self._admission is not None
        if error is None:
            await self._succeeded(self._reservation, self._admission)
        elif isinstance(error, GptError):
            await self._failed(error, self._reservation, self._admission)
        else:
            self._parts.breaker.abandoned(self._admission)
            if isinstance(error, Exception) and not self.answered:  # a mistake of the program, before it was sent
                await self._parts.wallet.release(self._reservation)
            else:  # cancelled, or nobody reads on: who knows how far it came
                await self._parts.wallet.settle(self._reservation, self.usage)

    def _admit(self, held: Admission | None) -> Admission:
        now = time.monotonic()
        return self._parts.breaker.admit(now, probe_within=self._until - now, held=held)

    async def _reserve(self) -> Reservation:
        question = self._question
        return await self._parts.wallet.reserve(
            bot=question.bot,
            model=question.model,
            estimate=self._estimate,
            until=self._until,
            priority=question.priority,
        )

    async def _succeeded(self, reservation: Reservation, admission: Admission) -> None:
        parts = self._parts
        if parts.breaker.succeeded(admission):
            logger.info("the provider answers again: circuit closed")
        await parts.wallet.settle(reservation, self.usage)
        if self.usage is not None:
            parts.counters.add("tokens", self.usage.total)
            await parts.gate.settle(self.usage.total - self._guess)

    async def _failed(self, error: GptError, reservation: Reservation, admission: Admission) -> None:
        """Tell all: first the breaker, for which nobody waits; then the wallet, since a caller who is cancelled
        meanwhile must not leave its room taken.
        """
        parts = self._parts
        if parts.breaker.failed(error, time.monotonic(), admission):
            logger.warning("circuit open, nothing is asked for a while: %s", error)
        if isinstance(error, RateLimited):
            parts.counters.add("rate_limited")
        if error.charged or self.usage is not None:
            await parts.wallet.settle(reservation, self.usage)
        else:
            await parts.wallet.release(reservation)
        if error.retry_after is not None:
            await parts.gate.pause(error.retry_after)


def _longest(prices: PriceTable, model: str) -> int:
    """Tokens of an answer to a request that names no limit."""
    price = prices.find(model)
    return (price.max_output if price else None) or _ANSWER_AT_MOST
