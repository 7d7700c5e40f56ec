"""The way past breaker, budget and gate, and word to each of them how the request ended."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from gpt.breaker import CircuitBreaker
from gpt.budget import Estimate, PriceTable, Reservation, Wallet
from gpt.counters import Counters
from gpt.errors import GptError, RateLimited
from gpt.gate import Gate
from gpt.model import Usage
from gpt.question import Question
from gpt.wire.wire import Wire

logger = logging.getLogger("gavatcore.openai")

_BYTES_A_TOKEN = 3.5
"""Of a prompt, in the mean: what the token limit is told before the provider says the true count."""
_SHORT_REPLY = 300
"""Tokens the token limit is told of a reply that may have any length."""


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
        self._most = question.most_prompt
        most_completion = question.most_completion
        self._completion = None if most_completion is None else most_completion * question.choices
        reply = _SHORT_REPLY if self._completion is None else min(self._completion, _SHORT_REPLY)
        self._guess = int(self._most / _BYTES_A_TOKEN) + reply
        """What the token limit is told; it learns the true count with the reply."""
        self._reservation: Reservation | None = None
        self.usage: Usage | None = None
        """What it took; unknown until the provider says it."""

    async def __aenter__(self) -> Self:
        parts = self._parts
        await parts.wire.ready()
        parts.breaker.admit(time.monotonic(), probe_within=self._until - time.monotonic())
        try:
            self._reservation = await self._reserve()
            await parts.gate.enter(
                priority=self._question.priority, bot=self._question.bot, until=self._until, tokens=self._guess
            )
        except BaseException:
            parts.breaker.abandoned()
            if self._reservation is not None:
                await parts.wallet.release(self._reservation)
            raise
        parts.counters.add("calls")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        assert self._reservation is not None
        if error is None:
            await self._succeeded(self._reservation)
        elif isinstance(error, GptError):
            await self._failed(error, self._reservation)
        else:
            self._parts.breaker.abandoned()
            if isinstance(error, Exception):  # a mistake of the program, before anything was sent
                await self._parts.wallet.release(self._reservation)
            else:  # cancelled, or nobody reads on: who knows how far it came
                await self._parts.wallet.settle(self._reservation, self.usage)

    async def _reserve(self) -> Reservation:
        question = self._question
        estimate = Estimate(prompt=self._most, completion=self._completion)
        return await self._parts.wallet.reserve(
            bot=question.bot, model=question.model, estimate=estimate, until=self._until
        )

    async def _succeeded(self, reservation: Reservation) -> None:
        parts = self._parts
        if parts.breaker.succeeded():
            logger.info("the provider answers again: circuit closed")
        await parts.wallet.settle(reservation, self.usage)
        if self.usage is not None:
            parts.counters.add("tokens", self.usage.total)
            await parts.gate.settle(self.usage.total - self._guess)

    async def _failed(self, error: GptError, reservation: Reservation) -> None:
        """Tell all; the wallet first, since a caller who is cancelled meanwhile must not leave its room taken."""
        parts = self._parts
        if error.charged or self.usage is not None:
            await parts.wallet.settle(reservation, self.usage)
        else:
            await parts.wallet.release(reservation)
        if isinstance(error, RateLimited):
            parts.counters.add("rate_limited")
        if parts.breaker.failed(error, time.monotonic()):
            logger.warning("circuit open, nothing is asked for a while: %s", error)
        if error.retry_after is not None:
            await parts.gate.pause(error.retry_after)
