"""An event loop whose time goes on only while nothing else is to be done: hours in milliseconds, always the same."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from gpt.gate import Gate, Rate

T = TypeVar("T")


class _NoWaiting(selectors.DefaultSelector):
    """Instead of waiting it sets the loop's clock forward."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events: list[tuple[selectors.SelectorKey, int]] = super().select(0)
        if not events and timeout != 0:
            assert timeout is not None, "everybody waits, and nothing is to come"
            self.loop.now += timeout
        return events


class VirtualLoop(asyncio.SelectorEventLoop):
    """`now` may be set forward: then the loop was busy for so long."""

    def __init__(self) -> None:
        selector = _NoWaiting()
        selector.loop = self
        self.now = 1000.0
        super().__init__(selector)

    def time(self) -> float:
        return self.now


class Street:
    """Who came to a gate and who got through, by virtual time."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.loop = loop
        self.sent: list[tuple[float, str]] = []

    @property
    def now(self) -> float:
        return self.loop.now

    @property
    def order(self) -> list[str]:
        """Names, in the order of their sends."""
        return [name for _at, name in self.sent]

    @property
    def times(self) -> list[float]:
        """Seconds since the first send."""
        return [round(at - self.sent[0][0], 5) for at, _name in self.sent]

    def gate(self, rate: Rate, *, processes: int = 1) -> Gate:
        return Gate(rate, key="test", processes=processes, monotonic=self.loop.time)

    async def pass_through(self, gate: Gate, name: str = "", *, within: float = 1e6, **more: Any) -> float:
        waited = await gate.enter(until=self.now + within, **more)
        self.sent.append((self.now, name))
        return waited

    def come(self, gate: Gate, name: str = "", **more: Any) -> asyncio.Task[float]:
        """Somebody comes to the gate now, and waits in a task."""
        return self.loop.create_task(self.pass_through(gate, name, **more))


def in_virtual_time(scenario: Callable[[Street], Coroutine[Any, Any, T]]) -> T:
    """Run it to its end."""

    async def main() -> T:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        return await scenario(Street(loop))

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main())


def worst_window(moments: list[float], window: float) -> int:
    """The most that lie in any half-open window of so many seconds."""
    times = sorted(moments)
    worst = begin = 0
    for end, time in enumerate(times):
        while time - times[begin] >= window:
            begin += 1
        worst = max(worst, end - begin + 1)
    return worst
