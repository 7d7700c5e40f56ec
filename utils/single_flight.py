"""Identical calls made while one is under way share its outcome; whoever leaves harms nobody."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Hashable
from concurrent.futures import Future
from contextvars import Context
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Flight(Generic[T]):
    """One call under way. It is a task of its own, so cancelling a caller, the first one too, does not end it."""

    def __init__(self, call: Coroutine[Any, Any, T]) -> None:
        self.loop = asyncio.get_running_loop()
        # A context of its own: what the first caller carries (a request id, a trace) is not that of the others.
        self.task = self.loop.create_task(call, context=Context())
        self.here: dict[asyncio.Future[None], None] = {}
        """Callers on its event loop; thousands may come and go."""
        self.elsewhere: dict[Future[T], None] = {}
        """Callers on other event loops."""

    def is_alive(self) -> bool:
        """Whether its event loop goes on: one that was stopped or closed lands nowhere."""
        return self.loop.is_running() and not self.task.done()


class SingleFlight(Generic[T]):
    """Calls by key, over all event loops of the process.

    A call must not raise: an outcome that failed is a value too. It ends by CancelledError only with its event loop,
    or when `cancel_all` says so; callers then get `Grounded`.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flights: dict[Hashable, Flight[T]] = {}
        """Those that may be joined."""
        self._under_way: set[Flight[T]] = set()

    def __len__(self) -> int:
        return len(self._under_way)

    def begin(self, key: Hashable, call: Callable[[], Coroutine[Any, Any, T]]) -> tuple[Flight[T], bool]:
        """The flight of this key, begun if there is none; and whether it was there already."""
        with self._lock:
            flight = self._flights.get(key)
            if flight is not None and flight.is_alive():
                return flight, True
            self._under_way = {one for one in self._under_way if not one.loop.is_closed()}
            flight = self._flights[key] = Flight(call())
            self._under_way.add(flight)
        flight.task.add_done_callback(lambda _task: self._landed(key, flight))
        return flight, False

    def joins(self, key: Hashable) -> bool:
        """Whether `begin` would join one that is under way."""
        with self._lock:
            flight = self._flights.get(key)
            return flight is not None and flight.is_alive()

    async def wait(self, flight: Flight[T], *, within: float | None = None) -> T:
        """Its outcome; raises Grounded when it ends without one, TimeoutError when it does not within so many seconds.

        Neither that nor cancelling this harms the flight.
        """
        async with asyncio.timeout(within):
            if flight.loop is not asyncio.get_running_loop():
                return await self._wait_elsewhere(flight)
            if not flight.task.done():
                landed = flight.loop.create_future()
                flight.here[landed] = None
                try:
                    await landed
                finally:
                    flight.here.pop(landed, None)
            return self._outcome(flight)

    async def _wait_elsewhere(self, flight: Flight[T]) -> T:
        with self._lock:
            if flight.task.done():
                return self._outcome(flight)
            landed: Future[T] = Future()
            flight.elsewhere[landed] = None
        try:
            return await asyncio.wrap_future(landed)
        finally:
            with self._lock:
                flight.elsewhere.pop(landed, None)

    def forget_all(self) -> None:
        """Let nobody join what is under way any more; who waits for it gets its outcome."""
        with self._lock:
            self._flights.clear()

    def cancel_all(self) -> list[asyncio.Task[T]]:
        """Ask every flight to end; gives those of the running event loop, to be waited for."""
        with self._lock:
            flights = list(self._under_way)
        here = asyncio.get_running_loop()
        for flight in flights:
            if flight.loop is here:
                flight.task.cancel()
            elif not flight.loop.is_closed():
                flight.loop.call_soon_threadsafe(flight.task.cancel)
        return [flight.task for flight in flights if flight.loop is here]

    def after_fork(self) -> None:
        """In a child process: the event loops of its parent do not run there."""
        self._lock = threading.Lock()
        self._flights, self._under_way = {}, set()

    def _landed(self, key: Hashable, flight: Flight[T]) -> None:
        with self._lock:
            if self._flights.get(key) is flight:
                del self._flights[key]
            self._under_way.discard(flight)
            elsewhere = list(flight.elsewhere)
        for here in flight.here:
            if not here.done():
                here.set_result(None)
        for one in elsewhere:
            if one.set_running_or_notify_cancel():
                self._tell(one, flight)

    def _tell(self, waiting: Future[T], flight: Flight[T]) -> None:
        try:
            waiting.set_result(self._outcome(flight))
        except BaseException as error:  # noqa: BLE001  # a mistake in the call is everybody's who waits for it
            waiting.set_exception(error)

    @staticmethod
    def _outcome(flight: Flight[T]) -> T:
        if flight.task.cancelled():
            raise Grounded("its event loop has ended, or it was cancelled")
        return flight.task.result()


class Grounded(Exception):
    """The flight ended without an outcome."""
