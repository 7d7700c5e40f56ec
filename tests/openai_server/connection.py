"""One connection: requests in, one at a time, and their replies out, whole or broken."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple, cast

from tests.openai_server.answers import Answer, Manner
from tests.openai_server.replies import Reply
from tests.openai_server.requests import BadRequestError, Request, take_request

if TYPE_CHECKING:
    from tests.openai_server.server import Server


class _Portion(Enum):
    """How much of the reply is sent."""

    NOTHING = ""
    HALF = "half"
    WHOLE = "whole"


class _Then(Enum):
    """What becomes of the connection."""

    NEXT = "takes the next request"
    CLOSE = "is closed"
    RESET = "is reset"
    HANG = "stays as it is"


_COURSES = {
    Manner.WHOLE: (_Portion.WHOLE, _Then.NEXT),
    Manner.HELD: (_Portion.WHOLE, _Then.NEXT),
    Manner.ERROR_MIDWAY: (_Portion.WHOLE, _Then.NEXT),
    Manner.HANGING: (_Portion.NOTHING, _Then.HANG),
    Manner.HANGING_MIDWAY: (_Portion.HALF, _Then.HANG),
    Manner.CLOSED: (_Portion.NOTHING, _Then.CLOSE),
    Manner.CLOSED_MIDWAY: (_Portion.HALF, _Then.CLOSE),
    Manner.RESET: (_Portion.NOTHING, _Then.RESET),
    Manner.RESET_MIDWAY: (_Portion.HALF, _Then.RESET),
}
_RESET_AFTER = 0.02
"""Seconds for the client to read what came: a reset throws away what it has not read."""
_RESET_AT_CLOSE = struct.pack("ii", 1, 0)
NO_STATUS = 0
"""Counted for requests that got no status line: their connection was ended before."""


class Exchange(NamedTuple):
    """A request and what it gets."""

    request: Request
    answer: Answer
    reply: Reply


class Connection(asyncio.Protocol):
    """HTTP/1.1 with keep-alive."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._buffer = bytearray()
        self._transport: asyncio.Transport
        self._port = 0
        self._current: Exchange | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._port = transport.get_extra_info("peername")[1]
        self._server.connections.add(self)

    def connection_lost(self, _error: Exception | None) -> None:
        self._server.connections.discard(self)
        if self._current is not None:
            self._server.abandoned += 1
        self._current = None
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._current is None:
            self._serve()

    def close(self) -> None:
        """End it as it is."""
        self._transport.abort()

    def send(self) -> None:
        """Send the current reply as its answer wants it; nothing when the client has gone."""
        if self._current is None:
            return
        _request, answer, reply = self._current
        if answer.manner is Manner.DRIPPING:
            self._server.count(self._current, answer.status)
            self._transport.write(reply.head)
            self._drip(list(reply.drops[::-1]), answer.gap)
            return
        portion, then = _COURSES[answer.manner]
        if portion is not _Portion.NOTHING:
            self._server.count(self._current, answer.status)
            self._transport.write(reply.whole if portion is _Portion.WHOLE else reply.half)
        elif then is not _Then.HANG:
            self._server.count(self._current, NO_STATUS)
        self._go_on(then)

    def _serve(self) -> None:
        """Answer the next request of the buffer, if it has come whole."""
        try:
            request = take_request(self._buffer, at=time.monotonic(), connection=self._port)
        except BadRequestError:
            self._transport.write(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
            self._transport.close()
            return
        if request is None:
            return
        answer, reply = self._server.answer(request)
        self._current = Exchange(request, answer, reply)
        if answer.manner is Manner.HELD:
            self._server.held.append(self)
            return
        delay = self._server.latency if answer.delay is None else answer.delay
        if delay:
            self._timer = asyncio.get_running_loop().call_later(delay, self.send)
        else:
            self.send()

    def _drip(self, drops: list[bytes], gap: float) -> None:
        self._transport.write(drops.pop())
        if drops:
            self._timer = asyncio.get_running_loop().call_later(gap, self._drip, drops, gap)
        else:
            self._go_on(_Then.NEXT)

    def _go_on(self, then: _Then) -> None:
        if then is _Then.HANG:
            return
        if then is _Then.RESET:
            self._timer = asyncio.get_running_loop().call_later(_RESET_AFTER, self._reset)
            return
        self._current = None
        if then is _Then.CLOSE:
            self._transport.close()
        elif self._buffer:
            self._serve()

    def _reset(self) -> None:
        self._current = None
        self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
        self._transport.abort()
