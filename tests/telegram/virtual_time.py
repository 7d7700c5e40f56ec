"""A loop whose clock jumps to the next timer when there is nothing else to do, so that an hour passes in moments.

    async def lives_an_hour() -> None: ...
    run_virtually(lives_an_hour())

While it runs, `loop.time()` is virtual, and so is `time.time()` (Telethon remembers flood waits and checks message
ids by it): both lead the real clocks by all the seconds jumped over. `virtual_utc_now()` is the wall clock to hand to
code that takes one. Client and server must live in this one loop, on loopback: before each jump the loop polls for
`grace` real seconds, since bytes under way on loopback are seen within that time. Work in an executor
(`asyncio.to_thread`) stops the jumping until it is done. What the loop cannot see (a thread of somebody's own, a
child process) is covered by `with loop.real_time():`.
"""

import asyncio
import contextlib
import selectors
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import Executor
from datetime import datetime, timedelta
from typing import Any, TypeVar, TypeVarTuple, Unpack
from unittest import mock

from utils.clock import utc_now

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")

GRACE_SECONDS = 0.002


class _JumpingSelector(selectors.BaseSelector):
    """Waits like the real one, but tells how long the wait was to be instead of waiting it out."""

    def __init__(self, grace: float) -> None:
        self._real = selectors.DefaultSelector()
        self._grace = grace
        self.holds = 0
        self.lead = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """The ready ones; nothing ready and nothing held means that the timeout has passed."""
        if timeout is None or timeout <= 0 or self.holds:
            return self._real.select(timeout)
        ready = self._real.select(min(self._grace, timeout))
        if not ready:
            self.lead += timeout
        return ready

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """As the real one."""
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        """As the real one."""
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """As the real one, without the detour of the base class."""
        return self._real.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        """As the real one."""
        return self._real.get_map()

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        """As the real one."""
        return self._real.get_key(fileobj)

    def close(self) -> None:
        """As the real one."""
        self._real.close()


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """The loop; `lead` is by how many seconds it is ahead of the real clocks."""

    def __init__(self, *, grace: float = GRACE_SECONDS) -> None:
        self._jumping = _JumpingSelector(grace)
        super().__init__(self._jumping)

    @property
    def lead(self) -> float:
        """Seconds jumped over so far."""
        return self._jumping.lead

    def time(self) -> float:
        """The real monotonic clock and the lead."""
        return super().time() + self._jumping.lead

    def wall_time(self) -> float:
        """What `time.time()` gives while the loop runs: the real wall clock and the lead."""
        return utc_now().timestamp() + self.lead

    @contextlib.contextmanager
    def real_time(self) -> Iterator[None]:
        """No jump while this is entered: something is under way that the loop cannot see."""
        self._jumping.holds += 1
        try:
            yield
        finally:
            self._jumping.holds -= 1

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Arguments]], Result], *args: *Arguments
    ) -> asyncio.Future[Result]:
        """As the base class, and no jump until the work is done."""
        future = super().run_in_executor(executor, func, *args)
        self._jumping.holds += 1
        future.add_done_callback(self._release)
        return future

    async def shutdown_default_executor(self, *arguments: Any) -> None:
        """As the base class, in real time: the time limit that it has from Python 3.12 on must not be jumped to."""
        with self.real_time():
            await super().shutdown_default_executor(*arguments)

    def _release(self, _: asyncio.Future[Any]) -> None:
        self._jumping.holds -= 1


def virtual_utc_now() -> datetime:
    """The wall clock of the running loop: the real one, and the lead where the loop is a virtual one."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return utc_now()
    return utc_now() + timedelta(seconds=loop.lead) if isinstance(loop, VirtualTimeLoop) else utc_now()


def run_virtually(main: Coroutine[Any, Any, Result], *, grace: float = GRACE_SECONDS) -> Result:
    """Run the coroutine in a loop of its own with virtual time, and give its result."""
    with asyncio.Runner(loop_factory=lambda: VirtualTimeLoop(grace=grace)) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, VirtualTimeLoop)
        with mock.patch.object(time, "time", new=loop.wall_time):
            return runner.run(main)
