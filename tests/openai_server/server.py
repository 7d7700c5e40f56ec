"""What every connection of the server shares: the script, the limit, the counts."""

import asyncio
import itertools
import time
from collections import Counter, deque

from tests.openai_server.answers import Answer
from tests.openai_server.connection import Connection, Exchange
from tests.openai_server.limits import Limiter
from tests.openai_server.replies import Reply, refusal_of, reply_to
from tests.openai_server.requests import Request


class Server:
    """Serves in the loop that starts it. What tests set may be set from any thread: each is one assignment."""

    def __init__(self) -> None:
        self.default = Answer()
        self.scripted: deque[Answer] = deque()
        self.limiter: Limiter | None = None
        self.latency = 0.0
        self.requests: list[Request] = []
        self.replied: list[tuple[Request, int]] = []
        self.counts: Counter[int] = Counter()
        self.rate_limited = 0
        self.abandoned = 0
        self.connections: set[Connection] = set()
        self.held: deque[Connection] = deque()
        self._numbers = itertools.count(1)
        self._listening: asyncio.Server | None = None

    async def start(self) -> int:
        """Listen on a free port of 127.0.0.1 and give it."""
        loop = asyncio.get_running_loop()
        self._listening = await loop.create_server(lambda: Connection(self), "127.0.0.1", 0, backlog=4096)
        port: int = self._listening.sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        """Listen no more and end every connection."""
        assert self._listening is not None
        self._listening.close()
        self.close_connections()
        await asyncio.sleep(0)  # the connections hear of their end

    def close_connections(self) -> None:
        """End every connection as it is, idle or not."""
        for connection in tuple(self.connections):
            connection.close()

    def release(self) -> None:
        """Send every reply that is held."""
        while self.held:
            self.held.popleft().send()

    def answer(self, request: Request) -> tuple[Answer, Reply]:
        """Decide what the request gets. One over the limit gets a 429 and takes nothing from the script."""
        self.requests.append(request)
        answer = refusal_of(request) or self._over_limit(request) or self._next()
        now = time.monotonic()
        headers = self.limiter.headers(now) if self.limiter is not None else {}
        return answer, reply_to(request, answer, number=next(self._numbers), headers=headers)

    def count(self, exchange: Exchange, status: int) -> None:
        """Count a reply that is about to go, or a connection that ends without."""
        self.counts[status] += 1
        self.replied.append((exchange.request, status))
        error = exchange.answer.error
        if status and error is not None and error.get("code") == "rate_limit_exceeded":
            self.rate_limited += 1

    def _over_limit(self, request: Request) -> Answer | None:
        limiter = self.limiter
        if limiter is None:
            return None
        return limiter.admit(request.prompt_tokens + request.most_tokens, now=request.at)

    def _next(self) -> Answer:
        try:
            return self.scripted.popleft()
        except IndexError:
            return self.default
