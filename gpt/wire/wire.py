"""The one place that talks to the provider: the openai SDK, a client for each event loop, no retries of its own."""

from __future__ import annotations

import asyncio
import inspect
import threading
from base64 import b64encode
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote, urlsplit
from weakref import WeakKeyDictionary

from gpt.errors import GptError, GptSettingsError, HelperClosed, ReplyTimeout
from gpt.model import Api
from gpt.wire.answers import Answer, read_answer
from gpt.wire.hints import used_up
from gpt.wire.sdk_errors import judge_error, troubles
from utils.clock import Clock, utc_now

if TYPE_CHECKING:
    from openai import AsyncOpenAI, AsyncStream


_CONNECT_WITHIN = 5.0
"""Seconds, as the SDK has it: a host that does not answer at all may answer at the next try."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request as the API wants it. Its body never stands in its `repr`."""

    api: Api
    body: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Received:
    """What came back."""

    answer: Answer
    used_up: float
    """Seconds for which the provider's headers say that its window is used up."""


class Wire:
    """Sends requests; loads the SDK (0.5 s, 50 MB) with the first one, in a thread."""

    def __init__(self, *, api_key: str, base_url: str, clock: Clock = utc_now) -> None:
        self._api_key = api_key
        self._base_url = base_url
        self._clock = clock
        self._lock = threading.Lock()
        self._connecting = threading.Lock()
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncOpenAI] = WeakKeyDictionary()
        self._closers: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncGenerator[None, None]] = WeakKeyDictionary()
        self._closed = False

    async def ready(self) -> None:
        """Load what a request needs: one that has passed the gate must go at once, or the next is too near to it."""
        await self._client()

    async def send(self, request: Request, *, within: float) -> Received:
        """One try, ended after so many seconds whatever the server does. Raises GptError."""
        client = await self._client()
        failure: GptError
        try:
            async with asyncio.timeout(within):
                raw = await _endpoint(client, request.api).with_raw_response.create(**_arguments(client, request))
            return Received(read_answer(raw.content, request.api), used_up(raw.headers, now=self._clock()))
        except TimeoutError:
            failure = _silent(within)
        except troubles() as error:
            failure = judge_error(error, now=self._clock())
        # Raised outside of the handler: its context would carry the provider's words, which may repeat the prompt.
        raise failure

    async def open_stream(self, request: Request, *, within: float) -> AsyncStream[Any]:
        """A streamed try (its body says `stream`), begun; raises GptError.

        The caller bounds the reading, judges its errors, and closes it.
        """
        client = await self._client()
        try:
            async with asyncio.timeout(within):
                stream = await _endpoint(client, request.api).create(**_arguments(client, request))
            return cast("AsyncStream[Any]", stream)
        except TimeoutError:
            failure = _silent(within)
        except troubles() as error:
            failure = judge_error(error, now=self._clock())
        raise failure

    async def _client(self) -> AsyncOpenAI:
        loop = asyncio.get_running_loop()
        with self._lock:
            client = self._clients.get(loop)
        if client is None:
            if not self._api_key:
                hint = "api_key=…, [gpt] api_key_file, or the variable OPENAI_API_KEY"
                raise GptSettingsError("no API key", hint=hint)
            # Loading the SDK, its resources and the certificates takes half a second: not on the event loop.
            client = await asyncio.to_thread(self._connect, loop)
        if loop not in self._closers:  # also where whoever had it made was cancelled meanwhile
            self._closers[loop] = closer = self._closing(loop, client)
            await anext(closer)
        return client

    def _connect(self, loop: asyncio.AbstractEventLoop) -> AsyncOpenAI:
        """The client of that event loop, made once however many ask for it."""
        with self._connecting:
            if loop in self._clients:
                return self._clients[loop]
            from httpx2 import Timeout
            from openai import AsyncOpenAI

            # Each try is bounded as a whole, by `within`; a time-out for each read costs 3 % of a call beside it.
            timeout = Timeout(None, connect=_CONNECT_WITHIN)
            address, headers = _told_apart(self._base_url)
            client = AsyncOpenAI(
                api_key=self._api_key, base_url=address, default_headers=headers, max_retries=0, timeout=timeout
            )
            for api in Api:
                _endpoint(client, api)
            with self._lock:
                if self._closed:
                    raise HelperClosed("the helper was closed")
                self._clients[loop] = client
            return client

    async def _closing(self, loop: asyncio.AbstractEventLoop, client: AsyncOpenAI) -> AsyncGenerator[None, None]:
        """Ends the client's connections when it is closed, or when the loop ends: that closes its async generators.

        A loop tells of its end in no other way, and what is left to the garbage collector stays open till then: this
        generator knows its loop, so that the two would keep each other alive in the table.
        """
        try:
            yield
        finally:
            self._clients.pop(loop, None)
            self._closers.pop(loop, None)
            await client.close()

    async def aclose(self) -> None:
        """End the connections of every event loop; a later request is refused."""
        with self._lock:
            self._closed = True
            self._clients.clear()
            closers = dict(self._closers)
            self._closers.clear()
        here = asyncio.get_running_loop()
        for loop, closer in closers.items():
            if loop is here:
                await closer.aclose()
            elif loop.is_running():
                asyncio.run_coroutine_threadsafe(closer.aclose(), loop)

    def after_fork(self) -> None:
        """In a child process: its parent's connections are its parent's."""
        self._lock = threading.Lock()
        self._connecting = threading.Lock()
        self._clients, self._closers = WeakKeyDictionary(), WeakKeyDictionary()


def _told_apart(base_url: str) -> tuple[str, dict[str, str]]:
    """The address without user and password, which httpx would log with each request, and the header that says them.

    As httpx does it itself: they stand in place of the API key (RFC 7617).
    """
    parts = urlsplit(base_url)
    user, at, place = parts.netloc.rpartition("@")
    if not at:
        return base_url, {}
    name, _, password = user.partition(":")
    credentials = b64encode(f"{unquote(name)}:{unquote(password)}".encode()).decode("ascii")
    return parts._replace(netloc=place).geturl(), {"Authorization": f"Basic {credentials}"}


def _arguments(client: AsyncOpenAI, request: Request) -> dict[str, Any]:
    """The body as the SDK takes it: what it does not know by name (a compatible host's own) goes along all the same."""
    known = _parameters(_endpoint(client, request.api).create.__func__)
    if request.body.keys() <= known:
        return dict(request.body)
    named = {name: value for name, value in request.body.items() if name in known}
    more = {name: value for name, value in request.body.items() if name not in known}
    return {**named, "extra_body": {**more, **(named.get("extra_body") or {})}}


@cache
def _parameters(create: Any) -> frozenset[str]:
    return frozenset(inspect.signature(create).parameters) - {"self"}


def _endpoint(client: AsyncOpenAI, api: Api) -> Any:
    return client.chat.completions if api is Api.CHAT else client.responses


def _silent(within: float) -> GptError:
    return ReplyTimeout(f"no whole reply within {within:.3g} s", hint="timeout=… of the settings")
