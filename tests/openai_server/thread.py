"""The server in a thread of its own, for clients in the test's own loop or anywhere else."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from tests.openai_server.answers import Answer
from tests.openai_server.limits import Kind, Limiter, Rule
from tests.openai_server.requests import Request
from tests.openai_server.server import Server
from tests.server_thread import ServerThread


class OpenAIServer(ServerThread):
    """`with OpenAIServer() as server:` serves in a thread; everything here may be called from any other.

    client = AsyncOpenAI(base_url=server.base_url, api_key="sk-test")
    server.script(Answer.quota(), Answer(text="Hello", delay=0.1), Answer(manner=Manner.RESET))
    server.limit(12, 60)
    """

    def __init__(self) -> None:
        super().__init__("openai")
        self._server = Server()
        self._port = 0

    @property
    def base_url(self) -> str:
        """What an OpenAI client takes as `base_url`."""
        return f"http://127.0.0.1:{self._port}/v1"

    @property
    def requests(self) -> list[Request]:
        """Every request that has arrived, in order."""
        return list(self._server.requests)

    @property
    def replied(self) -> list[tuple[Request, int]]:
        """The requests whose reply has begun, each with its status (see `counts`), in the order of the replies."""
        return list(self._server.replied)

    @property
    def counts(self) -> Mapping[int, int]:
        """Replies begun, by status; 0 stands for connections that were ended before a status."""
        return Counter(self._server.counts)

    @property
    def rate_limited(self) -> int:
        """429s for too many requests or tokens, scripted or by the limit; a used-up quota is none."""
        return self._server.rate_limited

    @property
    def abandoned(self) -> int:
        """Requests whose client went away before their reply was sent."""
        return self._server.abandoned

    @property
    def connections(self) -> int:
        """Open at this moment."""
        return len(self._server.connections)

    @property
    def latency(self) -> float:
        """Seconds from a request to its reply, where the answer says nothing else."""
        return self._server.latency

    @latency.setter
    def latency(self, seconds: float) -> None:
        self._server.latency = seconds

    def answer(self, answer: Answer | None = None, **fields: Any) -> None:
        """The default from now on: `answer(text="Hello")` is short for `answer(Answer(text="Hello"))`."""
        self._server.default = answer or Answer(**fields)

    def script(self, *answers: Answer) -> None:
        """The next requests get these, in order, then the default again; after what was scripted before."""
        self._server.scripted.extend(answers)

    def limit(self, requests: int, window: float, *, kind: str = Kind.FIXED, **hints: Any) -> None:
        """From now on so many requests in each `window` seconds, counted afresh; the others get a 429.

        `tokens=` limits them as well; `headers=False` leaves x-ratelimit-* out, `retry_after=True` adds it to a 429.
        """
        self._server.limiter = Limiter(Rule(requests=requests, window=window, kind=Kind(kind), **hints))

    def unlimit(self) -> None:
        """No limit from now on."""
        self._server.limiter = None

    def release(self) -> None:
        """Send the replies held by `Manner.HELD` so far."""
        self._call(self._server.release)

    def close_connections(self) -> None:
        """End every open connection as it is; returns once that is done."""
        self._call(self._server.close_connections)

    def forget(self) -> None:
        """Forget the requests, the counts and what is left of the script; the limit and the default stay."""
        self._call(self._forget)

    async def arrived(self, count: int, *, within: float = 10) -> None:
        """Return once so many requests have come in all; raises TimeoutError."""
        until = time.monotonic() + within
        while len(self._server.requests) < count:
            if time.monotonic() > until:
                raise TimeoutError(f"{len(self._server.requests)} of {count} requests within {within:g} s")
            await asyncio.sleep(0.001)

    def _forget(self) -> None:
        server = self._server
        for collected in (server.requests, server.replied, server.scripted, server.counts):
            collected.clear()
        server.rate_limited = server.abandoned = 0

    def _call(self, function: Any) -> None:
        async def called() -> None:
            function()

        asyncio.run_coroutine_threadsafe(called(), self.loop).result()

    @asynccontextmanager
    async def _serving(self) -> AsyncIterator[None]:
        self._port = await self._server.start()
        asyncio.get_running_loop().set_exception_handler(self.fail)
        yield
        await self._server.stop()
