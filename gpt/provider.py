"""One question put to the provider: circuit breaker → budget → gate → wire, again where that may help."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from gpt.counters import Counters
from gpt.errors import GptError, ProviderFailed, RateLimited
from gpt.model import GptReply, Source, Usage
from gpt.passage import Parts, Passage
from gpt.question import Question
from gpt.settings import GptSettings
from gpt.wire.answers import Answer, refuse_empty
from gpt.wire.wire import Request
from utils.backoff import BackoffPolicy

if TYPE_CHECKING:
    from tenacity import RetryCallState
    from tenacity.asyncio import AsyncRetrying

logger = logging.getLogger("gavatcore.openai")

T = TypeVar("T")

_JITTER = 0.5
"""Share of a wait between tries that chance may take away."""


class Trial:
    """How far one question has come."""

    def __init__(self, question: Question, *, until: float, wire_left: float) -> None:
        self.question = question
        self.until = until
        """The deadline: a moment of `time.monotonic()`."""
        self.wire_left = wire_left
        """Seconds that may still be spent on the wire."""

    @property
    def left(self) -> float:
        """Seconds until the wire or the deadline ends it, whichever is first."""
        return max(min(self.wire_left, self.until - time.monotonic()), 0.0)

    def may_go_on(self, error: BaseException) -> bool:
        """Whether it makes sense to try again after this."""
        if not isinstance(error, (RateLimited, ProviderFailed)) or error.final or self.wire_left <= 0:
            return False
        error.out_of_time = time.monotonic() + (error.retry_after or 0.0) >= self.until
        return not error.out_of_time


class Provider:
    """Asks with at most `max_retries` retries; the time on the wire, all tries together, is bounded by `timeout`."""

    def __init__(self, parts: Parts, settings: GptSettings) -> None:
        self._parts = parts
        self._settings = settings
        self._backoff = BackoffPolicy(
            first=timedelta(seconds=settings.base_delay), cap=timedelta(seconds=settings.max_delay), jitter=_JITTER
        )

    @property
    def counters(self) -> Counters:
        """What is counted on the way."""
        return self._parts.counters

    async def ask(self, question: Question, *, until: float) -> GptReply:
        """The model's reply. `until`: a moment of `time.monotonic()`. Raises GptError."""
        trial = Trial(question, until=until, wire_left=self._settings.timeout)
        return self.reply(await self.again_where_it_helps(self._try, trial), question)

    async def again_where_it_helps(self, attempt: Callable[[Trial], Awaitable[T]], trial: Trial) -> T:
        """What the first try that succeeds gives; raises the GptError of the last one.

        Most succeed at once, so tenacity (some 50 µs around each call) is asked only when there is something to retry.
        """
        try:
            return await attempt(trial)
        except GptError as error:
            if not trial.may_go_on(error):
                raise
            failed = [error]

        async def next_try() -> T:
            if failed:
                raise failed.pop()
            return await attempt(trial)

        done: T = await self._retrying(trial)(next_try)
        return done

    async def pause(self, seconds: float) -> None:
        """The provider's window is used up for so long: nobody of the fleet asks meanwhile."""
        await self._parts.gate.pause(seconds)

    def reply(self, answer: Answer, question: Question) -> GptReply:
        """An answer as the caller gets it, with what it cost; raises EmptyReply."""
        cost = self._parts.prices.cost(question.model, answer.usage) if answer.usage else None
        self._parts.counters.spent(cost or 0.0)
        refuse_empty(answer)
        return GptReply(
            text=answer.text,
            source=Source.MODEL,
            model=answer.model or question.model,
            finish_reason=answer.finish_reason,
            usage=answer.usage or Usage(),
            cost=cost,
            tool_calls=answer.tool_calls,
            media=answer.media,
            id=answer.id,
        )

    def passing(self, question: Question, *, until: float) -> Passage:
        """The way of one request past breaker, budget and gate."""
        return Passage(self._parts, question, until=until)

    async def _try(self, trial: Trial) -> Answer:
        request = Request(api=trial.question.api, body=trial.question.body)
        async with self.passing(trial.question, until=trial.until) as passage:
            began = time.monotonic()
            try:
                received = await self._parts.wire.send(request, within=trial.wire_left)
            finally:
                trial.wire_left -= time.monotonic() - began
            passage.answered, passage.usage = True, received.answer.usage
        if received.used_up:
            await self.pause(received.used_up)
        return received.answer

    def _retrying(self, trial: Trial) -> AsyncRetrying:
        from tenacity import retry_if_exception
        from tenacity.asyncio import AsyncRetrying

        def stop(state: RetryCallState) -> bool:
            if state.attempt_number > self._settings.max_retries:
                return True
            failure = _failure(state)
            failure.out_of_time = time.monotonic() + state.upcoming_sleep >= trial.until
            return failure.out_of_time

        return AsyncRetrying(
            retry=retry_if_exception(trial.may_go_on),
            wait=self._wait,
            stop=stop,
            before_sleep=self._before_sleep,
            sleep=asyncio.sleep,
            reraise=True,
        )

    def _wait(self, state: RetryCallState) -> float:
        """Seconds until the next try; where the server said how long, the gate is paused, and the wait is there."""
        if _failure(state).retry_after is not None:
            return 0.0
        return self._backoff.delay(state.attempt_number, chance=random.random()).total_seconds()

    def _before_sleep(self, state: RetryCallState) -> None:
        self._parts.counters.add("retries")
        failure = _failure(state)
        wait = failure.retry_after if failure.retry_after is not None else state.upcoming_sleep
        logger.info("retry %d in %.1f s: %s", state.attempt_number, wait, failure)


def _failure(state: RetryCallState) -> GptError:
    error = state.outcome.exception() if state.outcome is not None else None
    assert isinstance(error, GptError)  # nothing else is tried again
    return error
