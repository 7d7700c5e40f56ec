"""A reply piece by piece."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from gpt.closing import ClosableWaits
from gpt.errors import DeadlineExceeded, GptError, HelperClosed, ReplyTimeout
from gpt.model import Api, GptReply
from gpt.passage import Passage
from gpt.provider import Provider, Trial
from gpt.question import Question
from gpt.wire.answers import UNREADABLE, Answer
from gpt.wire.hints import used_up
from gpt.wire.pieces import Pieces, no_stream
from gpt.wire.sdk_errors import judge_error, troubles
from gpt.wire.wire import Request, Wire
from utils.clock import utc_now

if TYPE_CHECKING:
    from openai import AsyncStream


class GptStream:
    """The texts of one reply, in order; a context manager for those who may stop reading early.

    async with helper.stream("…") as stream:
        async for text in stream:
            …
    stream.reply
    """

    def __init__(self, read: Callable[[GptStream], AsyncGenerator[str, None]]) -> None:
        self._pieces = read(self)
        self.reply: GptReply | None = None
        """The whole; None until the last piece has been read."""

    def __aiter__(self) -> AsyncIterator[str]:
        return self._pieces

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self._pieces.aclose()


class Reading:
    """A stream under way, past the gate. Leaving it ends both, and settles what it took."""

    def __init__(
        self,
        stream: AsyncStream[Any],
        passage: Passage,
        stack: AsyncExitStack,
        trial: Trial,
        waits: ClosableWaits,
    ) -> None:
        self._stream = stream
        self._passage = passage
        self._stack = stack
        self._trial = trial
        self._waits = waits
        self._pieces = Pieces(trial.question.api)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, at)

    async def next(self) -> str | None:
        """The next text, or None at the end. Time that the reader takes between two does not count."""
        while (event := await self._event()) is not None:
            text = self._pieces.take(event)
            self._passage.usage = self._pieces.usage
            if text:
                return text
        return None

    def answer(self) -> Answer:
        """The whole, at the end; raises ProviderFailed for a stream that ended before its reply did."""
        return self._pieces.answer()

    async def _event(self) -> Any:
        began = time.monotonic()
        failure: GptError
        try:
            async with self._waits.within(self._trial.left):
                return await anext(self._stream, None)
        except HelperClosed as closed:
            failure = closed
        except TimeoutError:
            failure = _too_late(self._trial)
        except troubles() as error:
            failure = judge_error(error, now=utc_now())
        except UNREADABLE:  # of the SDK, over what no API sends
            failure = no_stream()
        finally:
            self._trial.wire_left -= time.monotonic() - began
        failure.charged = True  # half of a reply was sent
        raise failure


def _too_late(trial: Trial) -> GptError:
    """What ended it: the caller's deadline, or the time on the wire."""
    if time.monotonic() < trial.until:
        return ReplyTimeout("the reply was not whole in time", hint="timeout=… of the settings")
    too_late = DeadlineExceeded(
        "the reply was not whole before the caller's deadline", hint="deadline=… of the question, or of the settings"
    )
    too_late.charged = True
    return too_late


class Streams:
    """Opens streams as a question is asked: breaker → budget → gate → wire, again where that may help."""

    def __init__(self, provider: Provider, wire: Wire, *, timeout: float) -> None:
        self._provider = provider
        self._wire = wire
        self._timeout = timeout
        self._waits = ClosableWaits()

    def close(self) -> None:
        """End those that are being opened or read, with HelperClosed; a later one is refused."""
        self._waits.close()

    def after_fork(self) -> None:
        """In a child process: its parent's streams are its parent's."""
        self._waits.after_fork()

    async def open(self, question: Question) -> Reading:
        """A stream to read; raises GptError. At most `timeout` seconds on the wire in all."""
        trial = Trial(question, until=time.monotonic() + question.deadline, wire_left=self._timeout)
        async with self._waits.within(None):
            return await self._provider.again_where_it_helps(self._open, trial)

    def reply(self, answer: Answer, question: Question) -> GptReply:
        """An answer as the caller gets it; raises EmptyReply."""
        return self._provider.reply(answer, question)

    async def _open(self, trial: Trial) -> Reading:
        body = {**trial.question.body, "stream": True}
        if trial.question.api is Api.CHAT:
            body.setdefault("stream_options", {"include_usage": True})
        async with AsyncExitStack() as stack:
            passage = await stack.enter_async_context(self._provider.passing(trial.question, until=trial.until))
            stream = await self._begin(Request(api=trial.question.api, body=body), trial)
            passage.answered = True
            stack.push_async_callback(stream.close)
            wait = used_up(stream.response.headers, now=utc_now())
            if wait:
                await self._provider.pause(wait)
            return Reading(stream, passage, stack.pop_all(), trial, self._waits)

    async def _begin(self, request: Request, trial: Trial) -> AsyncStream[Any]:
        began = time.monotonic()
        try:
            return await self._wire.open_stream(request, within=trial.left)
        except ReplyTimeout:
            pass
        finally:
            trial.wire_left -= time.monotonic() - began
        raise _too_late(trial)
