"""From a question to its reply, by the cheapest way there is: kept, under way, another process's, the provider's."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import TypeAlias

from gpt.cache.completion_cache import CompletionCache
from gpt.cache.fleet_flights import FleetFlights
from gpt.cache.shared_cache import Shared, SharedCache
from gpt.cache.upkeep import Upkeep
from gpt.counters import Counters
from gpt.errors import (
    AccessDenied,
    AuthenticationFailed,
    DeadlineExceeded,
    EmptyReply,
    GptError,
    GptSettingsError,
    HelperClosed,
    RequestRefused,
)
from gpt.model import GptReply, Source
from gpt.provider import Provider
from gpt.question import Question
from gpt.streaming import GptStream, Streams
from utils.single_flight import Grounded, SingleFlight

logger = logging.getLogger("gavatcore.openai")

_NO_STALE = (RequestRefused, AuthenticationFailed, AccessDenied, EmptyReply, HelperClosed, GptSettingsError)
"""Failures that an old answer must not hide: somebody has to do something."""
Outcome: TypeAlias = GptReply | GptError


class Answering:
    """Local cache → join a flight → shared cache → provider; what is complete is kept on the way back."""

    def __init__(
        self, provider: Provider, streams: Streams, *, cache: CompletionCache, shared: SharedCache | None, ttl: float
    ) -> None:
        self._provider = provider
        self._streams = streams
        self._cache = cache
        self._counters: Counters = provider.counters
        self._fleet = FleetFlights(shared) if shared else None
        self._upkeep = Upkeep(cache, shared, ttl=ttl)
        self._flights: SingleFlight[Outcome] = SingleFlight()
        self._closed = False

    async def answer(self, question: Question) -> GptReply:
        """The reply; raises GptError. Cancelling this leaves others who ask the same unharmed."""
        self._refuse_closed()
        known = self._known(question)
        if known is not None:
            return known
        try:
            return await self._answered(question)
        except GptError as error:
            self._counters.failed(error.kind)
            stale = self._stale(question, error)
            if stale is None:
                raise
            return stale

    async def texts(self, question: Question, stream: GptStream) -> AsyncGenerator[str, None]:
        """The pieces of a reply, kept in this process when it is complete; sets `stream.reply` at their end."""
        self._refuse_closed()
        stream.reply = self._known(question)
        if stream.reply is not None:
            yield stream.reply.text
            return
        asked_in = self._cache.generation
        whole: list[GptReply] = []
        try:
            async with aclosing(self._streams.texts(question, whole.append)) as texts:
                async for text in texts:
                    yield text
        except GptError as error:
            self._counters.failed(error.kind)
            raise
        stream.reply = whole[0]
        self._counters.answered(stream.reply)
        self._keep(question, stream.reply, question.marks, asked_in=asked_in, lifetime=self._cache.lifetime())

    def _known(self, question: Question) -> GptReply | None:
        """What this process has kept: the path of a hit, which waits for nothing."""
        known = self._cache.find(question.key) if question.key is not None else None
        if known is not None:
            self._counters.answered(known)
            logger.info("answered from cache")
        return known

    async def _answered(self, question: Question) -> GptReply:
        """From the provider, through a flight that others may join; its failure is everybody's, once."""
        until = time.monotonic() + question.deadline
        if question.key is None:
            return await self._alone(question, until)
        while True:
            flight, joined = self._flights.begin(question.key, partial(self._fly, question, until))
            try:
                outcome: Outcome = await self._flights.wait(flight, within=max(until - time.monotonic(), 0))
            except TimeoutError:
                outcome = _too_late()
            except Grounded:  # it ended with its event loop
                self._refuse_closed()
                continue
            if isinstance(outcome, GptReply):
                outcome = replace(outcome, source=Source.JOINED) if joined else outcome
                self._counters.answered(outcome)
                return outcome
            if joined and outcome.out_of_time and time.monotonic() < until:
                continue
            self._counters.add("joins" if joined else "misses")
            raise outcome.again()

    async def _alone(self, question: Question, until: float) -> GptReply:
        """What is neither kept nor shared."""
        try:
            async with asyncio.timeout(max(until - time.monotonic(), 0)):
                return await self._provider.ask(question, until=until)
        except TimeoutError:
            pass
        raise _too_late()

    async def _fly(self, question: Question, until: float) -> Outcome:
        """The outcome for all who ask this."""
        asked_in, marks = self._cache.generation, question.marks
        try:
            reply, lifetime = await self._fetched(question, marks, until)
        except GptError as error:
            return error
        except asyncio.CancelledError:
            if not self._closed:
                raise
            return HelperClosed("the helper was closed while it was asked")
        self._keep(question, reply, marks, asked_in=asked_in, lifetime=lifetime)
        return reply

    async def _fetched(self, question: Question, marks: tuple[str, ...], until: float) -> tuple[GptReply, float]:
        """From another process or the provider, with the seconds that it may be kept."""
        ask = partial(self._provider.ask, question, until=until)
        # While Redis does not know that something was taken back, what it has may be just that.
        if self._fleet is None or not self._upkeep.untold.isdisjoint(marks):
            return await ask(), self._cache.lifetime()
        self._upkeep.start()
        shared = Shared(question.key or "", marks)
        reply, lifetime = await self._fleet.run(shared, ask, until=until, lifetime=self._cache.lifetime)
        if reply.source is Source.CACHE:
            logger.info("answered from cache")
        return reply, lifetime

    def _keep(
        self, question: Question, reply: GptReply, marks: tuple[str, ...], *, asked_in: int, lifetime: float
    ) -> None:
        if not reply.complete or question.key is None:
            return
        kept = replace(reply, source=Source.CACHE)
        if self._cache.put(question.key, kept, marks=marks, asked_in=asked_in, lifetime=lifetime):
            self._upkeep.start()

    def _stale(self, question: Question, error: GptError) -> GptReply | None:
        """An expired reply to the same question, where that hides nothing that a person must do."""
        if question.key is None or isinstance(error, _NO_STALE):
            return None
        known = self._cache.find_stale(question.key)
        if known is None:
            return None
        reply = replace(known, source=Source.STALE, cause=error)
        self._counters.answered(reply)
        logger.warning("answered with an expired reply: %s", error)
        return reply

    def take_back(self, mark: str) -> int:
        """Drop what is kept under this mark, here now and in other processes soon; gives how many were dropped here."""
        gone = self._cache.invalidate(mark)
        self._flights.forget_all()
        if self._fleet is not None:
            self._upkeep.tell(mark)
        return gone

    def _refuse_closed(self) -> None:
        if self._closed:
            raise HelperClosed("the helper was closed")

    async def aclose(self) -> None:
        """End what is under way: whoever waits gets HelperClosed."""
        self._closed = True
        self._upkeep.stop()
        flights = self._flights.cancel_all()
        if flights:
            await asyncio.wait(flights)
        if self._fleet is not None:
            self._fleet.close()

    def after_fork(self) -> None:
        """In a child process: event loops and threads are its parent's; what is kept, stays."""
        self._cache.after_fork()
        self._upkeep.after_fork()
        self._flights.after_fork()
        if self._fleet is not None:
            self._fleet.after_fork()


def _too_late() -> DeadlineExceeded:
    return DeadlineExceeded(
        "no answer before the caller's deadline", hint="deadline=… of the question, or of the settings"
    )
