"""Identical calls made while one is under way share its outcome; whoever leaves harms nobody."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Collection, Coroutine, Hashable
from concurrent.futures import Future
from contextlib import suppress
from contextvars import Context
from typing import Any, Generic, TypeVar

T = TypeVar("T")
_LOOKS_EVERY = 0.5
"""Seconds after which a caller of another event loop looks whether that of the flight still runs."""


class Flight(Generic[T]):
    """One call under way. It is a task of its own, so cancelling a caller, the first one too, does not end it."""

    def __init__(self, call: Coroutine[Any, Any, T], *, marks: Collection[str]) -> None:
        self.marks = marks
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
        self._under_way: dict[asyncio.AbstractEventLoop, set[Flight[T]]] = {}

    def __len__(self) -> int:
        with self._lock:
            return sum(map(len, self._under_way.values()))

    def begin(
        self, key: Hashable, call: Callable[[], Coroutine[Any, Any, T]], *, marks: Collection[str] = ()
    ) -> tuple[Flight[T], bool]:
        """The flight of this key, begun if there is none; and whether it was there already.

        `marks`: words by which it can be forgotten.
        """
        with self._lock:
            flight = self._flights.get(key)
            if flight is not None and flight.is_alive():
                return flight, True
            for closed in [loop for loop in self._under_way if loop.is_closed()]:
                del self._under_way[closed]
            flight = self._flights[key] = Flight(call(), marks=marks)
            self._under_way.setdefault(flight.loop, set()).add(flight)
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
        here = asyncio.wrap_future(landed)
        try:
            while True:
                await asyncio.wait([here], timeout=_LOOKS_EVERY)
                if here.done():
                    return here.result()
                if flight.task.done():
                    return self._outcome(flight)
                if not flight.is_alive():
                    raise Grounded("its event loop was stopped")
        finally:
            here.cancel()
            with self._lock:
                flight.elsewhere.pop(landed, None)

    def forget(self, mark: str) -> None:
        """Let nobody join what is under way with this mark any more; who waits for it gets its outcome."""
        with self._lock:
            for key in [key for key, flight in self._flights.items() if mark in flight.marks]:
                del self._flights[key]

    def end(self, key: Hashable) -> None:
        """Ask the flight of this key to end: who waits for it gets `Grounded`, and has a better way."""
        with self._lock:
            flight = self._flights.pop(key, None)
        if flight is not None:
            _cancel(flight)

    def cancel_all(self) -> list[asyncio.Task[T]]:
        """Ask every flight to end; gives those of the running event loop, to be waited for."""
        with self._lock:
            flights = [flight for of_loop in self._under_way.values() for flight in of_loop]
        for flight in flights:
            _cancel(flight)
        here = asyncio.get_running_loop()
        return [flight.task for flight in flights if flight.loop is here]

    def after_fork(self) -> None:
        """In a child process: the event loops of its parent do not run there."""
        self._lock = threading.Lock()
        self._flights, self._under_way = {}, {}

    def _landed(self, key: Hashable, flight: Flight[T]) -> None:
        with self._lock:
            if self._flights.get(key) is flight:
                del self._flights[key]
            of_loop = self._under_way.get(flight.loop, set())
            of_loop.discard(flight)
            if not of_loop:
                self._under_way.pop(flight.loop, None)
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


def _cancel(flight: Flight[Any]) -> None:
    """From any thread."""
    with suppress(RuntimeError):  # its event loop was closed over it
        flight.loop.call_soon_threadsafe(flight.task.cancel)
