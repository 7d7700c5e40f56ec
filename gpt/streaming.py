"""A reply piece by piece."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from gpt.errors import GptError, ReplyTimeout
from gpt.model import Api, GptReply
from gpt.provider import Passage, Provider, Trial
from gpt.question import Question
from gpt.wire.pieces import Pieces
from gpt.wire.sdk_errors import troubles
from gpt.wire.wire import Request, Wire

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


class _Opened(NamedTuple):
    """A stream under way, past the gate; closing `stack` ends both."""

    stream: AsyncStream[Any]
    passage: Passage
    stack: AsyncExitStack


class Streams:
    """Opens streams as a question is asked: breaker → budget → gate → wire, again where that may help."""

    def __init__(self, provider: Provider, wire: Wire, *, timeout: float) -> None:
        self._provider = provider
        self._wire = wire
        self._timeout = timeout

    async def texts(self, question: Question, done: Callable[[GptReply], None]) -> AsyncGenerator[str, None]:
        """The pieces, then `done` with the whole; raises GptError. At most `timeout` seconds on the wire in all."""
        trial = Trial(question, until=time.monotonic() + question.deadline, wire_left=self._timeout)
        opened = await self._provider.again_where_it_helps(self._open, trial)
        pieces = Pieces(question.api)
        async with opened.stack:
            while (event := await self._next(opened.stream, trial)) is not None:
                text = pieces.take(event)
                opened.passage.usage = pieces.usage
                if text:
                    yield text
            answer = pieces.answer()
        done(self._provider.reply(answer, question))

    async def _open(self, trial: Trial) -> _Opened:
        body = {**trial.question.body, "stream": True}
        if trial.question.api is Api.CHAT:
            body.setdefault("stream_options", {"include_usage": True})
        async with AsyncExitStack() as stack:
            passage = await stack.enter_async_context(self._provider.passing(trial.question, until=trial.until))
            began = time.monotonic()
            stream = await self._wire.open_stream(Request(api=trial.question.api, body=body), within=trial.wire_left)
            trial.wire_left -= time.monotonic() - began
            stack.push_async_callback(stream.close)
            return _Opened(stream, passage, stack.pop_all())

    async def _next(self, stream: AsyncStream[Any], trial: Trial) -> Any:
        """The next event, or None at the end. Time that the reader takes between two events does not count."""
        began = time.monotonic()
        failure: GptError
        try:
            async with asyncio.timeout(max(trial.wire_left, 0)):
                return await anext(stream, None)
        except TimeoutError:
            failure = ReplyTimeout(
                f"the reply was not whole within {self._timeout:.3g} s", hint="timeout=… of the settings"
            )
        except troubles() as error:
            failure = self._wire.judge(error)
        finally:
            trial.wire_left -= time.monotonic() - began
        raise failure
