"""From a question to its reply, by the cheapest way there is: kept, under way, another process's, the provider's."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator
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
    BudgetExceeded,
    CircuitOpen,
    DeadlineExceeded,
    EmptyReply,
    GptError,
    GptSettingsError,
    HelperClosed,
    RequestRefused,
)
from gpt.model import GptReply, Priority, Source
from gpt.provider import Provider
from gpt.question import Question
from gpt.streaming import GptStream, Streams
from utils.single_flight import Grounded, SingleFlight

logger = logging.getLogger("gavatcore.openai")

_NO_STALE = (RequestRefused, AuthenticationFailed, AccessDenied, EmptyReply, HelperClosed, GptSettingsError)
"""Failures that an old answer must not hide: somebody has to do something."""
Outcome: TypeAlias = GptReply | GptError
Name: TypeAlias = tuple[str | None, Priority, str | None]
"""Of a flight: the question's key, who asks, and the bot where it has one of its own."""


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
        self._flights: SingleFlight[Outcome] = SingleFlight()
        self._upkeep = Upkeep(cache, shared, ttl=ttl, heard=self._flights.forget)
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
        try:
            async with await self._streams.open(question) as reading:
                while (text := await reading.next()) is not None:
                    yield text
                answer = reading.answer()
            stream.reply = self._streams.reply(answer, question)
        except GptError as error:
            self._counters.failed(error.kind)
            raise
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
        name = self._flight_name(question)
        while True:
            outcome, joined = await self._flown(question, name, until)
            if isinstance(outcome, GptReply):
                outcome = replace(outcome, source=Source.JOINED) if joined else outcome
                self._counters.answered(outcome)
                return outcome
            if joined and isinstance(outcome, BudgetExceeded) and name[2] is None:
                name = (question.key, question.priority, question.bot)  # it may be the asker's own budget
            elif not (joined and outcome.out_of_time and time.monotonic() < until):
                self._counters.add("joins" if joined else "misses")
                raise outcome.again()

    async def _flown(self, question: Question, name: Name, until: float) -> tuple[Outcome, bool]:
        """What came of the flight of this name, begun if there is none; and whether it was there already."""
        marks = question.marks
        while True:
            flight, joined = self._flights.begin(name, partial(self._fly, question, until, marks), marks=marks)
            try:
                return await self._flights.wait(flight, within=max(until - time.monotonic(), 0)), joined
            except TimeoutError:
                return _too_late(), joined
            except Grounded:  # it ended with its event loop, or for a reply that is kept by now
                self._refuse_closed()
                known = self._cache.find(question.key or "")
                if known is not None:
                    return known, False

    def _flight_name(self, question: Question) -> Name:
        """A batch may join a person's flight; a person does not wait in the batch's queue for the same answer."""
        person = (question.key, Priority.PERSON, None)
        if question.priority is Priority.PERSON or self._flights.joins(person):
            return person
        return (question.key, question.priority, None)

    async def _alone(self, question: Question, until: float) -> GptReply:
        """What is neither kept nor shared: a flight that ends with its one caller, or with the helper."""
        flight, _ = self._flights.begin(object(), partial(self._fly, question, until, question.marks))
        outcome: Outcome = HelperClosed("the helper was closed while it was asked")
        try:
            outcome = await self._flights.wait(flight, within=max(until - time.monotonic(), 0))
        except TimeoutError:
            outcome = _too_late()
        except Grounded:
            pass
        finally:
            flight.task.cancel()
        if isinstance(outcome, GptError):
            raise outcome.again()
        return outcome

    async def _fly(self, question: Question, until: float, marks: tuple[str, ...]) -> Outcome:
        """The outcome for all who ask this."""
        asked_in = self._cache.generation
        try:
            reply, lifetime = await self._fetched(question, marks, until)
        except GptError as error:
            return error
        except asyncio.CancelledError:
            if not self._closed:
                raise
            return HelperClosed("the helper was closed while it was asked")
        is_kept = self._keep(question, reply, marks, asked_in=asked_in, lifetime=lifetime)
        if is_kept and question.priority is Priority.PERSON:  # a batch that waits for the same need not ask any more
            self._flights.end((question.key, Priority.BATCH, None))
        return reply

    async def _fetched(self, question: Question, marks: tuple[str, ...], until: float) -> tuple[GptReply, float]:
        """From another process or the provider, with the seconds that it may be kept."""
        ask = partial(self._provider.ask, question, until=until)

        def told() -> bool:
            return self._upkeep.knows_all(marks)

        # While Redis does not know that something was taken back, what it has, or is given, may be just that.
        if self._fleet is None or question.key is None or not told():
            return await ask(), self._cache.lifetime()
        self._upkeep.start()
        shared = Shared(question.key, marks)
        reply, lifetime = await self._fleet.run(
            shared,
            ask,
            priority=question.priority,
            until=until,
            lifetime=lambda: self._cache.lifetime() if told() else 0.0,
        )
        if reply.source is Source.CACHE:
            logger.info("answered from cache")
        return reply, lifetime

    def _keep(
        self, question: Question, reply: GptReply, marks: tuple[str, ...], *, asked_in: int, lifetime: float
    ) -> bool:
        if not reply.complete or question.key is None:
            return False
        kept = replace(reply, source=Source.CACHE)
        is_kept = self._cache.put(question.key, kept, marks=marks, asked_in=asked_in, lifetime=lifetime)
        if is_kept:
            self._upkeep.start()
        return is_kept

    def _stale(self, question: Question, error: GptError) -> GptReply | None:
        """An expired reply to the same question, where that hides nothing that a person must do."""
        opened_by = error.opened_by if isinstance(error, CircuitOpen) else ""
        if question.key is None or isinstance(error, _NO_STALE) or opened_by == AuthenticationFailed.kind:
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
        self._flights.forget(mark)
        if self._fleet is not None:
            self._upkeep.tell(mark)
            if not _on_event_loop():  # a script, that may end at once: nobody waits for it here
                self._upkeep.tell_now()
        return gone

    def _refuse_closed(self) -> None:
        if self._closed:
            raise HelperClosed("the helper was closed")

    async def aclose(self) -> None:
        """End what is under way: whoever waits gets HelperClosed."""
        self._closed = True
        self._streams.close()
        flights = self._flights.cancel_all()
        if flights:
            await asyncio.wait(flights)
        if self._fleet is not None:
            await asyncio.to_thread(self._upkeep.tell_last)
            self._fleet.close()
        self._upkeep.stop()

    def after_fork(self) -> None:
        """In a child process: event loops and threads are its parent's; what is kept, stays."""
        self._cache.after_fork()
        self._upkeep.after_fork()
        self._flights.after_fork()
        self._streams.after_fork()
        if self._fleet is not None:
            self._fleet.after_fork()


def _on_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _too_late() -> DeadlineExceeded:
    return DeadlineExceeded(
        "no answer before the caller's deadline", hint="deadline=… of the question, or of the settings"
    )
