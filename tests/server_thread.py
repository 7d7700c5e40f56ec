"""A server of the tests in a thread and an event loop of its own."""

import asyncio
import threading
from abc import ABC, abstractmethod
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Self

_START_SECONDS = 30


class ServerThread(ABC):
    """`with` starts it and ends it; what went wrong in it is raised by whoever entered."""

    def __init__(self, name: str) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._error: BaseException | None = None
        self._ready = threading.Event()
        self._over: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name=name)

    @abstractmethod
    def _serving(self) -> AbstractAsyncContextManager[object]:
        """Serves from entering to leaving, in the thread's own event loop."""

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait(_START_SECONDS)
        if self._error is not None:
            self._thread.join()
            raise self._error
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._over is not None
        self.loop.call_soon_threadsafe(self._over.set)
        self._thread.join()
        if self._error is not None:
            raise self._error

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The server's, once it runs."""
        assert self._loop is not None
        return self._loop

    def fail(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """An exception handler for the server's loop: what goes wrong in a connection is only a broken one there."""
        self._error = self._error or context.get("exception") or RuntimeError(context["message"])

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001  # raised again by whoever entered
            self._error = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        async with self._serving():
            self._loop = asyncio.get_running_loop()
            self._over = asyncio.Event()
            self._ready.set()
            await self._over.wait()
