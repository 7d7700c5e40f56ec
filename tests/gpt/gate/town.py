"""Gates of several processes that share a Valkey, in real time; each has a link of its own, as a process would."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

from gpt.gate import Gate, Rate
from tests.gpt.gate.fleet import CountingLink
from tests.valkey import Valkey

EVERY_30_MS = Rate(interval=0.03, late=0.015)
UNLIMITED = Rate.of(min_request_interval=0)
GATES = 3
REFUSED_AFTER = 1.0
"""What a busy machine may add to a connection that is refused, or to a quarter of a second."""


class FarLink(CountingLink):
    """To a server that is far away."""

    seconds = 0.03

    def run(self, *script: Any, **more: Any) -> Any:
        answer = super().run(*script, **more)
        time.sleep(self.seconds)
        return answer


class FartherLink(FarLink):
    seconds = 0.1


class StuckLink(CountingLink):
    """Looks up a name for as long as it takes: no time limit holds there."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.found = threading.Event()

    def run(self, *script: Any, **more: Any) -> Any:
        self.found.wait(20)
        return super().run(*script, **more)


class Town:
    """Gates on one server, and what they let through."""

    def __init__(self, server: Valkey) -> None:
        self.server = server
        self.url = server.url
        """For the links of gates to come."""
        self.links: list[CountingLink] = []
        self.sent: list[float] = []

    def gate(
        self, rate: Rate = EVERY_30_MS, *, processes: int = GATES, link: type[CountingLink] = CountingLink
    ) -> Gate:
        self.links.append(link(self.url))
        return Gate(rate, key="test", redis=self.links[-1], processes=processes)

    async def go(self, gate: Gate, *, within: float = 30, **more: Any) -> float:
        waited = await gate.enter(until=time.monotonic() + within, **more)
        self.sent.append(time.monotonic())
        return waited

    async def rush(self, *gates: Gate, each: int) -> None:
        """So many through each, one after another, all gates at once."""

        async def one_by_one(gate: Gate) -> None:
            for _number in range(each):
                await self.go(gate)

        await asyncio.gather(*map(one_by_one, gates))

    def end(self) -> None:
        for link in self.links:
            link.close()

    @property
    def gaps(self) -> list[float]:
        return [behind - before for before, behind in pairwise(sorted(self.sent))]

    def closest_three(self, after: int = 0) -> float:
        """The shortest time in which three sends lie: one that this machine held up may be near to the next."""
        return min(first + second for first, second in pairwise(self.gaps[after:]))

    @property
    def scripts(self) -> int:
        return sum(link.scripts for link in self.links)


async def until(is_so: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < ends_at, "it did not come about"
        await asyncio.sleep(0.01)


async def watched_loop(task: Awaitable[Any]) -> float:
    """The longest that the loop stood still while it ran."""
    longest, running = 0.0, asyncio.ensure_future(task)
    while not running.done():
        began = time.monotonic()
        await asyncio.sleep(0.005)
        longest = max(longest, time.monotonic() - began - 0.005)
    await running
    return longest
